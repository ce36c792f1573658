/**
 * Counting with all processors: what a million messages cost is a million files opened and read, one after the other.
 * The first are counted here, for most queues are small and a thread takes longer to start than they do. Then threads
 * are given batches, and this one counts what comes while they have enough before them. Where files have to be read from
 * the disk there are more threads, for a disk does several things at once.
 */
import { availableParallelism } from "node:os";
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import type { Queue } from "../../spool/queues.ts";
import type { Sighting } from "./sighting.ts";
import { Tally, type TallyCounts, type TallyOptions } from "./tally.ts";

/** Messages counted before there are threads. */
const ALONE = 5000;
const BATCH = 500;
/** Batches that a thread has before it, so that it never waits. */
const AHEAD = 3;
const MOST_THREADS = 8; // 30 MB each

/** Messages under their own names, in one queue; as one text, which passes between threads at no cost. */
export interface Batch {
  readonly queue: Queue;
  readonly ids: string; // a blank between
}

export type ToWorker = Batch | "end";
export type FromWorker = "counted" | TallyCounts;

export function sightingsOf({ queue, ids }: Batch): Sighting[] {
  return ids.split(" ").map((id) => ({ id, queue, generation: 0 }));
}

interface Hand {
  readonly worker: Worker;
  readonly ended: Promise<TallyCounts>;
  ahead: number;
}

export class TallyCrew implements AsyncDisposable {
  readonly #own: Tally;
  readonly #options: TallyOptions;
  readonly #hands: Hand[] = [];
  #wanted = Math.max(1, Math.min(MOST_THREADS, availableParallelism() - 1));
  #counted = 0;

  constructor(options: TallyOptions) {
    this.#options = options;
    this.#own = new Tally(options);
  }

  /** Sightings of one queue are best given together. */
  async count(sightings: readonly Sighting[]): Promise<void> {
    let batch: Sighting[] = [];
    for (const sighting of sightings) {
      if (batch.length === BATCH || (batch.length > 0 && batch[0]?.queue !== sighting.queue)) {
        await this.#give(batch);
        batch = [];
      }
      batch.push(sighting);
    }
    await this.#give(batch);
  }

  /** Everything that was given. */
  async result(): Promise<Tally> {
    for (const { worker } of this.#hands) worker.postMessage("end" satisfies ToWorker);
    for (const { ended } of this.#hands) this.#own.addCounts(await ended);
    return this.#own;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#hands.map(({ worker }) => worker.terminate()));
  }

  async #give(batch: readonly Sighting[]): Promise<void> {
    const [first] = batch;
    if (first === undefined) return;
    this.#counted += batch.length;
    if (this.#counted > ALONE) while (this.#hands.length < this.#wanted) this.#hands.push(this.#hire());
    const hand = this.#hands.find(({ ahead }) => ahead < AHEAD);
    // A second name is looked at here: there are few.
    if (hand === undefined || batch.some(({ generation }) => generation > 0)) return await this.#countHere(batch);
    hand.ahead += 1;
    hand.worker.postMessage({ queue: first.queue, ids: batch.map(({ id }) => id).join(" ") } satisfies ToWorker);
  }

  async #countHere(batch: readonly Sighting[]): Promise<void> {
    const before = process.resourceUsage().fsRead;
    await this.#own.count(batch);
    const isCold = process.resourceUsage().fsRead - before > batch.length;
    if (isCold && this.#wanted < MOST_THREADS) this.#wanted += 1;
    await new Promise((resolve) => setImmediate(resolve)); // hear what the threads say
  }

  #hire(): Hand {
    const worker = new Worker(new URL(`./tally-worker${extname(import.meta.filename)}`, import.meta.url), {
      workerData: this.#options,
    });
    const ended = new Promise<TallyCounts>((resolve, reject) => {
      worker.on("message", (said: FromWorker) => {
        if (said === "counted") hand.ahead -= 1;
        else resolve(said);
      });
      worker.on("error", reject);
    });
    ended.catch(() => {}); // told by result()
    const hand: Hand = { worker, ended, ahead: 0 };
    return hand;
  }
}
