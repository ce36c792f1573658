/**
 * npm run profile -- [--workload W1,W2] [--messages 10000] [--top 12] [--out FOLDER] [--set name=value] [--json FILE]
 *
 * What the path of a message costs, process by process and step by step, and the functions in which each process spent
 * its time. Three runs for each workload, warmed up: one without any instrument gives the CPU time of each thread, a
 * short one under strace the system calls (left out where strace is missing), and one with V8's profiler says how the
 * main thread's time divides. Leaves .cpuprofile files, for the Performance panel of Chrome's developer tools, in
 * bench/profiles. Needs Debian's package postfix for smtp-source and smtp-sink. Takes about a minute a workload.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../test/harness/instance.ts";
import { openingComment } from "../test/harness/opening-comment.ts";
import { processTitle } from "../test/harness/process-table.ts";
import { type ProfileSummary, summarize } from "./cpu-profile.ts";
import { interruption } from "./interrupt.ts";
import { runFiles, runSystem } from "./measure.ts";
import { PATH, type PathCost, pathTable, type ProcessCost } from "./path-cost.ts";
import { type Step, stepOfThread } from "./path-steps.ts";
import { circumstances, progress, resultsPath, writeResults } from "./results.ts";
import { startSces } from "./sces-system.ts";
import { Sink } from "./smtp-tools.ts";
import type { System } from "./system.ts";
import { canCountSystemCalls, countSystemCalls } from "./system-calls.ts";
import { threadTimes } from "./thread-times.ts";
import { WARM_UP, WORKLOADS, type Workload } from "./workloads.ts";

const TRACED_MESSAGES = 1000;
const MAIN = "main"; // instead of the name of the main thread, which is the title of its process
/** Below this share of the whole path a process is not part of it: master, defer. */
const LEAST_SHARE = 0.005;

const { values: flags } = parseArgs({
  options: {
    workload: { type: "string", default: "W1,W2" },
    messages: { type: "string", default: "10000" }, // many, so that start and warm-up weigh little
    top: { type: "string", default: "12" },
    out: { type: "string", default: join(import.meta.dirname, "profiles") },
    set: { type: "string", multiple: true, default: [] },
    json: { type: "string", default: resultsPath("path") },
    help: { type: "boolean", default: false },
  },
});
if (flags.help) {
  console.log(openingComment(import.meta.filename));
  process.exit(0);
}
const parameters = Object.fromEntries(flags.set.map((pair) => pair.split(/=(.*)/s, 2) as [string, string]));

const aborter = interruption();

const costs: PathCost[] = [];
let version = "";
for (const name of flags.workload.toUpperCase().split(",")) {
  const found = WORKLOADS.find((workload) => workload.name === name);
  if (!found) throw new Error(`unknown workload ${name}`);
  const load = { ...found, messages: Number(flags.messages) };
  progress(`${name}: plain, and under strace`);
  const plain = await plainRun(load);
  progress(`${name}: with the profiler`);
  const profiles = await profiledRun(load);
  const cost = await pathCost(load, plain, profiles);
  costs.push(cost);
  console.log(`${load.name}: ${load.title}; ${load.messages} messages\n\n${pathTable(cost)}\n`);
  for (const one of profiles) printProfile(one);
}
console.log(`profiles: ${resolve(flags.out)}`);
writeResults(flags.json, { ...circumstances(`sces ${version}`), set: flags.set, costs });

interface Plain {
  readonly usByThread: ReadonlyMap<string, ReadonlyMap<string, number>>; // a message; by process, by thread name
  readonly systemCalls: ReadonlyMap<string, ReadonlyMap<string, number>>; // a message; by process, by call
}

/** CPU by thread without an instrument, then system calls. */
async function plainRun(load: Workload): Promise<Plain> {
  await using sink = await Sink.start();
  await using sces = await startSces(sink.port, { parameters });
  version = sces.version;
  const run = async (messages: Workload) => {
    const { trouble } = await runSystem(sces, sink, messages, aborter.signal);
    if (trouble) throw new Error(`${trouble}\n${sces.logTail()}`);
  };
  await run(WARM_UP);
  const names = processNames(sces);
  const before = threadTimes([...names.keys()]);
  await run(load);
  const usByThread = new Map<string, Map<string, number>>();
  for (const [id, { pid, name, isMain, ms }] of threadTimes([...names.keys()])) {
    const us = ((ms - (before.get(id)?.ms ?? 0)) * 1000) / load.messages;
    add(usByThread, names.get(pid) ?? "", isMain ? MAIN : name, us);
  }
  const systemCalls = new Map<string, Map<string, number>>();
  if (canCountSystemCalls()) {
    const counted = await countSystemCalls([...names.keys()], () => run({ ...load, messages: TRACED_MESSAGES }));
    for (const [pid, counts] of counted) {
      for (const [call, count] of counts) add(systemCalls, names.get(pid) ?? "", call, count / TRACED_MESSAGES);
    }
  }
  return { usByThread, systemCalls };
}

interface Profile {
  readonly name: string; // of the process
  readonly pid: number;
  readonly summary: ProfileSummary | undefined; // undefined if it did not end by itself
}

async function profiledRun(load: Workload): Promise<Profile[]> {
  const folder = join(resolve(flags.out), load.name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  let names: ReadonlyMap<number, string>;
  {
    await using sink = await Sink.start();
    await using sces = await startSces(sink.port, {
      environment: { NODE_OPTIONS: `--cpu-prof --cpu-prof-interval=500 --cpu-prof-dir=${folder}` },
      parameters,
    });
    const run = await runSystem(sces, sink, load, aborter.signal);
    if (run.trouble) throw new Error(`${run.trouble}\n${sces.logTail()}`);
    names = processNames(sces);
  } // profiles are written as the processes end
  const files = new Map(readdirSync(folder).map((file) => [Number(file.split(".")[3]), file]));
  const profiles = [...names].map(([pid, name]) => {
    const file = files.get(pid);
    if (file === undefined) return { name, pid, summary: undefined };
    const path = join(folder, `${name}.${pid}.cpuprofile`);
    renameSync(join(folder, file), path);
    return { name, pid, summary: summarize(readFileSync(path, "utf8"), ROOT) };
  });
  return profiles.sort((a, b) => (b.summary?.busyMs ?? 0) - (a.summary?.busyMs ?? 0));
}

function processNames(system: System): Map<number, string> {
  return new Map(system.cpu.pids().map((pid) => [pid, processTitle(pid).replace(/^sces\//, "")]));
}

/** Each thread's time is a step; the main thread's is divided as the profile says. */
async function pathCost(load: Workload, plain: Plain, profiles: readonly Profile[]): Promise<PathCost> {
  const all = [...plain.usByThread].map(([name, threads]): ProcessCost & { total: number } => {
    const us: Partial<Record<Step, number>> = {};
    let total = 0;
    for (const [thread, threadUs] of threads) {
      total += threadUs;
      const shares = thread === MAIN ? mainThreadShares(name, profiles) : new Map([[stepOfThread(thread), 1]]);
      for (const [of, share] of shares) us[of] = (us[of] ?? 0) + threadUs * share;
    }
    return { name, us, systemCalls: Object.fromEntries(plain.systemCalls.get(name) ?? []), total };
  });
  const whole = all.reduce((sum, { total }) => sum + total, 0);
  const place = (name: string): number => (PATH.includes(name) ? PATH.indexOf(name) : PATH.length);
  const processes = all
    .filter(({ total }) => total >= whole * LEAST_SHARE)
    .sort((a, b) => place(a.name) - place(b.name))
    .map(({ name, us, systemCalls }) => ({ name, us, systemCalls }));
  const floor = await runFiles({ ...load, messages: 4000 });
  const fileWorkUs = (floor.cpu ?? 0) * 1000;
  return { workload: load.name, title: load.title, messages: load.messages, fileWorkUs, processes };
}

/** The profile includes the start and the warm-up, for it cannot begin later: their share is small. */
function mainThreadShares(name: string, profiles: readonly Profile[]): Map<Step, number> {
  const sums = new Map<Step, number>();
  let whole = 0;
  for (const { summary } of profiles.filter((profile) => profile.name === name)) {
    for (const [step, ms] of summary?.steps ?? []) {
      sums.set(step, (sums.get(step) ?? 0) + ms);
      whole += ms;
    }
  }
  return new Map([...sums].map(([step, ms]) => [step, ms / whole]));
}

function printProfile({ name, pid, summary }: Profile): void {
  if (summary === undefined) {
    console.log(`no profile of ${name}[${pid}]: it did not end by itself`);
    return;
  }
  const { busyMs, idleMs, functions, places } = summary;
  const share = (ms: number): string => `${((100 * ms) / busyMs).toFixed(1).padStart(5)} %`;
  console.log(`${name}[${pid}]: busy ${busyMs.toFixed(0)} ms, idle ${idleMs.toFixed(0)} ms`);
  for (const { name, place, selfMs } of functions.slice(0, Number(flags.top))) {
    console.log(`  ${share(selfMs)}  ${name}  ${place}`);
  }
  const files = places.slice(0, 8).map(({ name, selfMs }) => `${name}${share(selfMs)}`);
  console.log(`  by file: ${files.join(", ")}\n`);
}

function add(sums: Map<string, Map<string, number>>, process: string, key: string, value: number): void {
  const of = sums.get(process) ?? new Map<string, number>();
  of.set(key, (of.get(key) ?? 0) + value);
  sums.set(process, of);
}
