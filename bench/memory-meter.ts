/**
 * Peak memory of a system: the proportional set size (shared pages divided among those who share them) of all its
 * processes, added up five times a second. Needs the right to read their smaps_rollup.
 */
import { readFileSync } from "node:fs";

const SAMPLE_INTERVAL_MS = 200;

export class MemoryMeter implements Disposable {
  readonly #pids: () => number[];
  readonly #timer: NodeJS.Timeout;
  #peakBytes = 0;

  constructor(pids: () => number[]) {
    this.#pids = pids;
    this.#sample();
    this.#timer = setInterval(() => this.#sample(), SAMPLE_INTERVAL_MS);
  }

  /** In bytes, up to now. */
  peak(): number {
    this.#sample();
    return this.#peakBytes;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    let sum = 0;
    for (const pid of this.#pids()) sum += proportionalSetSize(pid);
    this.#peakBytes = Math.max(this.#peakBytes, sum);
  }
}

function proportionalSetSize(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"))?.[1] ?? 0) * 1024;
  } catch {
    return 0; // ended meanwhile, or not ours to read
  }
}
