/**
 * Plays crash points: sets the rule that kills (or, for a power cut, stops) a process at exactly that call, sends the
 * mail that leads there, lets all recover, and looks what became of the mail.
 */
import { until } from "../harness/until.ts";
import type { LedgerEntry } from "./ledger.ts";
import { type CrashPoint, ruleOf } from "./points.ts";
import { play } from "./scenes.ts";
import type { Stage } from "./stage.ts";
import type { Kill } from "./verdict.ts";

export interface Played {
  readonly point: CrashPoint;
  readonly wasHit: boolean;
  readonly recoveryMs: number; // from the crash until all mail was where it belongs
  readonly doubled: number; // deliveries beyond the first
  readonly violations: readonly string[];
}

/**
 * What happens once a process has come to its point; resolves with the crash, when all that has to runs again. `since`:
 * when the rule was set; the process may have died at any moment from then on.
 */
export type Crash = (stage: Stage, point: CrashPoint, since: number) => Promise<Kill>;

const REACHED_WITHIN_MS = 20_000;
const HOME_WITHIN_MS = 30_000;

export function nameOf({ point, at, when, nth, scene }: CrashPoint): string {
  return `${point} ${scene}: ${when} ${at}${nth > 1 ? ` (${nth})` : ""}`;
}

/** One after the other; those that wait for a scan are brought to their crash first, and recover while others play. */
export async function playPoints(
  stage: Stage,
  points: readonly CrashPoint[],
  how: "kill" | "stop",
  crash: Crash,
  kills: Kill[],
  progress: (text: string) => void,
): Promise<Played[]> {
  const played: Played[] = [];
  const waiting: Promise<Played>[] = [];
  const inOrder = [...points.filter(({ isSlow }) => isSlow), ...points.filter(({ isSlow }) => !isSlow)];
  for (const point of inOrder) {
    const settled = (await bring(stage, point, how, crash, kills))().then((one) => tell(one, progress));
    if (point.isSlow) waiting.push(settled);
    else played.push(await settled);
  }
  return [...played, ...(await Promise.all(waiting))];
}

function tell(played: Played, progress: (text: string) => void): Played {
  progress(`${nameOf(played.point)}: ${played.violations[0] ?? `${played.recoveryMs} ms`}`);
  return played;
}

/** To the crash and over it; what is returned waits for the mail. */
async function bring(
  stage: Stage,
  point: CrashPoint,
  how: "kill" | "stop",
  crash: Crash,
  kills: Kill[],
): Promise<() => Promise<Played>> {
  const violations: string[] = [];
  const complain = (error: unknown): void => void violations.push(`${nameOf(point)}: ${(error as Error).message}`);
  let entries: LedgerEntry[] = [];
  let wasHit = false;
  const since = Date.now();
  let at = since;
  stage.faults.set(ruleOf(point, how));
  const over = (async () => {
    await until("that call", () => stage.faults.acted() > 0, REACHED_WITHIN_MS);
    wasHit = true;
    at = Date.now();
    kills.push(await crash(stage, point, since));
    stage.ledger.note("crash", { point: nameOf(point) });
  })().catch(complain);
  try {
    entries = await play(point.scene, stage);
  } catch (error) {
    complain(error);
  }
  await over;
  stage.faults.set();
  return async () => {
    try {
      await until(
        () => `mail to be where it belongs: ${entries.map((entry) => whereabouts(stage, entry)).join("; ")}`,
        () => entries.every((entry) => isSettled(stage, entry)),
        HOME_WITHIN_MS,
      );
    } catch (error) {
      complain(error);
    }
    const recoveryMs = Date.now() - at;
    const doubled = entries.reduce((sum, entry) => sum + surplus(stage, entry), 0);
    if (doubled > 0 && how === "kill" && !point.doubles) complain(new Error(`${doubled} delivered again`));
    return { point, wasHit, recoveryMs, doubled, violations };
  };
}

function isSettled(stage: Stage, entry: LedgerEntry): boolean {
  if (entry.acknowledgedAt !== undefined && !stage.isHome(entry)) return false;
  return !stage.isQueued(entry);
}

function whereabouts(stage: Stage, entry: LedgerEntry): string {
  const promise = entry.acknowledgedAt === undefined ? "no promise" : `promised as ${entry.id}`;
  const where = stage.isQueued(entry) ? "queued" : "not queued";
  return `${entry.token} ${promise}, ${where}, ${stage.isHome(entry) ? "" : "not "}home`;
}

function surplus(stage: Stage, { token }: LedgerEntry): number {
  const these = stage.recorder.deliveries.filter((one) => one.token === token);
  return these.length - new Set(these.map(({ recipient }) => recipient)).size;
}
