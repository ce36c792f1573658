/**
 * The lock of a spool: who holds it is the one mail system, or the one command, that may change things there. Node has
 * no flock(2); SQLite's exclusive transaction is a kernel lock that ends with the process, however it ends.
 */
import { chmodSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { messageOf, ScesError } from "../base/errors.ts";
import { LOCK_FILE } from "./queues.ts";

export interface SpoolLock {
  release(): void;
}

/** Throws SPOOL_LOCKED when another process holds it, SPOOL_IO when the file cannot be made. */
export function lockSpool(): SpoolLock {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(LOCK_FILE, { timeout: 0 });
    database.exec("BEGIN EXCLUSIVE");
    chmodSync(LOCK_FILE, 0o600);
  } catch (error) {
    database?.close();
    const busy = error instanceof Error && "errcode" in error && (error.errcode === 5 || error.errcode === 6);
    if (busy) throw new ScesError("SPOOL_LOCKED", "another sces runs on this spool; stop it first, or use another");
    throw new ScesError("SPOOL_IO", `cannot lock ${LOCK_FILE}: ${messageOf(error)}`, { cause: error });
  }
  const held = database;
  return { release: () => held.close() };
}
