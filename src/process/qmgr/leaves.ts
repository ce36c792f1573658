/**
 * Throttles that no destination's schedule can hold, since they are about addresses, or about connections: agents ask
 * before they connect or send, and all of them share one count for each row. A question is in one of these states:
 *
 *   waiting  as many connections are open as may be     -> granted when one is closed; refused after a time
 *   granted  its connection counts as open              -> left, when it is closed or its agent is gone
 *   refused  its turn would be too far away             -> its mail is put off until then
 */
import type { Throttles } from "../../config/throttles.ts";
import type { Link } from "../../ipc/link.ts";
import type { Ask } from "../../ipc/messages.ts";

/** A delivery that waits holds a place of an agent: not for longer than this. */
const LONGEST_WAIT_MS = 20_000;
/** Counts of single domains (a row for all): those that count nothing are dropped then. */
const MANY = 10_000;

interface Count {
  open: number;
  readonly turns: { connect: number; message: number }; // monotonic, ms; of the last
  readonly waiting: Set<Waiting>;
}

interface Waiting {
  readonly link: Link;
  readonly ask: Ask;
  readonly timer: NodeJS.Timeout;
}

export class Leaves {
  throttles: Throttles;
  readonly #counts = new Map<string, Count>(); // by what is counted together
  readonly #open = new Map<Link, Map<number, readonly Count[]>>(); // granted connections, by agent and number of the question

  constructor(throttles: Throttles) {
    this.throttles = throttles;
  }

  ask(link: Link, ask: Ask): void {
    const limits = this.throttles.needingLeave(ask);
    const full = limits.find(({ key, connections = Number.POSITIVE_INFINITY }) => this.#count(key).open >= connections);
    if (ask.what === "connect" && full !== undefined) {
      this.#wait(link, ask, this.#count(full.key), full.key);
      return;
    }
    const now = performance.now();
    let atMs = now;
    let why = "";
    for (const { key, connects, messages } of limits) {
      const rate = ask.what === "connect" ? connects : messages;
      if (rate === undefined) continue;
      const next = this.#count(key).turns[ask.what] + 60_000 / rate;
      if (next > atMs) [atMs, why] = [next, key];
    }
    if (atMs - now > LONGEST_WAIT_MS) {
      refuse(link, ask, why, atMs - now);
      return;
    }
    const counts = limits.map(({ key }) => this.#count(key));
    for (const count of counts) count.turns[ask.what] = atMs;
    if (ask.what === "connect") {
      for (const count of counts) count.open += 1;
      const ofAgent = this.#open.get(link) ?? new Map<number, readonly Count[]>();
      this.#open.set(link, ofAgent.set(ask.ask, counts));
    }
    link.send({ type: "answer", ask: ask.ask, waitMs: Math.ceil(atMs - now) });
  }

  /** A connection was closed, or not made. */
  left(link: Link, ask: number): void {
    const ofAgent = this.#open.get(link);
    const counts = ofAgent?.get(ask) ?? [];
    ofAgent?.delete(ask);
    for (const count of counts) {
      count.open -= 1;
      for (const one of count.waiting) {
        count.waiting.delete(one);
        clearTimeout(one.timer);
        this.ask(one.link, one.ask);
        break; // one for one
      }
    }
  }

  /** The agent is gone, and all that it had open. */
  gone(link: Link): void {
    for (const { waiting } of this.#counts.values()) {
      for (const one of waiting) {
        if (one.link !== link) continue;
        waiting.delete(one);
        clearTimeout(one.timer);
      }
    }
    for (const ask of [...(this.#open.get(link)?.keys() ?? [])]) this.left(link, ask);
    this.#open.delete(link);
  }

  #wait(link: Link, ask: Ask, count: Count, why: string): void {
    const timer = setTimeout(() => {
      count.waiting.delete(one);
      refuse(link, ask, why, LONGEST_WAIT_MS);
    }, LONGEST_WAIT_MS);
    const one: Waiting = { link, ask, timer };
    count.waiting.add(one);
  }

  #count(key: string): Count {
    let count = this.#counts.get(key);
    if (count === undefined) {
      if (this.#counts.size >= MANY) this.#forgetIdle();
      const never = Number.NEGATIVE_INFINITY;
      count = { open: 0, turns: { connect: never, message: never }, waiting: new Set() };
      this.#counts.set(key, count);
    }
    return count;
  }

  /** Where nothing is open and no turn is to be kept. */
  #forgetIdle(): void {
    const longAgo = performance.now() - 60_000;
    for (const [key, { open, turns, waiting }] of this.#counts) {
      if (open + waiting.size === 0 && Math.max(turns.connect, turns.message) < longAgo) this.#counts.delete(key);
    }
  }
}

function refuse(link: Link, { ask }: Ask, why: string, forMs: number): void {
  link.send({ type: "answer", ask, waitMs: 0, refusal: { why: `throttled: ${why}`, forMs: Math.ceil(forMs) } });
}
