/** state/clock: when this system was last seen to run, by all its clocks, and how often the wall clock was set. */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { isGone, spoolError } from "../base/errors.ts";
import { type ClockStep, MOST_STEPS } from "../mail/clock-steps.ts";
import { CLOCK_FILE } from "./queues.ts";

/** Always this name: what a crash leaves is written over by the next qmgr. */
const ASIDE = "state/.clock.new";

export interface ClockState {
  readonly boot: string; // of the machine, as the kernel names it
  readonly uptimeMs: number; // since that boot
  readonly wallMs: number; // ms since 1970, at the same instant
  readonly steps: readonly ClockStep[]; // oldest first
}

/** Undefined if there is none, or none that can be understood: then nothing is known. */
export function readClock(): ClockState | undefined {
  try {
    const found = JSON.parse(readFileSync(CLOCK_FILE, "utf8")) as Partial<ClockState>;
    const { boot, uptimeMs, wallMs, steps } = found;
    const isWhole = typeof boot === "string" && Number.isFinite(uptimeMs) && Number.isFinite(wallMs);
    if (!isWhole || !Array.isArray(steps)) return undefined;
    const usable = steps.filter((step) => Number.isFinite(step?.from) && Number.isFinite(step?.to));
    return { boot, uptimeMs: Number(uptimeMs), wallMs: Number(wallMs), steps: usable.slice(-MOST_STEPS) };
  } catch (error) {
    if (isGone(error) || error instanceof SyntaxError) return undefined;
    throw spoolError(`reading ${CLOCK_FILE}`, error);
  }
}

/** As a whole or not at all. Only qmgr writes it. Throws SPOOL_FULL, SPOOL_IO. */
export function writeClock(state: ClockState): void {
  try {
    const fd = openSync(ASIDE, "w", 0o600);
    try {
      const bytes = Buffer.from(`${JSON.stringify(state)}\n`);
      if (writeSync(fd, bytes) !== bytes.length) throw Object.assign(new Error("short write"), { code: "ENOSPC" });
      fsyncSync(fd); // a power cut that takes the rename back leaves the state before, which will do
    } finally {
      closeSync(fd);
    }
    renameSync(ASIDE, CLOCK_FILE);
  } catch (error) {
    throw spoolError(`writing ${CLOCK_FILE}`, error);
  }
}
