/**
 * Real age, whatever the wall clock is set to. Times in queue files are wall times; how much time went by is told by
 * the kernel's uptime, which nobody sets, and which goes on while the machine sleeps. Where the two differ the clock
 * was set: a step, which qmgr writes down for all, and what was written before it is understood anew
 * (mail/clock-steps.ts). While the machine was off nothing measures the time: of that no more than REBOOT_MS counts, so
 * that a machine that comes up with a wrong clock returns nobody's mail, and one that was off for days tries it first.
 */
import { readFileSync } from "node:fs";
import { uptime } from "node:os";
import { messageOf, ScesError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { type ClockStep, MOST_STEPS, presentOf } from "../mail/clock-steps.ts";
import type { RecipientState } from "../mail/state.ts";
import { readClock, writeClock } from "../spool/clock-file.ts";

/** Less is how clocks are kept right. */
const STEP_MS = 60_000;
const REBOOT_MS = 3_600_000;
/** Between two looks at the kernel's uptime, unless the clocks differ. */
const LOOK_MS = 1000;

/** The clocks of the machine. */
export interface Clocks {
  wall(): number; // ms since 1970
  monotonic(): number; // ms, cheap; may stand still while the machine sleeps
  uptime(): number; // ms since boot
  boot(): string; // which boot that is
}

const machine: Clocks = {
  wall: () => Date.now(),
  monotonic: () => performance.now(),
  uptime: () => uptime() * 1000,
  boot: bootId,
};

/** Where it is hidden from us, an uptime that is less than before tells a boot, but for some. */
function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return "unknown";
  }
}

export class Timeline {
  readonly #clocks: Clocks;
  readonly #log: Pick<Log, "warn">;
  #steps: readonly ClockStep[] = [];
  #wall: number;
  #monotonic: number;
  #uptime: number;
  #isSaved = true; // the steps

  /** Reads what is known. In the spool. `log`: of qmgr, which says it for all. */
  constructor(log: Pick<Log, "warn"> = { warn() {} }, clocks: Clocks = machine) {
    this.#log = log;
    this.#clocks = clocks;
    this.#wall = clocks.wall();
    this.#monotonic = clocks.monotonic();
    this.#uptime = clocks.uptime();
    this.reload();
  }

  /** The wall clock, after a look whether it was set. */
  now(): number {
    const { wall, monotonic } = this.#clocks;
    const now = wall();
    const passed = monotonic() - this.#monotonic;
    if (passed < LOOK_MS && Math.abs(now - this.#wall - passed) < STEP_MS) return now;
    const up = this.#clocks.uptime();
    const step = now - this.#wall - (up - this.#uptime);
    if (Math.abs(step) >= STEP_MS) this.#add(now - step, now);
    this.#wall = now;
    this.#monotonic = monotonic();
    this.#uptime = up;
    return now;
  }

  /** What a time that was written down is by the clock of now. */
  present(time: number, now: number = this.now()): number {
    return presentOf(time, this.#steps, now);
  }

  /** When a recipient is due, by the clock of now; undefined if no time is set. What its sender set is wall time. */
  dueOf({ next, since, scheduled }: RecipientState, now: number = this.now()): number | undefined {
    if (next === undefined || since === undefined || scheduled || this.#steps.length === 0) return next;
    return this.present(since, now) + (next - since);
  }

  /** A time later than this was written after every step. */
  get settledSince(): number {
    return this.#steps.reduce((latest, { to }) => Math.max(latest, to), Number.NEGATIVE_INFINITY);
  }

  /**
   * What qmgr has written, and what came since: for those who look now and then. What we saw ourselves is forgotten:
   * qmgr has written it, or else it is seen again, for it is reckoned from the instant of which qmgr wrote.
   */
  reload(): void {
    const known = this.#read();
    if (known === undefined) return;
    const { wall, monotonic, uptime: sinceBoot, boot } = this.#clocks;
    this.#wall = wall();
    this.#monotonic = monotonic();
    this.#uptime = sinceBoot();
    this.#steps = known.steps;
    const passed = this.#wall - known.wallMs;
    const isSameBoot = known.boot === boot() && this.#uptime >= known.uptimeMs;
    const real = isSameBoot ? this.#uptime - known.uptimeMs : Math.min(Math.max(passed, 0), REBOOT_MS);
    if (Math.abs(passed - real) >= STEP_MS) this.#add(known.wallMs + real, this.#wall);
  }

  /** qmgr: for its next run, and for all others. */
  save(): void {
    const now = this.now();
    try {
      writeClock({ boot: this.#clocks.boot(), uptimeMs: this.#uptime, wallMs: this.#wall, steps: this.#steps });
      this.#isSaved = true;
    } catch (error) {
      if (!(error instanceof ScesError)) throw error;
      this.#log.warn(
        `${messageOf(error)}; a clock that is set now is told from real age only until qmgr ends (${now})`,
      );
    }
  }

  /** There is a step that is not on disk. */
  get isUnsaved(): boolean {
    return !this.#isSaved;
  }

  #read(): ReturnType<typeof readClock> {
    try {
      return readClock();
    } catch (error) {
      if (!(error instanceof ScesError)) throw error;
      this.#log.warn(messageOf(error));
      return undefined;
    }
  }

  #add(from: number, to: number): void {
    const way = to > from ? "forward" : "back";
    const step = Math.round(Math.abs(to - from) / 1000);
    this.#log.warn(`the clock went ${way} by ${step}s that did not pass: no mail gets older or younger by that`);
    this.#steps = [...this.#steps, { from, to }].slice(-MOST_STEPS);
    this.#isSaved = false;
  }
}
