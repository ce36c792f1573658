/**
 * A destination: one next hop by one transport, with its own queue and concurrency window. The window grows and
 * shrinks with what deliveries meet, by Postfix's rules (SCHEDULER_README, qmgr_queue.c): a success adds feedback, a
 * connection that fails takes it away, and when whole cohorts fail the destination is dead: its mail waits, other
 * mail does not.
 *
 *   alive      entries are handed out, `busy` at most `window`     -> suspended when fail cohorts reach the limit, or
 *              when all of its addresses are marked offline (remotes.ts)
 *   suspended  nothing is handed out until `suspendedUntilMs`      -> alive, with the first window again; earlier when
 *              a delivery that was out already succeeds
 *   paused     the same, for a failure whose class asks for it     -> alive, but not by a success
 *
 * What a class asks for may also be to go slowly: with half the window, which does not grow for a time.
 */
import type { Feedback } from "../../config/feedback.ts";
import type { DestinationStatus } from "../../ipc/messages.ts";
import { Aside } from "./aside.ts";
import type { Limits } from "./limits.ts";
import { type Kind, Line } from "./line.ts";
import type { ActiveMessage, ActiveRecipient } from "./message.ts";

/** Some recipients of one message for one destination: one delivery. */
export interface Entry {
  readonly message: ActiveMessage;
  readonly destination: Destination;
  readonly recipients: readonly ActiveRecipient[];
  readonly kind: Kind;
  isWithdrawn: boolean;
  isInLine: boolean; // of the destination
}

export class Destination {
  readonly key: string;
  readonly transport: string;
  readonly nexthop: string;
  readonly line = new Line();
  readonly aside = new Aside();
  #limits: Limits;
  busy = 0;
  window: number;
  readonly listed = { first: false, further: false }; // in the rounds of its lane
  suspendedUntilMs = 0; // monotonic
  suspendedWhy = "";
  lastError: string | undefined; // of a delivery that did not succeed
  isPaused = false;
  slowUntilMs = 0; // monotonic
  notBeforeMs = 0; // monotonic; for the rate delay and the pace
  #success = 0;
  #failure = 0;
  #failCohorts = 0;
  #turnMs = Number.NEGATIVE_INFINITY; // monotonic; when by its pace the last delivery was to begin

  constructor(key: string, transport: string, nexthop: string, limits: Limits) {
    this.key = key;
    this.transport = transport;
    this.nexthop = nexthop;
    this.#limits = limits;
    this.window = this.#firstWindow();
  }

  get limits(): Limits {
    return this.#limits;
  }

  /** New settings: a window that is too wide for them is narrowed at once. */
  set limits(limits: Limits) {
    this.#limits = limits;
    this.window = limits.rateDelayMs > 0 ? 1 : Math.min(this.window, limits.concurrency);
  }

  /** Whether the next entry may be handed out now. */
  isReady(nowMs: number): boolean {
    return this.line.size > 0 && this.busy < this.window && this.suspendedUntilMs === 0 && this.notBeforeMs <= nowMs;
  }

  /** A delivery begins. Returns in how many ms the next one may; 0: at once. */
  begun(nowMs: number): number {
    this.busy += 1;
    const { paceMs } = this.limits;
    if (paceMs === 0) return 0;
    // A timer that is late does not slow the pace down; a pause does not save turns up.
    this.#turnMs = nowMs - this.#turnMs < paceMs * 2 ? this.#turnMs + paceMs : nowMs;
    return Math.max(1, this.#turnMs + paceMs - nowMs);
  }

  get isSuspended(): boolean {
    return this.suspendedUntilMs > 0;
  }

  /** Whether there is nothing to remember it for. */
  get isDone(): boolean {
    if (this.line.size > 0 || this.busy > 0 || this.isSuspended || this.aside.size > 0) return false;
    if (this.slowUntilMs > performance.now()) return false;
    return this.notBeforeMs === 0 && !this.listed.first && !this.listed.further;
  }

  /**
   * Whether mail of this sender has as much in line here as it may, if `free` more messages may come to active/. The
   * rule of switches that share one memory (Choudhury and Hahne, Dynamic Queue Length Thresholds, 1998): nobody takes
   * more than is left, here of all room for a destination and of the destination's for a sender. So there is always
   * room for another, and one alone may have much.
   */
  isCrowded(sender: string, free: number): boolean {
    const waiting = this.line.size;
    return waiting >= this.limits.concurrency && this.line.sizeOf(sender) >= free - waiting;
  }

  /** Whether it has more in line than other mail finds room: even what belongs to several destinations is too much. */
  isFull(free: number): boolean {
    return this.line.size >= Math.max(this.limits.concurrency, free);
  }

  status(nowMs: number): DestinationStatus {
    const { transport, nexthop, line, aside, busy, window, limits, lastError } = this;
    const { concurrency: limit, rateDelayMs, paceMs } = limits;
    const pauseMs = Math.max(rateDelayMs, paceMs);
    const suspended = { why: this.suspendedWhy, forMs: Math.max(0, this.suspendedUntilMs - nowMs) };
    return {
      ...{ transport, nexthop, waiting: line.size, aside: aside.size, busy, window, limit, pauseMs },
      ...(this.isSuspended ? { suspended } : {}),
      ...(lastError === undefined ? {} : { lastError }),
    };
  }

  succeeded(): void {
    this.#failCohorts = 0;
    const { concurrency, initialConcurrency, positive, rateDelayMs } = this.limits;
    if (rateDelayMs > 0) return; // one by one
    if (this.slowUntilMs > performance.now()) return;
    if (this.window >= concurrency || this.window >= this.busy + initialConcurrency) return;
    const step = amount(positive, this.window);
    this.#success += step;
    while (this.#success + step / 2 >= 1) {
      this.window += 1;
      this.#success -= 1;
      this.#failure = 0;
    }
    this.window = Math.min(this.window, concurrency);
  }

  /** A connection or handshake failed. Returns whether the destination is dead now. */
  failed(why: string, untilMs: number): boolean {
    if (this.isSuspended) return false;
    this.#failCohorts += 1 / this.window;
    if (this.#failCohorts >= this.limits.failedCohorts) return this.suspend(why, untilMs);
    const step = amount(this.limits.negative, this.window);
    this.#failure -= step;
    while (this.#failure - step / 2 < 0) {
      this.window -= 1;
      this.#success = 0;
      this.#failure += 1;
    }
    this.window = Math.max(1, this.window);
    return false;
  }

  /** None of its hosts is to be tried. Returns whether that is new. */
  suspend(why: string, untilMs: number): boolean {
    if (this.isSuspended) return false;
    this.suspendedUntilMs = untilMs;
    this.suspendedWhy = why;
    return true;
  }

  /** Suspended, also where deliveries succeed. Returns whether it was not suspended before. */
  pause(why: string, untilMs: number): boolean {
    const isNew = this.suspend(why, untilMs);
    this.isPaused ||= isNew;
    return isNew;
  }

  /** Returns whether it was not slow before. */
  slow(untilMs: number): boolean {
    const isNew = this.slowUntilMs <= performance.now();
    this.slowUntilMs = Math.max(this.slowUntilMs, untilMs);
    this.window = Math.max(1, Math.floor(this.window / 2));
    this.#success = 0;
    return isNew;
  }

  resume(): void {
    this.isPaused = false;
    this.suspendedUntilMs = 0;
    this.suspendedWhy = "";
    this.window = this.slowUntilMs > performance.now() ? 1 : this.#firstWindow();
    this.#success = 0;
    this.#failure = 0;
    this.#failCohorts = 0;
  }

  #firstWindow(): number {
    if (this.limits.rateDelayMs > 0) return 1;
    return Math.min(this.limits.initialConcurrency, this.limits.concurrency);
  }
}

function amount(feedback: Feedback, window: number): number {
  if (feedback.per === "concurrency") return feedback.amount / window;
  if (feedback.per === "sqrt_concurrency") return feedback.amount / Math.sqrt(window);
  return feedback.amount;
}
