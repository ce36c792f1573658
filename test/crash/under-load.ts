/** A system under load to which something is done, and the verdict on it: what most parts of the campaign have in common. */
import { join } from "node:path";
import { type Instance, instance, type InstanceOptions, type Parameters } from "../harness/instance.ts";
import { until } from "../harness/until.ts";
import { finalVerdict, swept } from "./final-verdict.ts";
import { Ledger } from "./ledger.ts";
import { ALIASES } from "./parcel.ts";
import { Random } from "../harness/random.ts";
import { Recorder } from "./recorder.ts";
import { counted, type FaultRow, type Part } from "./report.ts";
import { Traffic } from "./traffic.ts";
import type { Kill } from "./verdict.ts";

const PATIENCE_MS = 60_000;
const PARAMETERS: Parameters = {
  ...ALIASES,
  smtp_tls_security_level: "none",
  queue_run_delay: "1s",
  minimal_backoff_time: "1s",
  maximal_backoff_time: "2s",
  service_start_brake: "10ms",
  smtpd_client_connection_count_limit: 0,
};

export interface Scene {
  readonly sces: Instance;
  readonly recorder: Recorder;
  readonly ledger: Ledger;
  readonly random: Random;
  readonly violations: string[];
  readonly kills: Kill[]; // what explains duplicates
  progress(text: string): void;
}

export interface LoadOptions extends Pick<FaultRow, "fault" | "hits" | "bound"> {
  readonly seed: number;
  readonly progress: (text: string) => void;
  readonly parameters?: (destinationPort: number) => Parameters;
  readonly instance?: InstanceOptions;
  readonly act: (scene: Scene) => Promise<void>;
}

/** Mail before, during and after `act`; then the destination heals and everything is looked up. */
export async function underLoad(options: LoadOptions): Promise<Part> {
  const { fault, hits, bound, seed, progress } = options;
  await using recorder = await Recorder.start();
  const own = options.parameters?.(recorder.port) ?? { relayhost: `[127.0.0.1]:${recorder.port}` };
  await using sces = await instance({ ...PARAMETERS, ...own }, options.instance);
  const ledger = new Ledger(join(sces.directory, "ledger"));
  const violations: string[] = [];
  const kills: Kill[] = [];
  const random = new Random(seed);
  const traffic = new Traffic({ smtpPort: sces.smtpPort, ledger, random, sessions: 8, messagesPerSecond: 60 });
  const more = async (when: string) => {
    const before = ledger.promised().length;
    await until(`mail to be taken ${when}`, () => ledger.promised().length > before + 30, PATIENCE_MS);
  };
  try {
    await more("at first");
    await options.act({
      sces,
      recorder,
      ledger,
      random: new Random(seed + 1),
      violations,
      kills,
      progress: (text) => progress(`${fault}: ${text}`),
    });
    await more("afterwards");
  } catch (error) {
    violations.push((error as Error).message);
  } finally {
    await traffic.stop();
  }
  recorder.isHealed = true;
  await sces.drained(PATIENCE_MS).catch((error) => violations.push((error as Error).message));
  await swept(sces);
  await sces.stop();
  const verdict = finalVerdict({ ledger, recorder, spool: sces.spool, kills, duplicateWindowMs: 4000, lateMs: 1000 });
  violations.push(...verdict.violations);
  for (const [reply, count] of traffic.refusals) progress(`${fault}: refused ${count} times: ${reply}`);
  progress(`${fault}: ${traffic.brokenSessions} broken sessions`);
  sces.keep ||= violations.length > 0;
  if (sces.keep) progress(`${fault}: log and ledger: ${sces.directory}`);
  return {
    rows: [{ fault, hits, ...counted(verdict), bound }],
    violations: violations.map((violation) => `${fault}: ${violation}`),
  };
}

/** One after the other. */
export async function allOf(parts: readonly (() => Promise<Part>)[]): Promise<Part> {
  const done: Part[] = [];
  for (const play of parts) done.push(await play());
  return {
    rows: done.flatMap(({ rows }) => rows),
    violations: done.flatMap(({ violations }) => violations),
    skipped: done.flatMap(({ skipped = [] }) => skipped),
  };
}
