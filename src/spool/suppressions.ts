/**
 * state/suppressions.db: the suppression list, an SQLite table. It may have millions of rows, of which none is in
 * memory; a change is whole and on disk, or it is not; and a command may read it while qmgr, its owner, has it open.
 */
import { chmodSync, chownSync, existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { messageOf, ScesError } from "../base/errors.ts";
import type { Suppression } from "../mail/suppression.ts";
import { SUPPRESSIONS_FILE } from "./queues.ts";

/** How long one who reads may keep one who writes waiting. */
const BUSY_MS = 1000;
const PAGE = 1000; // rows read in one go, so that nobody is kept waiting for long

const SCHEMA = `CREATE TABLE IF NOT EXISTS suppressions (
  value TEXT PRIMARY KEY, reason TEXT NOT NULL, code TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER
) WITHOUT ROWID`;

export class SuppressionList {
  readonly #database: DatabaseSync;
  readonly #find: StatementSync;

  /** Made if it is not there. Throws SPOOL_IO. */
  constructor() {
    try {
      const isNew = !existsSync(SUPPRESSIONS_FILE);
      this.#database = new DatabaseSync(SUPPRESSIONS_FILE, { timeout: BUSY_MS });
      this.#database.exec("PRAGMA synchronous = FULL");
      if (isNew) {
        chmodSync(SUPPRESSIONS_FILE, 0o600);
        const { uid, gid } = statSync(dirname(SUPPRESSIONS_FILE));
        if (process.getuid?.() === 0) chownSync(SUPPRESSIONS_FILE, uid, gid);
        this.#database.exec(SCHEMA);
      }
      this.#find = this.#database.prepare(
        "SELECT * FROM suppressions WHERE value IN (?, ?) AND (until IS NULL OR until > ?) ORDER BY value DESC",
      );
    } catch (error) {
      throw trouble(error);
    }
  }

  get isEmpty(): boolean {
    return this.#do(() => this.#database.prepare("SELECT 1 FROM suppressions LIMIT 1").get() === undefined);
  }

  /** The row that holds for an address, its own before its domain's. `address` is canonical, in lower case. */
  find(address: string, now: number): Suppression | undefined {
    const domain = address.slice(address.lastIndexOf("@"));
    const row = this.#do(() => this.#find.get(address, domain, now));
    return row === undefined ? undefined : toSuppression(row);
  }

  /** All or none of them; a row for the same value is replaced. */
  add(rows: readonly Suppression[]): void {
    this.#change(() => {
      const put = this.#database.prepare("INSERT OR REPLACE INTO suppressions VALUES (?, ?, ?, ?, ?)");
      for (const { value, reason, code, since, until } of rows) put.run(value, reason, code, since, until ?? null);
    });
  }

  /** Returns which were there. */
  remove(values: readonly string[]): string[] {
    return this.#change(() => {
      const cut = this.#database.prepare("DELETE FROM suppressions WHERE value = ?");
      return values.filter((value) => Number(cut.run(value).changes) > 0);
    });
  }

  /** Rows that are over are forgotten. */
  expire(now: number): void {
    this.#change(() => this.#database.prepare("DELETE FROM suppressions WHERE until <= ?").run(now));
  }

  /** Those that hold, by value; `part`: only those that have it in value or reason. */
  *rows(now: number, part = ""): Generator<Suppression, void> {
    const next = this.#database.prepare(
      `SELECT * FROM suppressions WHERE value > ? AND (until IS NULL OR until > ?)
       AND (instr(value, ?) > 0 OR instr(lower(reason), ?) > 0) ORDER BY value LIMIT ${PAGE}`,
    );
    const wanted = part.toLowerCase();
    for (let last = ""; ; ) {
      const page = this.#do(() => next.all(last, now, wanted, wanted)).map(toSuppression);
      yield* page;
      const end = page.at(-1);
      if (end === undefined || page.length < PAGE) return;
      last = end.value;
    }
  }

  close(): void {
    this.#database.close();
  }

  #change<T>(change: () => T): T {
    return this.#do(() => {
      this.#database.exec("BEGIN IMMEDIATE");
      try {
        const result = change();
        this.#database.exec("COMMIT");
        return result;
      } catch (error) {
        this.#database.exec("ROLLBACK");
        throw error;
      }
    });
  }

  #do<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw trouble(error);
    }
  }
}

function toSuppression(row: Record<string, unknown>): Suppression {
  const { value, reason, code, since, until } = row;
  const end = typeof until === "number" ? { until } : {};
  return { value: String(value), reason: String(reason), code: String(code), since: Number(since), ...end };
}

function trouble(error: unknown): ScesError {
  const text = `${SUPPRESSIONS_FILE}: ${messageOf(error)}`;
  const isFull = error instanceof Error && "errcode" in error && error.errcode === 13;
  return new ScesError(isFull ? "SPOOL_FULL" : "SPOOL_IO", text, { cause: error });
}
