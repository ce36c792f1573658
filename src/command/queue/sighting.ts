/**
 * Where messages are seen. A message is one file, but the file may have a second name in bounce/ while other
 * recipients still wait: it is shown once, where recipients wait, else in bounce/. Messages move while we look; one
 * that is gone when it is read is looked for elsewhere.
 */
import { lstatSync } from "node:fs";
import { isForeignName, quarantinePath } from "../../spool/quarantined.ts";
import { type Queue, queuePath, secondPath } from "../../spool/queues.ts";
import { foreignNames, listQueue, Scan } from "../../spool/scan.ts";

export interface Sighting {
  readonly id: string;
  readonly queue: Queue;
  readonly generation: number; // 0: the message's own name; more: a second name
}

/** In the order in which they are listed, as mailq has it. */
export const LISTED: readonly Queue[] = ["active", "incoming", "deferred", "hold", "bounce", "results"];
/** Where recipients wait. */
const WAITING: readonly Queue[] = ["incoming", "active", "deferred", "hold"];
/** Where mail stays for moments. */
const PASSED_THROUGH: readonly Queue[] = ["incoming", "active"];
/** How many names are gathered and remembered, so that a message that moves is shown, and not twice. */
const REMEMBERED = 100_000;
const BATCH = 1000;

export function pathOf({ id, queue, generation }: Sighting): string {
  if (queue === "corrupt") return quarantinePath(id);
  if (generation === 0) return queuePath(queue, id);
  if (queue !== "bounce" && queue !== "results") throw new Error(`no second names in ${queue}`);
  return secondPath(queue, id, generation);
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/**
 * Every message in these queues, each once, without reading any. What the caller does with a message takes long, and
 * mail moves meanwhile: so the names are gathered before the first is told, which is a matter of milliseconds. Only
 * what is more than can be remembered is told as it is read.
 */
export async function* walk(queues: readonly Queue[]): AsyncGenerator<Sighting, void> {
  for await (const batch of walkBatches(queues)) yield* batch;
}

/** The same, many at once: with a million, each step of a generator that is waited for is felt. */
export async function* walkBatches(queues: readonly Queue[]): AsyncGenerator<Sighting[], void> {
  const isPart = queues.length < LISTED.length;
  const listings = queues.map((queue) => new Listing(queue, isPart));
  // What leaves deferred/ before that is read comes to where we have been already.
  const again = queues.filter((queue) => PASSED_THROUGH.includes(queue)).map((queue) => new Listing(queue, isPart));
  const names = new Map<string, Sighting>();
  try {
    for (const listing of [...listings, ...again]) {
      while (!listing.ended && names.size < REMEMBERED) {
        for (const sighting of listing.next()) if (!names.has(sighting.id)) names.set(sighting.id, sighting);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    yield [...names.values()];
    for (const listing of listings) {
      while (!listing.ended) {
        yield listing.next().filter(({ id }) => !names.has(id));
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  } finally {
    for (const listing of [...listings, ...again]) listing.close();
  }
}

/** What there is to see in one queue. `isPart`: the queues where recipients wait are not listed, too. */
class Listing {
  readonly #queue: Queue;
  readonly #isPart: boolean;
  readonly #scan: Scan;

  constructor(queue: Queue, isPart: boolean) {
    this.#queue = queue;
    this.#isPart = isPart;
    this.#scan = new Scan(queue);
  }

  next(): Sighting[] {
    const queue = this.#queue;
    const found: Sighting[] = [];
    for (const { id, generation } of this.#scan.next(BATCH)) {
      // Who asks for bounce/ alone wants to see everything in it.
      if (generation > 0 && (exists(queuePath(queue, id)) || (!this.#isPart && isWaiting(id)))) continue;
      found.push({ id, queue, generation });
    }
    if (queue === "corrupt" && this.#scan.ended)
      for (const id of foreignNames(queue).filter(isForeignName)) found.push({ id, queue, generation: 0 });
    return found;
  }

  get ended(): boolean {
    return this.#scan.ended;
  }

  close(): void {
    this.#scan.close();
  }
}

function isWaiting(id: string): boolean {
  return WAITING.some((queue) => exists(queuePath(queue, id)));
}

/** Where a message is: where its recipients wait, else where it is returned, else in quarantine. */
export async function find(id: string): Promise<Sighting | undefined> {
  // A message that is moved while we look may be missed in both places; twice in a row is unlikely.
  return (await look(id)) ?? (await look(id));
}

async function look(id: string): Promise<Sighting | undefined> {
  if (isForeignName(id)) return exists(quarantinePath(id)) ? { id, queue: "corrupt", generation: 0 } : undefined;
  for (const queue of WAITING) if (exists(queuePath(queue, id))) return { id, queue, generation: 0 };
  for (const queue of ["bounce", "results"] as const) {
    if (exists(queuePath(queue, id))) return { id, queue, generation: 0 };
    const generation = await secondName(queue, id);
    if (generation !== undefined) return { id, queue, generation };
  }
  return exists(queuePath("corrupt", id)) ? { id, queue: "corrupt", generation: 0 } : undefined;
}

/** Generations are given from 1 on and taken away from below: a name that is there may follow a few that are not. */
async function secondName(queue: "bounce" | "results", id: string): Promise<number | undefined> {
  for (let generation = 1; generation <= 4; generation += 1) {
    if (exists(secondPath(queue, id, generation))) return generation;
  }
  for await (const listed of listQueue(queue)) if (listed.id === id) return listed.generation;
  return undefined;
}
