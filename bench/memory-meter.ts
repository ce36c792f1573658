/**
 * Memory of a system: the proportional set size (shared pages divided among those who share them) of all its
 * processes, added up. Needs the right to read their smaps_rollup.
 */
import { readFileSync } from "node:fs";
import { processTitle } from "../test/harness/process-table.ts";

const SAMPLE_INTERVAL_MS = 200;

export interface MemorySample {
  readonly atMs: number; // since the meter began
  readonly totalBytes: number;
  readonly byProcess: Readonly<Record<string, number>>; // bytes; those of one name are added
}

export class MemoryMeter implements Disposable {
  readonly samples: MemorySample[] = [];
  readonly #pids: () => number[];
  readonly #names = new Map<number, string>();
  readonly #timer: NodeJS.Timeout;
  readonly #begunAt = performance.now();

  constructor(pids: () => number[], intervalMs = SAMPLE_INTERVAL_MS) {
    this.#pids = pids;
    this.#sample();
    this.#timer = setInterval(() => this.#sample(), intervalMs);
  }

  /** In bytes, up to now. */
  peak(): number {
    this.#sample();
    return Math.max(...this.samples.map(({ totalBytes }) => totalBytes));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    const byProcess: Record<string, number> = {};
    let totalBytes = 0;
    for (const pid of this.#pids()) {
      const bytes = proportionalSetSize(pid);
      const name = this.#nameOf(pid);
      byProcess[name] = (byProcess[name] ?? 0) + bytes;
      totalBytes += bytes;
    }
    this.samples.push({ atMs: performance.now() - this.#begunAt, totalBytes, byProcess });
  }

  #nameOf(pid: number): string {
    const known = this.#names.get(pid);
    if (known !== undefined) return known;
    const name = (processTitle(pid).split(" ")[0] ?? "").replace(/^.*\//, "");
    this.#names.set(pid, name);
    return name;
  }
}

function proportionalSetSize(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"))?.[1] ?? 0) * 1024;
  } catch {
    return 0; // ended meanwhile, or not ours to read
  }
}
