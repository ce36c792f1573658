/**
 * A disk that fails: EIO and ENOSPC from every call on the way of a message, one kind of call after the other and then
 * all at random, under load. Clients hear 4xx, nothing is lost, doubled or left half written, no process ends again and
 * again, and once the disk is well all goes on without a restart.
 */
import { join } from "node:path";
import { instance } from "../harness/instance.ts";
import { pause, until } from "../harness/until.ts";
import { Faults, type Operation, type Rule, whyNoFaults } from "./faults.ts";
import { finalVerdict, swept } from "./final-verdict.ts";
import { Ledger } from "./ledger.ts";
import { Random } from "../harness/random.ts";
import { Recorder } from "./recorder.ts";
import { counted, type Part, spread } from "./report.ts";
import { STAGE_PARAMETERS } from "./stage.ts";
import { Traffic } from "./traffic.ts";

/** Calls by operation and path; each fails in every process that makes it. */
export const CALLS: readonly (readonly [Operation, string])[] = [
  ["open", "incoming/.tmp.*"],
  ["write", "incoming/.tmp.*"],
  ["sync", "incoming/.tmp.*"],
  ["rename", "incoming/.tmp.*>*"],
  ["sync", "incoming"],
  ["list", "incoming"],
  ["open", "incoming/*"],
  ["write", "incoming/*"],
  ["sync", "incoming/*"],
  ["rename", "incoming/*>active/*"],
  ["open", "active/*"],
  ["read", "active/*"],
  ["write", "active/*"],
  ["sync", "active/*"],
  ["sync", "active"],
  ["list", "active"],
  ["time", "active/*"],
  ["link", "active/*>bounce/*"],
  ["rename", "active/*>*"],
  ["unlink", "active/*"],
  ["list", "free"],
  ["rename", "free/*"],
  ["truncate", "incoming/.tmp.*"],
  ["list", "deferred"],
  ["rename", "deferred/*>active/*"],
  ["list", "bounce"],
  ["open", "bounce/*"],
  ["read", "bounce/*"],
  ["write", "bounce/*"],
  ["sync", "bounce/*"],
  ["sync", "bounce"],
  ["time", "bounce/*"],
  ["rename", "*bounce/*"],
  ["unlink", "bounce/*"],
  ["list", "drop*"],
  ["open", "drop/*"],
  ["read", "drop/*"],
  ["sync", "drop/*"],
  ["rename", "drop/*"],
  ["unlink", "drop/*"],
];

export interface SpoolErrorsOptions {
  readonly seed: number;
  readonly calls?: readonly (readonly [Operation, string])[]; // default: all
  readonly failMs: number; // how long each fails
  readonly rounds: number; // of failures at random
  readonly progress: (text: string) => void;
}

const RARE_MS = 10_000; // some calls are made now and then only
const BACK_WITHIN_MS = 10_000; // after the disk is well
const DRAIN_MS = 60_000;

export async function spoolErrors({
  seed,
  calls = CALLS,
  failMs,
  rounds,
  progress,
}: SpoolErrorsOptions): Promise<Part> {
  const reason = whyNoFaults();
  if (reason) return { rows: [], violations: [], skipped: [`EIO and ENOSPC: ${reason}`] };
  const random = new Random(seed);
  const violations: string[] = [];
  const backAfterMs: number[] = [];
  using faults = new Faults();
  await using recorder = await Recorder.start();
  const parameters = { ...STAGE_PARAMETERS, relayhost: `[127.0.0.1]:${recorder.port}`, service_start_brake: "200ms" };
  await using sces = await instance(parameters, { environment: faults.environment });
  const ledger = new Ledger(join(sces.directory, "ledger"));
  const traffic = new Traffic({
    smtpPort: sces.smtpPort,
    dropDirectory: join(sces.spool, "drop"),
    ledger,
    random,
    sessions: 6,
    messagesPerSecond: 60,
  });
  let hits = 0;
  const ends = () => sces.log().filter((line) => /process sces\/\w+ pid \d+ ended/.test(line)).length;

  /** Lets these fail for a while; then mail must be accepted again without anybody's doing. */
  async function fail(name: string, ...rules: readonly Rule[]): Promise<void> {
    const before = ends();
    faults.set(...rules);
    await pause(failMs);
    const count = () => rules.reduce((sum, _, index) => sum + faults.acted(index), 0);
    await until(`a call for ${name}`, () => count() > 0, RARE_MS).catch((error) => violations.push(error.message));
    const acted = count();
    faults.set();
    hits += acted;
    const at = Date.now();
    try {
      await until("mail to be accepted", () => traffic.lastAcknowledged > at, BACK_WITHIN_MS);
      backAfterMs.push(traffic.lastAcknowledged - at);
    } catch (error) {
      violations.push(`after ${name}: ${(error as Error).message}`);
    }
    const ended = ends() - before;
    progress(`${name}: failed ${acted} times, back after ${Date.now() - at} ms, ${ended} processes ended`);
  }

  try {
    await until("the first messages", () => ledger.promised().length > 20, 30_000);
    for (const [operation, pattern] of random.shuffled(calls)) {
      for (const action of ["EIO", "ENOSPC"] as const) {
        if (action === "ENOSPC" && !mayFindNoRoom(operation)) continue;
        await fail(`${action} from ${operation} ${pattern}`, always(operation, pattern, action));
      }
    }
    const written = ["incoming", "active", "deferred", "hold", "bounce", "drop"].map((queue) => `${queue}/*`);
    await fail(
      "EROFS from all that writes",
      ...["rename", "link", "unlink", "time"].map((operation) => always(operation as Operation, "*", "EROFS")),
      ...written.map((pattern) => always("write", pattern, "EROFS")),
      always("open", "incoming/.tmp.*", "EROFS"),
    );
    const atRandom = (action: "EIO" | "short"): Rule[] =>
      calls.flatMap(([operation, pattern]): Rule[] =>
        action === "short" && operation !== "write" ? [] : [{ ...always(operation, pattern, action), odds: 12 }],
      );
    for (let round = 0; round < rounds; round++) {
      await fail("EIO at random", ...atRandom("EIO"));
      await fail("short writes at random", ...atRandom("short"));
    }
  } finally {
    faults.set();
    await traffic.stop();
  }
  for (const reply of traffic.refusals.keys()) if (!reply.startsWith("4")) violations.push(`a client heard: ${reply}`);
  recorder.isHealed = true;
  await sces.drained(DRAIN_MS).catch((error) => violations.push((error as Error).message));
  // What could not be removed then is swept once the process that made it is gone.
  await sces.stop();
  await sces.start();
  await sces.drained(DRAIN_MS).catch((error) => violations.push((error as Error).message));
  await swept(sces);
  if ((await sces.stop()) !== 0) violations.push("sces did not stop as it should");
  const verdict = finalVerdict({ ledger, recorder, spool: sces.spool, kills: [], duplicateWindowMs: 0, lateMs: 0 });
  violations.push(...verdict.violations);
  for (const [reply, count] of traffic.refusals) progress(`refused ${count} times: ${reply}`);
  sces.keep ||= violations.length > 0;
  if (sces.keep) console.log(`log, ledger and spool: ${sces.directory}`);
  const fault = "EIO, ENOSPC and short writes, each call of the spool";
  return { rows: [{ fault, hits, ...counted(verdict), bound: "none", ...spread(backAfterMs) }], violations };
}

function always(operation: Operation, pattern: string, action: Rule["action"]): Rule {
  return { who: "*", operation, pattern, action, count: 0 };
}

/** What needs room. */
function mayFindNoRoom(operation: Operation): boolean {
  return operation === "open" || operation === "write" || operation === "sync" || operation === "link";
}
