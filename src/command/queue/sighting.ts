/**
 * Where messages are seen. A message is one file, but the file may have a second name in bounce/ while other
 * recipients still wait: it is shown once, where recipients wait, else in bounce/. Messages move while we look; one
 * that is gone when it is read is looked for elsewhere.
 */
import { lstatSync } from "node:fs";
import { isForeignName, quarantinePath } from "../../spool/quarantined.ts";
import { type Queue, queuePath, secondPath } from "../../spool/queues.ts";
import { foreignNames, listQueue } from "../../spool/scan.ts";

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
  const isPart = queues.length < LISTED.length;
  const listings = queues.map((queue) => sightingsIn(queue, isPart));
  // What leaves deferred/ before that is read comes to where we have been already.
  const again = queues.filter((queue) => PASSED_THROUGH.includes(queue)).map((queue) => sightingsIn(queue, isPart));
  const names = new Map<string, Sighting>();
  try {
    for (const listing of [...listings, ...again]) await gather(listing, names);
    yield* names.values();
    for (const listing of listings) for await (const sighting of listing) if (!names.has(sighting.id)) yield sighting;
  } finally {
    for (const listing of [...listings, ...again]) await listing.return(undefined);
  }
}

async function gather(listing: AsyncGenerator<Sighting, void>, names: Map<string, Sighting>): Promise<void> {
  while (names.size < REMEMBERED) {
    const next = await listing.next();
    if (next.done === true) return;
    if (!names.has(next.value.id)) names.set(next.value.id, next.value);
  }
}

async function* sightingsIn(queue: Queue, isPart: boolean): AsyncGenerator<Sighting, void> {
  for await (const { id, generation } of listQueue(queue)) {
    // Who asks for bounce/ alone wants to see everything in it.
    if (generation > 0 && (exists(queuePath(queue, id)) || (!isPart && isWaiting(id)))) continue;
    yield { id, queue, generation };
  }
  if (queue === "corrupt")
    for (const id of foreignNames(queue).filter(isForeignName)) yield { id, queue, generation: 0 };
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
