/** state/pauses: what is paused, one JSON object a line. Replaced as a whole, so that it is whole whatever happens. */
import { readFileSync } from "node:fs";
import { isGone, spoolError } from "../base/errors.ts";
import { replaceFile } from "../base/replace-file.ts";
import { type Pause, PAUSE_KINDS, pauseValue } from "../mail/pause.ts";
import { PAUSES_FILE } from "./queues.ts";

/** Those that are over are left out, and lines that say nothing. Throws SPOOL_IO. */
export function readPauses(now: number): Pause[] {
  let text: string;
  try {
    text = readFileSync(PAUSES_FILE, "utf8");
  } catch (error) {
    if (isGone(error)) return [];
    throw spoolError(`reading ${PAUSES_FILE}`, error);
  }
  return text
    .split("\n")
    .flatMap(parseLine)
    .filter(({ until }) => until === undefined || until > now);
}

/** On disk when it returns. Throws SPOOL_FULL, SPOOL_IO: then what was there is. */
export function writePauses(pauses: readonly Pause[]): void {
  try {
    replaceFile(PAUSES_FILE, pauses.map((pause) => `${JSON.stringify(pause)}\n`).join(""));
  } catch (error) {
    throw spoolError(`writing ${PAUSES_FILE}`, error);
  }
}

function parseLine(line: string): Pause[] {
  try {
    const found = JSON.parse(line) as Partial<Pause>;
    const kind = PAUSE_KINDS.find((one) => one === found.kind);
    const value = kind === undefined ? undefined : pauseValue(kind, String(found.value));
    if (kind === undefined || value === undefined) return [];
    const { reason, since, until } = found;
    const end = typeof until === "number" ? { until } : {};
    return [{ kind, value, reason: String(reason ?? ""), since: Number(since ?? 0), ...end }];
  } catch {
    return []; // the empty end, or somebody's own words
  }
}
