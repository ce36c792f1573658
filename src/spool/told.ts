/**
 * Of which objects in quarantine the postmaster was told. The mark is the mode of the reason file: writable means that
 * nobody was told. So it is made by one call, survives a restart, and is lost, at worst, with a second notice.
 */
import { chmodSync, lstatSync } from "node:fs";
import { isGone, spoolError } from "../base/errors.ts";

const TOLD = 0o400;
const WRITABLE = 0o200;

export interface ReasonState {
  readonly since: number; // ms, when the object came to quarantine
  readonly isTold: boolean;
}

/** `name`: of the object. Undefined if it has no reason. */
export function reasonState(name: string): ReasonState | undefined {
  const stat = lstatSync(`corrupt/${name}.reason`, { throwIfNoEntry: false });
  return stat === undefined ? undefined : { since: stat.mtimeMs, isTold: (stat.mode & WRITABLE) === 0 };
}

export function markTold(name: string): void {
  try {
    chmodSync(`corrupt/${name}.reason`, TOLD);
  } catch (error) {
    if (!isGone(error)) throw spoolError(`marking the reason of corrupt/${name}`, error);
  }
}
