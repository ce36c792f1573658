/**
 * Answers that wait for nothing but the end of the loop's turn. Commits that share a directory sync end in the same
 * turn: their log lines then go out in one write, before the first of their answers (a 250 is never seen before its
 * line).
 */
import type { Log } from "../../base/log.ts";

export interface Answering {
  /** The log is written: the answer may go out. */
  answer(): void;
}

export class Answers {
  readonly #log: Log;
  #waiting: Answering[] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  add(answering: Answering): void {
    this.#waiting.push(answering);
    if (this.#waiting.length === 1) setImmediate(() => this.#send());
  }

  #send(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#log.flush();
    for (const answering of waiting) answering.answer();
  }
}
