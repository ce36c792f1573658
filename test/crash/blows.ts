/** What a siege strikes with: kill -9, SIGSTOP, several at once, a restart, a destination that resets or stalls. */
import { processTable } from "../harness/process-table.ts";
import type { Instance } from "../harness/instance.ts";
import { pause, until } from "../harness/until.ts";
import type { Administrator } from "./administrator.ts";
import type { Ledger } from "./ledger.ts";
import type { Recorder } from "./recorder.ts";
import type { Traffic } from "./traffic.ts";
import type { Kill } from "./verdict.ts";

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

export type Blow =
  | { readonly how: "kill"; readonly name: string }
  | { readonly how: "stop"; readonly name: string } // SIGSTOP: master notices and kills; master itself goes on later
  | { readonly how: "pair"; readonly name: string; readonly other: string } // both at once
  | { readonly how: "orphan"; readonly name: string } // stopped, and then master is killed: it cannot end by itself
  | { readonly how: "restart"; readonly name: "all" } // as an administrator does it, under load
  | { readonly how: "reset"; readonly name: "destination" } // every connection to it, at once
  | { readonly how: "stall"; readonly name: "destination" }; // it reads nothing for a while

export interface Struck extends Kill {
  readonly label: string;
  readonly blow: string; // how and whom
  readonly inFlight: number; // recipients in conversations past DATA at that moment, as the destination sees them
  readonly restartMs: number; // until the process was there again
  readonly serviceMs: number; // until the next message was acknowledged
}

export interface Field {
  readonly sces: Instance;
  readonly ledger: Ledger;
  readonly recorder: Recorder;
  readonly traffic: Traffic;
  readonly administrator: Administrator;
  readonly daemonTimeoutMs: number;
  readonly violations: string[];
}

const RETURN_WITHIN_MS = 90_000; // a killed process must be back, brake included
const APPEARS_WITHIN_MS = 30_000;
const STALL_MS = 2_000;

export function wordsOf(blow: Blow): string {
  if (blow.how === "pair") return `kill ${blow.name} and ${blow.other}`;
  return blow.how === "orphan" ? `kill master, ${blow.name} stopped` : `${blow.how} ${blow.name}`;
}

/** The row of the table that counts it. */
function labelOf({ how, name }: Blow): string {
  switch (how) {
    case "kill":
      return `kill -9 of ${name}`;
    case "stop":
      return name === "master" ? "SIGSTOP of master, then SIGCONT" : "SIGSTOP of a process, which master notices";
    case "pair":
      return "kill -9 of two processes at once";
    case "orphan":
      return "kill -9 of master while a child is stopped";
    case "restart":
      return "stop and start";
    case "reset":
      return "the destination resets every connection";
    case "stall":
      return "the destination reads nothing for a while";
  }
}

/** Undefined if there was nobody to strike. Throws when what was struck does not come back. */
export async function strike(field: Field, blow: Blow): Promise<Struck | undefined> {
  const { administrator, ledger, recorder, traffic, violations } = field;
  const stopsAll = blow.name === "master" || blow.how === "orphan" || blow.how === "restart";
  if (stopsAll) await administrator.pause();
  try {
    if (!(await isThere(field, blow))) return undefined;
    const inFlight = recorder.inFlight();
    const at = Date.now();
    ledger.note("blow", { blow: wordsOf(blow), inFlight });
    const doneAt = await carryOut(field, blow);
    const restartMs = Date.now() - at;
    try {
      await until("the next promise", () => traffic.lastAcknowledged > at + restartMs, RETURN_WITHIN_MS);
    } catch (error) {
      violations.push(`after ${wordsOf(blow)}: ${(error as Error).message}`);
    }
    const name = blow.how === "orphan" ? "master" : blow.how === "pair" ? "pair" : blow.name;
    const label = labelOf(blow);
    return {
      blow: wordsOf(blow),
      label,
      name,
      at,
      doneAt,
      inFlight,
      restartMs,
      serviceMs: traffic.lastAcknowledged - at,
    };
  } catch (error) {
    violations.push(`after ${wordsOf(blow)}: ${(error as Error).message.slice(0, 3000)}`);
    throw new Error(violations.join("\n"));
  } finally {
    administrator.resume();
  }
}

/** Those that run by need are there once there is something for them, which the traffic provides. */
async function isThere({ sces, violations }: Field, blow: Blow): Promise<boolean> {
  if (blow.name === "destination" || blow.name === "all") return true;
  try {
    for (const name of blow.how === "pair" ? [blow.name, blow.other] : [blow.name])
      await sces.waitForProcess(name, [], APPEARS_WITHIN_MS);
    return true;
  } catch {
    violations.push(`there is no process sces/${blow.name} to strike`);
    return false;
  }
}

/** Strikes, and waits until all is there again. Returns when the blow was over, ms since 1970. */
async function carryOut(field: Field, blow: Blow): Promise<number> {
  const { sces, recorder } = field;
  switch (blow.how) {
    case "kill":
      return killAndWait(field, [blow.name]);
    case "pair":
      return killAndWait(field, [blow.name, blow.other]);
    case "orphan":
      sces.kill(blow.name, "SIGSTOP");
      return killAndWait(field, ["master"]);
    case "stop":
      return blow.name === "master" ? stopMaster(field) : stopAndWait(field, blow.name);
    case "restart": {
      await sces.stop();
      const doneAt = Date.now();
      await sces.start();
      return doneAt;
    }
    case "reset":
      recorder.reset();
      return Date.now();
    case "stall":
      recorder.isStalled = true;
      await pause(STALL_MS);
      recorder.isStalled = false;
      return Date.now();
  }
}

async function killAndWait({ sces, violations }: Field, names: readonly string[]): Promise<number> {
  const killed = names.map((name) => [name, sces.killOne(name)?.all ?? []] as const);
  const doneAt = Date.now();
  if (names.includes("master")) await startAgain(sces, violations);
  for (const [name, all] of killed) await sces.waitForProcess(name, all, RETURN_WITHIN_MS);
  return doneAt;
}

/** The watchdog must notice, kill and start anew. */
async function stopAndWait({ sces }: Field, name: string): Promise<number> {
  const stopped = sces.kill(name, "SIGSTOP");
  await sces.waitForProcess(name, stopped, RETURN_WITHIN_MS);
  return Date.now();
}

/** Nobody watches master. Mail goes on without it, and when it wakes up it blames nobody for its sleep. */
async function stopMaster({ sces, daemonTimeoutMs, traffic, violations }: Field): Promise<number> {
  const before = sces.pids().map(({ pid }) => pid);
  const at = Date.now();
  sces.kill("master", "SIGSTOP");
  await pause(daemonTimeoutMs * 1.5);
  if (traffic.lastAcknowledged < at + daemonTimeoutMs / 2)
    violations.push("no mail was taken while master was stopped");
  sces.kill("master", "SIGCONT");
  await pause(daemonTimeoutMs / 2);
  const alive = new Set(processTable().flatMap(({ pid, state }) => (state === "Z" ? [] : [pid])));
  const gone = before.filter((pid) => !alive.has(pid));
  if (gone.length > 0) violations.push(`${gone.length} processes ended for a sleep of master`);
  return Date.now();
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
