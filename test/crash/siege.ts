/**
 * kill -9 under load. Mail comes in by SMTP and by dropped files, goes out to a destination that takes some, puts off
 * some and refuses some, an administrator holds, releases and requeues; and all the while one process after the other
 * is killed. At the end the destination heals, the queues drain, and every promise is looked up.
 */
import { join } from "node:path";
import { type Instance, instance } from "../harness/instance.ts";
import { pause, until } from "../harness/until.ts";
import { Administrator } from "./administrator.ts";
import { finalVerdict } from "./final-verdict.ts";
import { Ledger } from "./ledger.ts";
import { ALIASES } from "./parcel.ts";
import { Random } from "./random.ts";
import { Recorder } from "./recorder.ts";
import { Traffic } from "./traffic.ts";
import type { Kill, Verdict } from "./verdict.ts";

/** All that can be killed, those first that mail passes. */
export const PROCESS_NAMES = [
  "smtpd",
  "cleanup",
  "qmgr",
  "smtp",
  "defer",
  "pickup",
  "bounce",
  "hold",
  "corrupt",
  "master",
] as const;

export interface SiegeOptions {
  readonly seed: number;
  readonly seconds?: number; // kills at random for so long
  readonly each?: number; // or: so many kills of each process, one process after the other
  readonly names?: readonly string[]; // default: all
  readonly withCommands?: boolean; // an administrator holds, releases and requeues meanwhile; default: yes
  readonly messagesPerSecond: number;
  readonly sessions: number;
  readonly drainSeconds: number;
  readonly progress: (text: string) => void;
}

export interface SiegeReport {
  readonly verdict: Verdict;
  readonly kills: readonly KillRecord[];
  readonly refusals: ReadonlyMap<string, number>;
  readonly brokenSessions: number;
  readonly commands: ReadonlyMap<string, number>; // exit statuses of the administrator's commands, counted
  readonly kept: string | undefined; // the folder with log, ledger and spool, if there is something to look into
}

export interface KillRecord extends Kill {
  readonly inFlight: number; // recipients in conversations past DATA at that moment, as the destination sees them
  readonly restartMs: number; // until the process was there again
  readonly serviceMs: number; // until the next message was acknowledged
}

const RETURN_WITHIN_MS = 90_000; // a killed process must be back, brake included
const APPEARS_WITHIN_MS = 30_000;
const DUPLICATE_WINDOW_MS = 2_000; // a loaded machine may take that long from the remote 250 to the synced record
const LATE_MS = 1_000; // and we as long to read what a dead process had sent

export async function siege(options: SiegeOptions): Promise<SiegeReport> {
  const random = new Random(options.seed);
  const violations: string[] = [];
  await using recorder = await Recorder.start();
  await using sces = await instance({
    ...ALIASES,
    relayhost: `[127.0.0.1]:${recorder.port}`,
    smtp_tls_security_level: "none",
    queue_run_delay: "1s",
    minimal_backoff_time: "1s",
    maximal_backoff_time: "4s",
    max_idle: 0, // all processes stay, so that each can be killed
    service_start_brake: "10ms",
    drop_scan_interval: "1s",
    drop_stable_time: 0,
    smtpd_client_connection_count_limit: 0,
    command_timeout: "5s",
  });
  const ledger = new Ledger(join(sces.directory, "ledger"));
  const kills: KillRecord[] = [];
  const { sessions, messagesPerSecond } = options;
  const dropDirectory = join(sces.spool, "drop");
  const traffic = new Traffic({ smtpPort: sces.smtpPort, dropDirectory, ledger, random, sessions, messagesPerSecond });
  const administrator = new Administrator(sces, random, options.withCommands ?? true);
  try {
    await until("the first messages", () => ledger.promised().length > 20 && ledger.rubbish.size > 0, 30_000);
    for await (const name of plan(random, options)) {
      const record = await killOne(sces, name, { ledger, recorder, traffic, administrator, violations });
      if (record) {
        kills.push(record);
        options.progress(`kill ${kills.length}: ${name}, back after ${record.restartMs} ms`);
      }
    }
  } finally {
    await administrator.stop();
    await traffic.stop();
  }
  options.progress(`${ledger.promised().length} messages promised, ${kills.length} kills; draining`);
  recorder.isHealed = true;
  await drain(sces, options, violations);
  const status = await sces.stop();
  if (status !== 0) violations.push(`sces ended with status ${status}`);
  const verdict = finalVerdict({
    ledger,
    recorder,
    spool: sces.spool,
    kills,
    duplicateWindowMs: DUPLICATE_WINDOW_MS,
    lateMs: LATE_MS,
  });
  const all = [...violations, ...administrator.violations, ...verdict.violations];
  sces.keep ||= all.length > 0;
  return {
    verdict: { ...verdict, violations: all },
    kills,
    refusals: traffic.refusals,
    brokenSessions: traffic.brokenSessions,
    commands: administrator.statuses,
    kept: sces.keep ? sces.directory : undefined,
  };
}

/** The names to kill, each at its moment. */
async function* plan(random: Random, options: SiegeOptions): AsyncGenerator<string> {
  const names = options.names ?? PROCESS_NAMES;
  if (options.each !== undefined) {
    for (const name of names) {
      for (let count = 0; count < options.each; count++) {
        await pause(random.between(200, 900));
        yield name;
      }
    }
    return;
  }
  const end = performance.now() + (options.seconds ?? 60) * 1000;
  for (;;) {
    // Each in turn, in another order each time, so that none is left out however short the run.
    for (const name of random.shuffled(names)) {
      await pause(random.between(200, 1800));
      if (performance.now() >= end) return;
      yield name;
    }
  }
}

interface Surroundings {
  readonly ledger: Ledger;
  readonly recorder: Recorder;
  readonly traffic: Traffic;
  readonly administrator: Administrator;
  readonly violations: string[];
}

async function killOne(sces: Instance, name: string, around: Surroundings): Promise<KillRecord | undefined> {
  const { ledger, recorder, traffic, administrator, violations } = around;
  if (name === "master") await administrator.pause();
  if (!sces.pids().some((process) => process.name === name)) {
    // Those that run by need are there once there is something for them, which the traffic provides.
    try {
      await sces.waitForProcess(name, [], APPEARS_WITHIN_MS);
    } catch {
      violations.push(`there is no process sces/${name} to kill`);
      return undefined;
    }
  }
  const inFlight = recorder.inFlight();
  const at = Date.now();
  const killed = sces.killOne(name);
  const doneAt = Date.now();
  if (!killed) return undefined; // it ended by itself in this moment
  ledger.note("kill", { name, pid: killed.pid, inFlight });
  try {
    if (name === "master") await startAgain(sces, violations);
    await sces.waitForProcess(name, killed.all, RETURN_WITHIN_MS);
  } catch (error) {
    violations.push(`after a kill of ${name}: ${(error as Error).message.slice(0, 3000)}`);
    throw new Error(violations.join("\n"));
  } finally {
    administrator.resume();
  }
  const restartMs = Date.now() - at;
  try {
    await until("the next promise", () => traffic.lastAcknowledged > at + restartMs, RETURN_WITHIN_MS);
  } catch (error) {
    violations.push(`after a kill of ${name}: ${(error as Error).message}`);
  }
  return { name, at, doneAt, inFlight, restartMs, serviceMs: traffic.lastAcknowledged - at };
}

/** As a service manager would. The first try must do: the new master answers for what the old one left. */
async function startAgain(sces: Instance, violations: string[]): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await sces.start();
    } catch (error) {
      violations.push(`start after a kill of master, try ${tries}: ${(error as Error).message.slice(0, 3000)}`);
      if (tries === 3) throw error;
      await pause(1000);
    }
  }
}

async function drain(sces: Instance, options: SiegeOptions, violations: string[]): Promise<void> {
  const queues = ["incoming", "active", "deferred", "hold", "bounce", "drop"] as const;
  const left = (): string => queues.map((queue) => `${queue} ${sces.queue(queue).length}`).join(", ");
  const end = performance.now() + options.drainSeconds * 1000;
  while (queues.some((queue) => sces.queue(queue).length > 0)) {
    if (performance.now() > end) {
      violations.push(`not drained after ${options.drainSeconds} s: ${left()}`);
      return;
    }
    if (sces.queue("hold").length > 0) await sces.run("queue", "release", "ALL");
    options.progress(left());
    await pause(1000);
  }
}
