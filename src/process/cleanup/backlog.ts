/**
 * Messages in incoming/ that wait for room, oldest hint first. Bounded: what does not fit is on disk anyway, and is
 * found by a scan once the backlog has gone down.
 */
import { Fifo } from "../../base/fifo.ts";
import type { Envelope } from "../../mail/envelope.ts";

export interface Waiting {
  readonly id: string;
  readonly envelope?: Envelope; // as its door told it; absent: read the file
  readonly offset?: number;
  readonly length?: number;
}

export class Backlog {
  readonly #limit: number;
  readonly #waiting = new Fifo<Waiting>();
  readonly #known = new Map<string, Waiting>();
  /** Something did not fit, or may have been missed: scan when this one is down. */
  isIncomplete = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#known.size;
  }

  /** Returns false if it is known already or does not fit. */
  add(waiting: Waiting): boolean {
    if (this.#known.has(waiting.id)) return false;
    if (this.#known.size >= this.#limit) {
      this.isIncomplete = true;
      return false;
    }
    this.#known.set(waiting.id, waiting);
    this.#waiting.push(waiting);
    return true;
  }

  take(): Waiting | undefined {
    for (let waiting = this.#waiting.take(); waiting !== undefined; waiting = this.#waiting.take()) {
      if (this.#known.get(waiting.id) !== waiting) continue; // forgotten, or told anew
      this.#known.delete(waiting.id);
      return waiting;
    }
    return undefined;
  }

  /** A command changed the message: what its door told of it no longer holds. */
  forget(id: string): void {
    this.#known.delete(id);
  }
}
