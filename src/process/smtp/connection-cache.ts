/**
 * Open connections between two messages, by destination. A connection that is given back goes at once to whoever
 * waits for one to the same destination; else it stays for a while. One that ends meanwhile is forgotten.
 */
import type { Session } from "./session.ts";

export interface CacheLimits {
  readonly idleMs: number; // how long it stays unused; 0: no cache
  readonly reuseMs: number; // how long it is used, from when it was opened
  readonly reuseCount: number; // for how many messages; 0: no limit
  readonly size: number; // how many stay unused at most
}

/** A place in the line. */
export interface Waiter {
  /** Returns false if a connection has been handed over already. */
  cancel(): boolean;
}

interface Idle {
  readonly key: string;
  readonly session: Session;
  readonly until: number; // monotonic clock, ms
}

interface Waiting {
  readonly take: (session: Session) => void;
  isOver: boolean;
}

export class ConnectionCache {
  limits: CacheLimits;
  readonly #isBarred: (session: Session) => boolean;
  readonly #idle = new Map<string, Idle[]>(); // the latest given back is last, and taken first
  readonly #waiting = new Map<string, Waiting[]>();
  #count = 0;
  #timer: NodeJS.Timeout | undefined;
  #expiresAt = Number.POSITIVE_INFINITY; // when the timer is to ring, monotonic clock, ms

  /** `isBarred`: the session is not to be used any more, as things are now. */
  constructor(limits: CacheLimits, isBarred: (session: Session) => boolean = () => false) {
    this.#isBarred = isBarred;
    this.limits = limits;
  }

  /** How many connections are open and unused. */
  get count(): number {
    return this.#count;
  }

  take(key: string): Session | undefined {
    const list = this.#idle.get(key);
    if (list === undefined) return undefined;
    const now = performance.now();
    for (let found = list.pop(); found !== undefined; found = list.pop()) {
      this.#count--;
      if (list.length === 0) this.#idle.delete(key);
      found.session.onTrouble = undefined;
      // One that has begun to say something unasked would have it taken for the answer to MAIL.
      if (found.until > now && found.session.isUsable && !this.#isBarred(found.session)) return found.session;
      found.session.leave();
    }
    return undefined;
  }

  /** `take` is called with the next connection to this destination that becomes free. */
  wait(key: string, take: (session: Session) => void): Waiter {
    const waiting: Waiting = { take, isOver: false };
    const line = this.#waiting.get(key);
    if (line === undefined) this.#waiting.set(key, [waiting]);
    else line.push(waiting);
    return {
      cancel: () => {
        if (waiting.isOver) return false;
        waiting.isOver = true;
        const rest = (this.#waiting.get(key) ?? []).filter((one) => one !== waiting);
        if (rest.length === 0) this.#waiting.delete(key);
        else this.#waiting.set(key, rest);
        return true;
      },
    };
  }

  /** A connection whose message is done. */
  give(key: string, session: Session): void {
    const { idleMs, reuseMs, reuseCount, size } =
      session.reuse === undefined ? this.limits : { ...this.limits, ...session.reuse };
    const now = performance.now();
    const isWornOut = now - session.openedAt >= reuseMs || (reuseCount > 0 && session.uses >= reuseCount);
    if (!session.isUsable || isWornOut || this.#isBarred(session)) {
      session.leave();
      return;
    }
    const line = this.#waiting.get(key);
    const next = line?.shift();
    if (line !== undefined && line.length === 0) this.#waiting.delete(key);
    if (next !== undefined) {
      next.isOver = true;
      next.take(session);
      return;
    }
    if (idleMs === 0 || this.#count >= size) {
      session.leave();
      return;
    }
    const idle = { key, session, until: Math.min(now + idleMs, session.openedAt + reuseMs) };
    session.onTrouble = () => this.#forget(idle);
    const list = this.#idle.get(key);
    if (list === undefined) this.#idle.set(key, [idle]);
    else list.push(idle);
    this.#count++;
    this.#expireAt(idle.until);
  }

  /** Ends all that are unused. */
  clear(): void {
    const all = [...this.#idle.values()].flat();
    this.#idle.clear();
    this.#count = 0;
    clearTimeout(this.#timer);
    this.#expiresAt = Number.POSITIVE_INFINITY;
    for (const { session } of all) session.leave();
  }

  #forget(idle: Idle): void {
    const list = this.#idle.get(idle.key);
    const at = list?.indexOf(idle) ?? -1;
    if (list === undefined || at < 0) return;
    list.splice(at, 1);
    if (list.length === 0) this.#idle.delete(idle.key);
    this.#count--;
  }

  #expire(): void {
    this.#expiresAt = Number.POSITIVE_INFINITY;
    const now = performance.now();
    let next = Number.POSITIVE_INFINITY;
    for (const idle of [...this.#idle.values()].flat()) {
      if (idle.until <= now) {
        this.#forget(idle);
        idle.session.leave();
      } else next = Math.min(next, idle.until);
    }
    this.#expireAt(next);
  }

  /** Not all are kept for the same time: the one that ends first is waited for. */
  #expireAt(until: number): void {
    if (until >= this.#expiresAt) return;
    this.#expiresAt = until;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#expire(), Math.ceil(until - performance.now()));
  }
}
