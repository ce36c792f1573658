/**
 * A thread beside the fuzzer: an input that never comes to an end cannot be told of by the thread that works on it.
 * Shared with it are a count of inputs and the bytes of the one under way.
 */
import { writeFileSync, writeSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { isMainThread, Worker, workerData } from "node:worker_threads";

const HUNG_MS = 60_000;
const INPUT_AT = 8; // bytes: the count, the length, then the input

interface Shared {
  readonly memory: SharedArrayBuffer;
  readonly file: string; // where an input without end is kept
}

export class Watchdog {
  readonly #count: Int32Array;
  readonly #input: Uint8Array;
  readonly #worker: Worker;

  constructor(maxBytes: number, file: string) {
    const memory = new SharedArrayBuffer(INPUT_AT + maxBytes);
    this.#count = new Int32Array(memory, 0, 2);
    this.#input = new Uint8Array(memory, INPUT_AT);
    this.#worker = new Worker(import.meta.filename, { workerData: { memory, file } satisfies Shared });
    this.#worker.unref();
  }

  begins(input: Buffer): void {
    this.#input.set(input);
    this.#count[1] = input.length;
    this.#count[0] = (this.#count[0] ?? 0) + 1;
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}

if (!isMainThread) {
  const { memory, file } = workerData as Shared;
  const count = new Int32Array(memory, 0, 2);
  for (;;) {
    const before = count[0];
    await wait(HUNG_MS);
    if (count[0] !== before || before === 0) continue;
    writeFileSync(file, new Uint8Array(memory, INPUT_AT, count[1]));
    writeSync(2, `no end after ${HUNG_MS / 1000} s: ${file}\n`);
    process.kill(process.pid, "SIGKILL");
  }
}
