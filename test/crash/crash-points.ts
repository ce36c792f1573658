/** Every crash point by kill -9: what the table of points promises, held against a whole system. */
import { join } from "node:path";
import { instance } from "../harness/instance.ts";
import { Faults, whyNoFaults } from "./faults.ts";
import { finalVerdict, swept } from "./final-verdict.ts";
import { Ledger } from "./ledger.ts";
import { type Crash, nameOf, type Played, playPoints } from "./play-points.ts";
import { type CrashPoint, POINTS } from "./points.ts";
import { Random } from "../harness/random.ts";
import { Recorder } from "./recorder.ts";
import { counted, type Part, spread } from "./report.ts";
import { Stage, STAGE_PARAMETERS } from "./stage.ts";
import type { Kill } from "./verdict.ts";

export interface PointsOptions {
  readonly seed: number;
  readonly points?: readonly CrashPoint[]; // default: all
  readonly progress: (text: string) => void;
}

export interface PointsReport extends Part {
  readonly played: readonly Played[];
}

export async function crashPoints({ seed, points = POINTS, progress }: PointsOptions): Promise<PointsReport> {
  const reason = whyNoFaults();
  if (reason) return { played: [], rows: [], violations: [], skipped: [`crash points: ${reason}`] };
  const random = new Random(seed);
  const kills: Kill[] = [];
  using faults = new Faults();
  await using recorder = await Recorder.start();
  const parameters = { ...STAGE_PARAMETERS, relayhost: `[127.0.0.1]:${recorder.port}` };
  await using sces = await instance(parameters, { environment: faults.environment });
  const ledger = new Ledger(join(sces.directory, "ledger"));
  const stage = new Stage({ sces, recorder, ledger, faults, random });
  const played = await playPoints(stage, random.shuffled(points), "kill", killed, kills, progress);
  const violations = played.flatMap((one) => one.violations);
  for (const { point, wasHit } of played) if (!wasHit) violations.push(`${nameOf(point)}: never came there`);
  recorder.isHealed = true;
  await sces.drained(30_000).catch((error) => violations.push((error as Error).message));
  await swept(sces);
  if ((await sces.stop()) !== 0) violations.push("sces did not stop as it should");
  const spool = sces.spool;
  const verdict = finalVerdict({ ledger, recorder, spool, kills, duplicateWindowMs: 5000, lateMs: 1000 });
  violations.push(...verdict.violations);
  sces.keep ||= violations.length > 0;
  if (sces.keep) console.log(`log, ledger and spool: ${sces.directory}`);
  const fault = "kill -9 at a crash point, each call of the table";
  const bound = "one at those between a delivery and its record";
  const recovery = spread(played.map(({ recoveryMs }) => recoveryMs));
  const row = { fault, hits: kills.length, ...counted(verdict), bound, ...recovery };
  return { played, rows: [row], violations };
}

/** The library has done it; only master has nobody who starts it again. */
const killed: Crash = async ({ sces }, { at }, since) => {
  const name = at.slice(0, at.indexOf(" "));
  const doneAt = Date.now();
  if (name === "master") {
    await sces.exited();
    await sces.start();
  }
  return { name, at: since, doneAt };
};
