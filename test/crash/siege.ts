/**
 * Blows under load. Mail comes in by SMTP and by dropped files, goes out to a destination that takes some, puts off
 * some and refuses some, an administrator holds, releases and requeues; and all the while one process after the other
 * is killed or stopped, two at once, master with a child that cannot end; the system is restarted, and the destination
 * resets its connections or reads nothing (blows.ts). At the end the destination heals, the queues drain, and every promise is looked up.
 */
import { join } from "node:path";
import { type Instance, instance } from "../harness/instance.ts";
import { pause, until } from "../harness/until.ts";
import { Administrator } from "./administrator.ts";
import { type Blow, PROCESS_NAMES, type Struck, strike } from "./blows.ts";
import { finalVerdict, swept } from "./final-verdict.ts";
import { Ledger } from "./ledger.ts";
import { ALIASES } from "./parcel.ts";
import { Random } from "../harness/random.ts";
import { Recorder } from "./recorder.ts";
import { Traffic } from "./traffic.ts";
import { counted, type FaultRow, type Part, spread } from "./report.ts";
import type { Verdict } from "./verdict.ts";

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

export interface SiegeReport extends Part {
  readonly verdict: Verdict;
  readonly kills: readonly Struck[];
  readonly kept: string | undefined; // the folder with log, ledger and spool, if there is something to look into
}

const DAEMON_TIMEOUT_MS = 4_000;
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
    daemon_timeout: `${DAEMON_TIMEOUT_MS}ms`,
    drop_scan_interval: "1s",
    drop_stable_time: 0,
    smtpd_client_connection_count_limit: 0,
    command_timeout: "5s",
  });
  const ledger = new Ledger(join(sces.directory, "ledger"));
  const kills: Struck[] = [];
  const { sessions, messagesPerSecond } = options;
  const dropDirectory = join(sces.spool, "drop");
  const traffic = new Traffic({ smtpPort: sces.smtpPort, dropDirectory, ledger, random, sessions, messagesPerSecond });
  const administrator = new Administrator(sces, random, options.withCommands ?? true);
  try {
    await until("the first messages", () => ledger.promised().length > 20 && ledger.rubbish.size > 0, 30_000);
    const daemonTimeoutMs = DAEMON_TIMEOUT_MS;
    const field = { sces, ledger, recorder, traffic, administrator, daemonTimeoutMs, violations };
    for await (const blow of plan(random, options)) {
      const record = await strike(field, blow);
      if (record === undefined) continue;
      kills.push(record);
      options.progress(`blow ${kills.length}: ${record.blow}, back after ${record.restartMs} ms`);
    }
  } finally {
    await administrator.stop();
    await traffic.stop();
  }
  options.progress(`${ledger.promised().length} messages promised, ${kills.length} kills; draining`);
  recorder.isHealed = true;
  await drain(sces, options, violations);
  await swept(sces);
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
  for (const [reply, count] of traffic.refusals) options.progress(`refused ${count} times: ${reply}`);
  for (const [command, count] of administrator.statuses) options.progress(`sces-queue ${command}: ${count} times`);
  options.progress(`${traffic.brokenSessions} broken sessions, ${verdict.unpromised} deliveries without a 250`);
  if (sces.keep) options.progress(`log, ledger and spool: ${sces.directory}`);
  const kept = sces.keep ? sces.directory : undefined;
  return { verdict, kills, kept, rows: rowsOf(verdict, kills), violations: all };
}

/** The siege as a whole, then each kind of blow. */
function rowsOf(verdict: Verdict, kills: readonly Struck[]): FaultRow[] {
  const bound = "those in flight at each blow";
  const whole = { fault: "siege under load: all blows together", hits: kills.length, ...counted(verdict), bound };
  const kinds = [...new Set(kills.map(({ label }) => label))].sort();
  const each = kinds.map((fault): FaultRow => {
    const these = kills.filter(({ label }) => label === fault);
    const inFlight = these.reduce((sum, kill) => sum + kill.inFlight, 0);
    const doubled = verdict.duplicatesByKill.get(fault) ?? 0;
    const recovery = spread(these.map(({ serviceMs }) => serviceMs));
    return { fault, hits: these.length, doubled, bound: `${inFlight} in flight`, ...recovery };
  });
  return [whole, ...each];
}

/** The blows, each at its moment. */
async function* plan(random: Random, options: SiegeOptions): AsyncGenerator<Blow> {
  const names = options.names ?? PROCESS_NAMES;
  if (options.each !== undefined) {
    for (const name of names) {
      for (let count = 0; count < options.each; count++) {
        await pause(random.between(200, 900));
        yield { how: "kill", name };
      }
    }
    return;
  }
  const end = performance.now() + (options.seconds ?? 60) * 1000;
  for (;;) {
    // Each in turn, in another order each time, so that none is left out however short the run.
    for (const blow of random.shuffled(round(random, names))) {
      await pause(random.between(200, 1200));
      if (performance.now() >= end) return;
      yield blow;
    }
  }
}

/** Every process is killed, two are stopped; and of all else one. */
function round(random: Random, names: readonly string[]): Blow[] {
  const children = names.filter((name) => name !== "master");
  const [one = "", other = "", third = "", fourth = ""] = random.shuffled(children);
  return [
    ...names.map((name) => ({ how: "kill", name }) as const),
    ...random
      .shuffled(names)
      .slice(0, 2)
      .map((name) => ({ how: "stop", name }) as const),
    { how: "pair", name: one, other },
    { how: "pair", name: third, other: "master" },
    { how: "orphan", name: fourth },
    { how: "restart", name: "all" },
    { how: "reset", name: "destination" },
    { how: "stall", name: "destination" },
  ];
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
