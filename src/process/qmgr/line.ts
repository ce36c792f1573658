/**
 * What waits for one destination. There are two kinds of entries, which are handed out by turns: *first* ones, each
 * message's first delivery in its first round, and *further* ones, the rest of a message to many recipients, and
 * retries. So mail to one recipient waits for as many deliveries of a large message as there are such mails before it,
 * not for all of them (Postfix has delivery slots for this). Within a kind senders take turns, so that nobody waits
 * for all that another one sent.
 */
import type { Entry } from "./destination.ts";
import type { ActiveMessage } from "./message.ts";
import { Turns } from "./turns.ts";

export type Kind = "first" | "further";

/** Entries that were taken back are dropped when there are more of them than this, and than half of the line. */
const DEAD_LIMIT = 100;

export class Line {
  #turns: Readonly<Record<Kind, Turns<Entry>>> = { first: new Turns(), further: new Turns() };
  #next: Kind = "first";
  #dead = 0; // taken back (isWithdrawn), and still in a queue

  /** Entries that wait. */
  get size(): number {
    return this.#turns.first.size + this.#turns.further.size - this.#dead;
  }

  /** About how many of them are this sender's. */
  sizeOf(sender: string): number {
    return this.#turns.first.sizeOf(sender) + this.#turns.further.sizeOf(sender);
  }

  has(kind: Kind): boolean {
    return this.size > 0 && this.#turns[kind].size > 0;
  }

  push(entry: Entry): void {
    entry.isInLine = true;
    this.#turns[entry.kind].push(entry.message.envelope.sender, entry);
  }

  /** The next one. `only`: none but of this kind. */
  take(only?: Kind): Entry | undefined {
    for (;;) {
      const kind = only ?? (this.has(this.#next) ? this.#next : other(this.#next));
      const entry = this.#turns[kind].take();
      if (entry === undefined) return undefined;
      if (entry.isWithdrawn) {
        this.#dead -= 1;
        continue;
      }
      entry.isInLine = false;
      this.#next = other(kind);
      return entry;
    }
  }

  /** An entry was taken back (isWithdrawn); it may stand elsewhere. */
  withdrew(entry: Entry): void {
    if (!entry.isInLine) return;
    entry.isInLine = false;
    this.#dead += 1;
    if (this.#dead <= Math.max(DEAD_LIMIT, this.size)) return;
    const old = this.#turns;
    this.#turns = { first: new Turns(), further: new Turns() };
    this.#dead = 0;
    for (const turns of [old.first, old.further]) {
      for (let entry = turns.take(); entry !== undefined; entry = turns.take()) {
        if (!entry.isWithdrawn) this.push(entry);
      }
    }
  }
}

/** Of the first entry of a message that is put in line. */
export function firstKind(message: ActiveMessage): Kind {
  return message.recipients.some((recipient) => recipient.attempts > 0) ? "further" : "first";
}

function other(kind: Kind): Kind {
  return kind === "first" ? "further" : "first";
}
