/**
 * Which dropped files are still being written. A file is taken once it has looked the same for drop_stable_time by
 * the monotonic clock, or at once if its last write is that long ago: then it was written elsewhere and renamed, or
 * copied with its time, which is set behind the last byte.
 */
import type { Stats } from "node:fs";
import type { Clock } from "../../base/clock.ts";
import { signature } from "./dropped-file.ts";

/** What waits beyond that is looked at when these have gone; their number is nobody's to choose but the sender's. */
const MAX_WATCHED = 50_000;
/** The wall clock was set if it has moved so much against the other one. */
const JUMP_MS = 1000;

interface Seen {
  readonly signature: string;
  readonly since: number; // monotonic ms
  round: number;
}

export class Settling {
  readonly #clock: Clock;
  readonly #seen = new Map<string, Seen>();
  #round = 0;
  #offset: number; // wall minus monotonic clock, ms
  #jumped = Number.NEGATIVE_INFINITY; // when the wall clock was last set, monotonic ms

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#offset = clock.now() - clock.monotonic();
  }

  /** A look at the whole directory begins. What the last one did not see is forgotten. */
  beginRound(): void {
    for (const [key, seen] of this.#seen) if (seen.round < this.#round) this.#seen.delete(key);
    this.#round += 1;
    const offset = this.#clock.now() - this.#clock.monotonic();
    if (Math.abs(offset - this.#offset) > JUMP_MS) this.#jumped = this.#clock.monotonic();
    this.#offset = offset;
  }

  /** 0 if the file is complete, else how many ms to wait before it may be. `mayBeAged`: its mtime counts. */
  wait(key: string, stat: Stats, stableMs: number, mayBeAged: boolean): number {
    const now = this.#clock.monotonic();
    // By an mtime from before the clock was set every file would seem to be complete.
    const isTrusted = now - this.#jumped >= stableMs;
    if (mayBeAged && isTrusted && this.#clock.now() - stat.mtimeMs >= stableMs) return 0;
    const sign = signature(stat);
    const seen = this.#seen.get(key);
    if (seen?.signature !== sign) {
      if (seen === undefined && this.#seen.size >= MAX_WATCHED) return Math.max(1, stableMs);
      this.#seen.set(key, { signature: sign, since: now, round: this.#round });
      return stableMs;
    }
    seen.round = this.#round;
    return Math.max(0, seen.since + stableMs - now);
  }

  forget(key: string): void {
    this.#seen.delete(key);
  }
}
