/** Listing a queue directory of any size, in bounded memory and in short turns of the loop. */
import { type Dir, opendirSync, readdirSync } from "node:fs";
import { isGone, spoolError } from "../base/errors.ts";
import { isDraftName } from "./draft.ts";
import { parseNameIn, type Queue } from "./queues.ts";

const SLICE_MS = 5;
/** More are met by the next scan, when these have been put away. */
const MAX_FOREIGN = 1000;

export interface Listed {
  readonly id: string;
  readonly generation: number; // 0: the message itself; more: a second name
}

/** A listing that is taken up where it was left. In directory order, which is no order. */
export class Scan {
  /** Names that it has met and that are neither messages nor private: put there by somebody else. The first of them. */
  readonly foreign: string[] = [];
  readonly #queue: Queue;
  #directory: Dir | undefined;
  #ended = false;

  constructor(queue: Queue) {
    this.#queue = queue;
  }

  /** The next names, at most `limit`, after at most a few milliseconds; fewer than `limit` need not be the end. */
  next(limit: number): Listed[] {
    const found: Listed[] = [];
    if (this.#ended) return found;
    try {
      this.#directory ??= opendirSync(this.#queue, { bufferSize: 1024 });
      const until = performance.now() + SLICE_MS;
      for (let count = 1; found.length < limit; count += 1) {
        const entry = this.#directory.readSync();
        if (entry === null) {
          this.close();
          break;
        }
        const listed = parseNameIn(this.#queue, entry.name);
        if (listed !== undefined) found.push(listed);
        else if (this.foreign.length < MAX_FOREIGN && isForeign(this.#queue, entry.name)) this.foreign.push(entry.name);
        if ((count & 255) === 0 && performance.now() > until) break;
      }
      return found;
    } catch (error) {
      this.close();
      throw spoolError(`listing ${this.#queue}`, error);
    }
  }

  get ended(): boolean {
    return this.#ended;
  }

  close(): void {
    this.#ended = true;
    this.#directory?.closeSync();
    this.#directory = undefined;
  }
}

/** Every message in a queue, in slices, letting other work in between. `onForeign`: at the end, for each foreign name. */
export async function* listQueue(queue: Queue, onForeign?: (name: string) => void): AsyncGenerator<Listed, void> {
  const scan = new Scan(queue);
  try {
    while (!scan.ended) {
      yield* scan.next(1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (onForeign !== undefined) scan.foreign.forEach(onForeign);
  } finally {
    scan.close();
  }
}

/** Names in a queue directory that are neither messages nor private: put there by somebody else. */
export function foreignNames(queue: Queue): string[] {
  return readdirSync(queue).filter((name) => isForeign(queue, name));
}

function isForeign(queue: Queue, name: string): boolean {
  if (name.startsWith(".") || parseNameIn(queue, name) !== undefined) return false;
  return queue !== "bounce" || !isDraftName(name);
}

/**
 * Whether there is anything to do in a queue: a message, or a name that its owner has to put away or, in corrupt/, to
 * look after. A directory that is missing is empty.
 */
export function isQueueEmpty(queue: Queue): boolean {
  try {
    const directory = opendirSync(queue, { bufferSize: 32 });
    try {
      for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
        if (!entry.name.startsWith(".")) return false;
      }
      return true;
    } finally {
      directory.closeSync();
    }
  } catch (error) {
    if (isGone(error)) return true;
    throw spoolError(`listing ${queue}`, error);
  }
}
