/**
 * Messages that were set aside, in deferred/, because their destination had as much in line as it may have. Only their
 * ids are kept, so that they can be called back in the order in which they came; a message that is not remembered here,
 * for there were too many or qmgr was started anew, comes back when it is due. An id is in one of these states:
 *
 *   aside     in deferred/, not due for long          -> recalled, as the line gets shorter
 *   recalled  defer was asked to bring it             -> in line when it comes; forgotten if it does not
 */
import { Turns } from "./turns.ts";

/** Of one destination; 100 bytes each. */
const MOST = 50_000;
/** Recalled at once: about what a feeder may have on its way. */
const BATCH = 500;
/** What has not come by then has been taken by a command, or the word was lost. */
const COMES_WITHIN_MS = 60_000;

export class Aside {
  readonly #turns = new Turns<string>(); // by sender
  readonly #known = new Set<string>();
  readonly #recalled = new Map<string, number>(); // when, monotonic; oldest first

  get size(): number {
    return this.#turns.size;
  }

  sizeOf(sender: string): number {
    return this.#turns.sizeOf(sender);
  }

  add(sender: string, id: string): void {
    if (this.#known.size >= MOST || this.#known.has(id)) return;
    this.#known.add(id);
    this.#turns.push(sender, id);
  }

  /** Whether it was recalled; then it is not any more. */
  arrived(id: string): boolean {
    return this.#recalled.delete(id);
  }

  /** Ids to be brought now, of senders by turns, so that no more than `room` are on their way; in portions. */
  recall(room: number, portion: number, nowMs: number): string[] {
    for (const [id, sinceMs] of this.#recalled) {
      if (nowMs - sinceMs < COMES_WITHIN_MS) break;
      this.#recalled.delete(id);
    }
    const count = Math.min(BATCH, room - this.#recalled.size);
    const ids: string[] = [];
    if (count < Math.min(portion, BATCH / 2, this.size)) return ids;
    while (ids.length < count) {
      const id = this.#turns.take();
      if (id === undefined) break;
      this.#known.delete(id);
      this.#recalled.set(id, nowMs);
      ids.push(id);
    }
    return ids;
  }
}
