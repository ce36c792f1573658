/** Appending to the journal of a queue file. */
import { closeSync, constants, fdatasync, openSync, utimesSync, writeSync } from "node:fs";
import { isGone, ScesError, spoolError } from "../base/errors.ts";
import type { JournalRecord } from "../mail/journal.ts";
import { encodeRecord } from "./record.ts";
import { giveUpReserve } from "./reserve.ts";

const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW;

/**
 * Appends records in one write, without a sync: for what may be lost in a power cut without harm (a deferral, a
 * schedule). Throws FILE_GONE, SPOOL_FULL (after the reserve was given up), SPOOL_IO.
 */
export function appendRecords(path: string, records: readonly JournalRecord[]): void {
  const fd = appendUnsynced(path, records);
  closeSync(fd);
}

/** As `appendRecords`; resolves when the records are on disk. */
export async function appendSynced(path: string, records: readonly JournalRecord[]): Promise<void> {
  const fd = appendUnsynced(path, records);
  await new Promise<void>((resolve, reject) => {
    fdatasync(fd, (error) => {
      closeSync(fd);
      if (error) reject(spoolError(`syncing ${path}`, error));
      else resolve();
    });
  });
}

/** As `appendSynced`, for an order on a message that may have moved on: resolves with false if it is gone. */
export async function appendIfThere(path: string, records: readonly JournalRecord[]): Promise<boolean> {
  try {
    await appendSynced(path, records);
    return true;
  } catch (error) {
    if (error instanceof ScesError && error.code === "FILE_GONE") return false;
    throw error;
  }
}

function appendUnsynced(path: string, records: readonly JournalRecord[]): number {
  let fd: number;
  try {
    fd = openSync(path, APPEND);
  } catch (error) {
    if (isGone(error)) throw new ScesError("FILE_GONE", `${path} is gone`, { cause: error });
    throw spoolError(`opening ${path}`, error);
  }
  try {
    const bytes = Buffer.from(records.map(encodeRecord).join(""));
    try {
      writeWhole(fd, bytes);
    } catch (error) {
      if (spoolError("", error).code !== "SPOOL_FULL" || !giveUpReserve()) throw error;
      writeWhole(fd, bytes);
    }
    return fd;
  } catch (error) {
    closeSync(fd);
    throw spoolError(`writing ${path}`, error);
  }
}

/** One write, whole: a torn line would be skipped by readers, and the whole is written again behind it. */
function writeWhole(fd: number, bytes: Buffer): void {
  const count = writeSync(fd, bytes);
  if (count !== bytes.length) {
    throw Object.assign(new Error(`wrote ${count} of ${bytes.length} bytes`), { code: "ENOSPC" });
  }
}

/** The file's mtime is the index of when it is due; set by path, after the last append. */
export function setDue(path: string, nextMs: number): void {
  try {
    utimesSync(path, nextMs / 1000, nextMs / 1000);
  } catch (error) {
    if (isGone(error)) throw new ScesError("FILE_GONE", `${path} is gone`, { cause: error });
    throw spoolError(`setting the time of ${path}`, error);
  }
}
