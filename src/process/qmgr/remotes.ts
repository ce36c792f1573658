/**
 * Remote addresses that do not work, whatever domain led to them. A fault that says "nobody is there" or "not you"
 * marks its address offline at once; connections that are lost or fall silent do so only when several come within a
 * short time (MailerQ's rule). An address stands in one of these states:
 *
 *   online    agents may connect                     -> suspect, offline by a fault
 *   suspect   was lost or silent lately              -> online by a success or by time; offline when it is too often
 *   offline   agents pass over it                    -> online by time, by a success over a connection that was open,
 *                                                       or by command
 *
 * In memory only: a qmgr that is started anew learns it again with the next attempt.
 */
import type { Offline, RemoteFault } from "../../ipc/messages.ts";

export interface RemoteLimits {
  readonly offlineMs: number; // how long an address is left alone; 0: never
  readonly failures: number; // lost or silent connections ...
  readonly withinMs: number; // ... in this time
}

interface Mark extends RemoteFault {
  readonly untilMs: number; // monotonic
}

/** Beyond it the oldest marks are forgotten, which costs a connection attempt each. */
const MOST = 20_000;

export class Remotes {
  limits: RemoteLimits;
  readonly #marks = new Map<string, Mark>(); // the one that ends first is first
  readonly #doubts = new Map<string, number[]>(); // when connections were lost, monotonic; the latest fault is last

  constructor(limits: RemoteLimits) {
    this.limits = limits;
  }

  /** An agent met this. Returns whether the address is marked offline by it. */
  faulted(fault: RemoteFault, nowMs: number = performance.now()): boolean {
    const { offlineMs } = this.limits;
    const key = keyOf(fault);
    this.#expire(nowMs);
    if (offlineMs === 0 || this.#marks.has(key)) return false;
    if ((fault.type === "lost" || fault.type === "timeout") && !this.#isTooOften(key, nowMs)) return false;
    this.#doubts.delete(key);
    this.#marks.set(key, { ...fault, untilMs: nowMs + offlineMs });
    dropOldest(this.#marks);
    return true;
  }

  /** A message was taken there. Returns whether that ends a mark. */
  succeeded(address: string, port: number): boolean {
    if (this.#marks.size === 0 && this.#doubts.size === 0) return false;
    const key = keyOf({ address, port });
    this.#doubts.delete(key);
    return this.#marks.delete(key);
  }

  /** These may be tried again; returns which were offline. */
  resume(matches: (mark: RemoteFault) => boolean): RemoteFault[] {
    this.#doubts.clear();
    const over = [...this.#marks].filter(([, mark]) => matches(mark));
    for (const [key] of over) this.#marks.delete(key);
    return over.map(([, mark]) => mark);
  }

  /** What is offline now. */
  marks(nowMs: number = performance.now()): Offline[] {
    this.#expire(nowMs);
    return [...this.#marks.values()]
      .map(({ untilMs, ...fault }) => ({ ...fault, forMs: untilMs - nowMs }))
      .filter(({ forMs }) => forMs > 0);
  }

  #isTooOften(key: string, nowMs: number): boolean {
    const { failures, withinMs } = this.limits;
    const recent = (this.#doubts.get(key) ?? []).filter((time) => time > nowMs - withinMs);
    recent.push(nowMs);
    this.#doubts.delete(key);
    this.#doubts.set(key, recent);
    dropOldest(this.#doubts);
    return recent.length >= failures;
  }

  #expire(nowMs: number): void {
    for (const [key, { untilMs }] of this.#marks) {
      if (untilMs > nowMs) break;
      this.#marks.delete(key);
    }
  }
}

function keyOf({ address, port }: { readonly address: string; readonly port: number }): string {
  return `${address} ${port}`;
}

function dropOldest(map: Map<string, unknown>): void {
  if (map.size <= MOST) return;
  const oldest = map.keys().next();
  if (!oldest.done) map.delete(oldest.value);
}
