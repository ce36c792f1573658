/** Counts how TLS went in this process, day by day, and writes it down now and then for the process that reports. */
import { messageOf } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { TallyBook, type TlsOutcome } from "../../mail/tls-report.ts";
import { dayOf, writeTallies } from "../../spool/tls-tallies.ts";

const FLUSH_MS = 60_000;

export class TlsCounter {
  readonly #log: Log;
  readonly #now: () => number;
  #day = "";
  #book = new TallyBook();
  #timer: NodeJS.Timeout | undefined;

  constructor(log: Log, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  count(outcome: TlsOutcome): void {
    const day = dayOf(this.#now());
    if (day !== this.#day) {
      this.flush();
      this.#day = day;
      this.#book = new TallyBook();
    }
    this.#book.count(outcome);
    this.#timer ??= setTimeout(() => this.flush(), FLUSH_MS).unref();
  }

  /** Writes down what has been counted since. */
  flush(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      writeTallies(this.#day, this.#book.all);
    } catch (error) {
      this.#log.warn(`TLS reports will miss something: ${messageOf(error)}`);
    }
  }
}
