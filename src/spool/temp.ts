/**
 * Temp names: `incoming/.tmp.<pid>.<start time of that process>.<n>`. What carries one was never acknowledged. Only
 * cleanup sweeps them, and only those of processes that are gone; the start time tells a reused pid apart.
 */
import { lstatSync, readdirSync, readFileSync, unlinkSync } from "node:fs";
import { isGone } from "../base/errors.ts";

const TEMP_NAME = /^\.tmp\.(\d+)\.(\d+)\.\d+$/;

/** Start time in clock ticks since boot, field 22 of /proc/<pid>/stat; undefined if there is no such process. */
export function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19]; // dead, only not yet waited for
  } catch {
    return undefined;
  }
}

let prefix: string | undefined;
let counter = 0;

/** A temp name that no other process and no other call uses. */
export function tempName(): string {
  prefix ??= `.tmp.${process.pid}.${startTimeOf(process.pid) ?? "0"}.`;
  counter += 1;
  return prefix + counter;
}

/**
 * Removes temp files in `directory` whose process is gone. Returns how many. `minAgeMs`: younger ones stay, where others
 * write whose processes we may not be able to see (drop/).
 */
export function sweepTemps(directory: string, minAgeMs = 0): number {
  let swept = 0;
  const alive = new Map<string, boolean>();
  for (const name of readdirSync(directory)) {
    const match = TEMP_NAME.exec(name);
    if (match === null) continue;
    const key = `${match[1]}.${match[2]}`;
    let lives = alive.get(key);
    if (lives === undefined) {
      lives = startTimeOf(Number(match[1])) === match[2];
      alive.set(key, lives);
    }
    if (lives || (minAgeMs > 0 && !isOldFile(`${directory}/${name}`, minAgeMs))) continue;
    try {
      unlinkSync(`${directory}/${name}`);
      swept += 1;
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
  return swept;
}

function isOldFile(path: string, ageMs: number): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat?.isFile() === true && Date.now() - stat.mtimeMs > ageMs;
}
