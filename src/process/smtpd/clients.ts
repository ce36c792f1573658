/**
 * What each client address has done lately, as Postfix's anvil counts it: connections that are open, and connections,
 * messages, recipients, TLS handshakes and failed logins since the client's current time unit began. An entry lives
 * while a connection is open or its time unit lasts; an IPv6 client is its /64, of which it has all addresses.
 */
import type { Clock } from "../../base/clock.ts";

export type Count = "connects" | "messages" | "recipients" | "handshakes" | "failedLogins";

interface Entry {
  begun: number; // monotonic ms
  open: number;
  connects: number;
  messages: number;
  recipients: number;
  handshakes: number;
  failedLogins: number;
}

export class Clients {
  readonly #entries = new Map<string, Entry>();
  readonly #clock: Clock;
  #unitMs: number;

  constructor(clock: Clock, unitMs: number) {
    this.#clock = clock;
    this.#unitMs = unitMs;
  }

  set unitMs(unitMs: number) {
    this.#unitMs = unitMs;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** A connection was made; returns how many this client has now. */
  connected(address: string): number {
    return ++this.#entry(address).open;
  }

  disconnected(address: string): void {
    this.#entry(address).open--;
  }

  /** One more of `what`; returns how many in this time unit. */
  add(address: string, what: Count): number {
    return ++this.#entry(address)[what];
  }

  /** How many of `what` in this time unit. */
  count(address: string, what: Count): number {
    return this.#entries.has(clientKey(address)) ? this.#entry(address)[what] : 0;
  }

  /** Forgets those of whom there is nothing to know any more. To be called now and then. */
  sweep(): void {
    const now = this.#clock.monotonic();
    for (const [key, entry] of this.#entries) {
      if (entry.open <= 0 && now - entry.begun >= this.#unitMs) this.#entries.delete(key);
    }
  }

  #entry(address: string): Entry {
    const key = clientKey(address);
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

/** An IPv4 address is its own key; of an IPv6 address the first four groups count. */
function clientKey(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail === undefined) return `${groups.slice(0, 4).join(":")}::/64`;
  const rest = tail === "" ? [] : tail.split(":");
  const zeros = Array<string>(Math.max(0, 8 - groups.length - rest.length)).fill("0");
  return `${[...groups, ...zeros, ...rest].slice(0, 4).join(":")}::/64`;
}
