/**
 * When what is said bit by bit is written: at the end of the loop's turn, so that all of one turn is one piece. While
 * much is said, in every few ms: each piece wakes a process, and one that is woken for many messages at once does each
 * of them at less cost. What is said now and then never waits.
 */

/** The longest that anything waits. */
const WAIT_MS = 2;
/** So many parts in the last piece mean that much is said. */
const MANY = 3;
/** So many parts are a piece, whatever the time. */
const ENOUGH = 64;

export class Gather {
  readonly #write: () => void;
  #parts = 0; // since the last piece
  #lastParts = 0; // in the last piece
  #writtenMs = Number.NEGATIVE_INFINITY; // monotonic
  #timer: NodeJS.Timeout | undefined;
  #isAtEndOfTurn = false;

  /** `write` is called when it is time; it, or whoever writes earlier, says `written`. */
  constructor(write: () => void) {
    this.#write = write;
  }

  /** One part more. `mayWait`: whoever gets it can do without for a moment. */
  added(mayWait: boolean): void {
    this.#parts += 1;
    if (this.#isAtEndOfTurn) return;
    if (mayWait && this.#parts < ENOUGH) {
      if (this.#timer !== undefined) return;
      if (this.#lastParts >= MANY && performance.now() - this.#writtenMs <= 2 * WAIT_MS) {
        this.#timer = setTimeout(this.#write, WAIT_MS);
        return;
      }
    }
    this.#isAtEndOfTurn = true;
    setImmediate(this.#write);
  }

  /** Everything added so far has been written. */
  written(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isAtEndOfTurn = false;
    if (this.#parts === 0) return;
    this.#lastParts = this.#parts;
    this.#parts = 0;
    this.#writtenMs = performance.now();
  }
}
