/**
 * How TLS went, between being counted and being reported: `state/tlsrpt/DAY.PID.START`, one file for each day and
 * process, replaced as a whole every now and then, and not synced: the last minute of counts may be lost. Who reports
 * notes in `DAY.sent` what went out, and removes all of a day at its end.
 */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { spoolError } from "../base/errors.ts";
import type { PolicyTally } from "../mail/tls-report.ts";
import { TLSRPT } from "./queues.ts";

const NAME = /^(\d{4}-\d\d-\d\d)\.(?:\d+\.\d+|sent)$/;
const DAY_MS = 86_400_000;
const START = Math.round(performance.timeOrigin); // with the pid it names a process
const SETTLED_MS = 600_000; // processes write down the last of a day a little later
const SPREAD_MS = 4 * 3_600_000;

/** The UTC day of a time, YYYY-MM-DD. */
export function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

/** Throws SPOOL_FULL, SPOOL_IO. */
export function writeTallies(day: string, tallies: readonly PolicyTally[]): void {
  try {
    mkdirSync(TLSRPT, { recursive: true, mode: 0o700 });
    const aside = join(TLSRPT, `.${process.pid}.new`);
    writeFileSync(aside, JSON.stringify(tallies), { mode: 0o600 });
    renameSync(aside, join(TLSRPT, `${day}.${process.pid}.${START}`));
  } catch (error) {
    throw spoolError("writing down how TLS went", error);
  }
}

/**
 * Days whose time to be reported has come, oldest first: at some time in the first hours of the next one, another for
 * each host, for not all reports of the world should come at midnight (RFC 8460 4.1). Throws the system's error.
 */
export function daysToReport(now: number, hostname: string): string[] {
  const names = existsSync(TLSRPT) ? readdirSync(TLSRPT) : [];
  const afterMs = DAY_MS + SETTLED_MS + (crc32(hostname) % SPREAD_MS);
  const days = new Set(names.map((name) => NAME.exec(name)?.[1] ?? "").filter((day) => day !== ""));
  return [...days].filter((day) => Date.parse(day) + afterMs <= now).toSorted();
}

/** A file that cannot be understood counts nothing. */
export function readTallies(day: string): PolicyTally[] {
  return filesOf(day).flatMap((name) => {
    try {
      return JSON.parse(readFileSync(join(TLSRPT, name), "utf8")) as PolicyTally[];
    } catch {
      return [];
    }
  });
}

/** What of that day went out: whatever noteSent was told. */
export function readSent(day: string): ReadonlySet<string> {
  const path = join(TLSRPT, `${day}.sent`);
  return new Set(existsSync(path) ? readFileSync(path, "utf8").split("\n") : []);
}

/** `what`: one line. Throws SPOOL_FULL, SPOOL_IO. */
export function noteSent(day: string, what: string): void {
  try {
    appendFileSync(join(TLSRPT, `${day}.sent`), `${what}\n`, { mode: 0o600 });
  } catch (error) {
    throw spoolError("noting a report as sent", error);
  }
}

export function removeDay(day: string): void {
  for (const name of filesOf(day)) rmSync(join(TLSRPT, name), { force: true });
  rmSync(join(TLSRPT, `${day}.sent`), { force: true });
}

function filesOf(day: string): string[] {
  return readdirSync(TLSRPT).filter((name) => NAME.exec(name)?.[1] === day && !name.endsWith(".sent"));
}
