/**
 * Room in active/. Each feeder may have at most its share of the whole, so that new mail and retries never starve each
 * other; what is granted counts as taken until it is used or the feeder is gone.
 */
import type { Link } from "../../ipc/link.ts";

/** Of the limit, for one feeder. The other always has the rest. */
const SHARE = 0.8;
const MAX_GRANT = 1000;
/** To a feeder that brings more than is taken: so many, so often. What is behind that must not wait for all of it. */
const PACED_GRANT = 250;
const PACE_MS = 500;

interface Feeder {
  readonly link: Link;
  outstanding: number; // granted, not used
  grantedMs: number; // the last time; monotonic
}

export class Room {
  readonly #feeders = new Map<string, Feeder>(); // by name: cleanup, defer
  readonly #active = new Map<string, number>(); // messages here, by who brought them
  #total = 0;
  #limit: number;
  #isOpen = false;
  readonly #isPaced: (feeder: string) => boolean;
  #later: NodeJS.Timeout | undefined;

  /** `isPaced`: whether much of what this feeder brings has to be set aside. */
  constructor(limit: number, isPaced: (feeder: string) => boolean = () => false) {
    this.#limit = limit;
    this.#isPaced = isPaced;
  }

  set limit(limit: number) {
    this.#limit = limit;
  }

  get total(): number {
    return this.#total;
  }

  /** What was in active/ at start has been counted: grants may begin. */
  open(): void {
    this.#isOpen = true;
    this.replenish();
  }

  connected(name: string, link: Link): void {
    this.#feeders.set(name, { link, outstanding: 0, grantedMs: Number.NEGATIVE_INFINITY });
    this.replenish();
  }

  disconnected(name: string, link: Link): void {
    if (this.#feeders.get(name)?.link === link) this.#feeders.delete(name);
  }

  /** A message came in. `feeder`: "" when it was found in active/. */
  entered(feeder: string): void {
    const granted = this.#feeders.get(feeder);
    if (granted !== undefined && granted.outstanding > 0) granted.outstanding -= 1;
    this.#active.set(feeder, (this.#active.get(feeder) ?? 0) + 1);
    this.#total += 1;
  }

  left(feeder: string): void {
    this.#active.set(feeder, (this.#active.get(feeder) ?? 1) - 1);
    this.#total -= 1;
  }

  /** How many more messages may be here of those that this feeder brings; "" for none. */
  freeFor(feeder: string): number {
    const whole = this.#limit - this.#total;
    return feeder === "" ? whole : Math.min(whole, this.#share - (this.#active.get(feeder) ?? 0));
  }

  /** For messages that it is told to bring: there is a place in line for each. */
  invite(name: string, count: number): void {
    const feeder = this.#feeders.get(name);
    if (feeder !== undefined) this.#grant(feeder, count);
  }

  get #share(): number {
    return Math.max(1, Math.floor(this.#limit * SHARE));
  }

  /** Grants anew where a feeder has used half of what it may have in hand. */
  replenish(): void {
    if (!this.#isOpen) return;
    for (const [name, feeder] of this.#feeders) {
      const isPaced = this.#isPaced(name);
      if (isPaced && this.#isTooSoon(feeder)) continue;
      const share = this.#share;
      const wanted = Math.min(isPaced ? PACED_GRANT : MAX_GRANT, Math.max(1, Math.floor(share / 4)));
      if (feeder.outstanding > wanted / 2) continue;
      let taken = this.#total;
      for (const one of this.#feeders.values()) taken += one.outstanding;
      const own = (this.#active.get(name) ?? 0) + feeder.outstanding;
      const count = Math.min(wanted - feeder.outstanding, share - own, this.#limit - taken);
      if (count > 0) this.#grant(feeder, count);
    }
  }

  #isTooSoon({ grantedMs }: Feeder): boolean {
    const leftMs = grantedMs + PACE_MS - performance.now();
    if (leftMs <= 0) return false;
    this.#later ??= setTimeout(() => {
      this.#later = undefined;
      this.replenish();
    }, leftMs);
    return true;
  }

  #grant(feeder: Feeder, count: number): void {
    feeder.outstanding += count;
    feeder.grantedMs = performance.now();
    feeder.link.send({ type: "grant", count });
  }
}
