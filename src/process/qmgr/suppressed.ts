/**
 * Recipients on the suppression list: they fail without a connection. qmgr alone changes the list. It is opened when
 * there is one; SQLite costs a system that has none neither time nor memory.
 */
import { existsSync } from "node:fs";
import { messageOf, ScesError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { type Suppression, suppressionText } from "../../mail/suppression.ts";
import { SUPPRESSIONS_FILE } from "../../spool/queues.ts";
import type { SuppressionList } from "../../spool/suppressions.ts";
import type { Ending } from "./own-delivery.ts";

export class Suppressed {
  readonly #log: Log;
  readonly #onChanged: () => void;
  #list: SuppressionList | undefined;
  #isEmpty = true;
  #isBroken = false;

  /** `onChanged`: more recipients are on the list. */
  constructor(log: Log, onChanged: () => void) {
    this.#log = log;
    this.#onChanged = onChanged;
  }

  /** Call before any mail is looked at; again, it tries a list that could not be read. */
  async open(): Promise<void> {
    if (!existsSync(SUPPRESSIONS_FILE)) return;
    try {
      const list = await this.#opened();
      list.expire(Date.now());
      this.#isEmpty = list.isEmpty;
    } catch (error) {
      if (!(error instanceof ScesError)) throw error;
      this.#isEmpty = false; // we do not know
      this.#trouble(error);
    }
  }

  /** How mail to this address ends, if it is on the list. */
  bar(address: string): Ending | undefined {
    if (this.#isEmpty) return undefined;
    try {
      const found = this.#list?.find(address.toLowerCase(), Date.now());
      this.#isBroken &&= this.#list === undefined;
      if (found !== undefined) {
        const text = suppressionText(found);
        return { type: "error", outcome: "bounced", dsn: found.code, text, description: text };
      }
      if (this.#list !== undefined) return undefined;
    } catch (error) {
      this.#trouble(error);
    }
    // Unknown means temporary: whoever must not be written to is not written to.
    const text = "the suppression list cannot be read";
    return { type: "nodata", outcome: "deferred", dsn: "4.3.0", text, description: text };
  }

  /** Throws SPOOL_FULL, SPOOL_IO: then nothing has changed. */
  async add(rows: readonly Suppression[]): Promise<void> {
    (await this.#opened()).add(rows);
    this.#isEmpty = false;
    this.#onChanged();
  }

  /** Returns which were on the list. Throws SPOOL_FULL, SPOOL_IO. */
  async remove(values: readonly string[]): Promise<string[]> {
    if (this.#isEmpty) return [];
    const list = await this.#opened();
    const removed = list.remove(values);
    this.#isEmpty = list.isEmpty;
    return removed;
  }

  async #opened(): Promise<SuppressionList> {
    if (this.#list === undefined) {
      const { SuppressionList: List } = await import("../../spool/suppressions.ts");
      this.#list ??= new List();
    }
    return this.#list;
  }

  /** Said once, until it can be read again. */
  #trouble(error: unknown): void {
    if (!this.#isBroken) this.#log.warn(`mail waits: ${messageOf(error)}`);
    this.#isBroken = true;
  }
}
