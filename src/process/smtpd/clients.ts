/**
 * What each client, and each user that logs in, has done lately, as Postfix's anvil counts it: connections that are
 * open, and connections, messages, recipients, TLS handshakes and failed logins since its current time unit began. An
 * entry lives while a connection is open or its time unit lasts. Where several processes take mail, each tells the
 * others what it counted, so that a limit holds for all of them together, late by as long as the word takes.
 */
import type { Clock } from "../../base/clock.ts";
import type { Counted } from "../../service/channel.ts";

export type Count = "connects" | "messages" | "recipients" | "handshakes" | "failedLogins";

interface Entry {
  begun: number; // monotonic ms
  open: number; // connections to this process
  connects: number;
  messages: number;
  recipients: number;
  handshakes: number;
  failedLogins: number;
}

const OPEN = "open";

export class Clients {
  readonly #entries = new Map<string, Entry>();
  readonly #openElsewhere = new Map<number, Map<string, number>>(); // by process, by key
  readonly #clock: Clock;
  #unitMs: number;
  #untold: Map<string, { what: Count | typeof OPEN; key: string; by: number }> | undefined; // none: nobody is told

  constructor(clock: Clock, unitMs: number) {
    this.#clock = clock;
    this.#unitMs = unitMs;
  }

  set unitMs(unitMs: number) {
    this.#unitMs = unitMs;
  }

  /** Whether others are to be told what is counted here. */
  set isShared(isShared: boolean) {
    if (!isShared) this.#untold = undefined;
    else this.#untold ??= new Map();
  }

  get size(): number {
    return this.#entries.size;
  }

  /** A connection was made; returns how many this client has now. */
  connected(key: string): number {
    this.#note(key, OPEN, 1);
    let open = ++this.#entry(key).open;
    for (const there of this.#openElsewhere.values()) open += there.get(key) ?? 0;
    return open;
  }

  disconnected(key: string): void {
    this.#note(key, OPEN, -1);
    this.#entry(key).open--;
  }

  /** One more of `what`; returns how many in this time unit. */
  add(key: string, what: Count): number {
    this.#note(key, what, 1);
    return ++this.#entry(key)[what];
  }

  /** How many of `what` in this time unit. */
  count(key: string, what: Count): number {
    return this.#entries.has(key) ? this.#entry(key)[what] : 0;
  }

  /** Forgets those of whom there is nothing to know any more. To be called now and then. */
  sweep(): void {
    const now = this.#clock.monotonic();
    for (const [key, entry] of this.#entries) {
      if (entry.open <= 0 && now - entry.begun >= this.#unitMs) this.#entries.delete(key);
    }
  }

  // ---- Shared with other processes

  /** What was counted here since the last call. */
  untold(): Counted[] {
    const told = [...(this.#untold?.values() ?? [])].filter(({ by }) => by !== 0);
    this.#untold?.clear();
    return told.map(({ key, what, by }) => [key, what, by]);
  }

  /** What the process `pid` counted. */
  heard(pid: number, counted: readonly Counted[]): void {
    for (const [key, what, by] of counted) {
      if (what === OPEN) this.#heardOpen(pid, key, by);
      else this.#entry(key)[what as Count] += by;
    }
  }

  /** Its connections have ended with it. */
  ended(pid: number): void {
    this.#openElsewhere.delete(pid);
  }

  #heardOpen(pid: number, key: string, by: number): void {
    let there = this.#openElsewhere.get(pid);
    if (there === undefined) {
      there = new Map();
      this.#openElsewhere.set(pid, there);
    }
    const open = (there.get(key) ?? 0) + by;
    if (open > 0) there.set(key, open);
    else there.delete(key);
  }

  #note(key: string, what: Count | typeof OPEN, by: number): void {
    if (this.#untold === undefined) return;
    const known = this.#untold.get(`${what} ${key}`);
    if (known === undefined) this.#untold.set(`${what} ${key}`, { what, key, by });
    else known.by += by;
  }

  #entry(key: string): Entry {
    const now = this.#clock.monotonic();
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { begun: now, open: 0, connects: 0, messages: 0, recipients: 0, handshakes: 0, failedLogins: 0 };
      this.#entries.set(key, entry);
    } else if (now - entry.begun >= this.#unitMs) {
      Object.assign(entry, { begun: now, connects: 0, messages: 0, recipients: 0, handshakes: 0, failedLogins: 0 });
    }
    return entry;
  }
}

/** An IPv4 address is its own key; of an IPv6 address the first four groups count, for a client has a /64. */
export function clientKey(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail === undefined) return `${groups.slice(0, 4).join(":")}::/64`;
  const rest = tail === "" ? [] : tail.split(":");
  const zeros = Array<string>(Math.max(0, 8 - groups.length - rest.length)).fill("0");
  return `${[...groups, ...zeros, ...rest].slice(0, 4).join(":")}::/64`;
}

/** No address has a blank in it. */
export function userKey(user: string): string {
  return `user ${user}`;
}
