/**
 * A deadline that moves with every command and costs nothing while it does: the timer stays where it is and looks,
 * when it fires, whether the deadline has moved on.
 */
export class Deadline {
  readonly #onExpired: () => void;
  #timer: NodeJS.Timeout | undefined;
  #fires = 0; // when the timer fires, on the monotonic clock
  #due = Number.POSITIVE_INFINITY;
  #last = Number.POSITIVE_INFINITY;

  constructor(onExpired: () => void) {
    this.#onExpired = onExpired;
  }

  /** Whatever is set later, it ends at this instant of the monotonic clock. */
  limit(last: number): void {
    this.#last = last;
  }

  set(timeoutMs: number): void {
    const now = performance.now();
    this.#due = Math.min(now + timeoutMs, this.#last);
    if (this.#timer !== undefined && this.#fires <= this.#due) return;
    clearTimeout(this.#timer);
    this.#start(this.#due - now);
  }

  clear(): void {
    this.#due = Number.POSITIVE_INFINITY;
  }

  /** For good: no timer is left behind. */
  stop(): void {
    this.clear();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #start(ms: number): void {
    this.#fires = performance.now() + ms;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        if (this.#due === Number.POSITIVE_INFINITY) return;
        const left = this.#due - performance.now();
        if (left > 0) this.#start(left);
        else {
          this.#due = Number.POSITIVE_INFINITY;
          this.#onExpired();
        }
      },
      Math.max(0, Math.ceil(ms)),
    );
  }
}
