/**
 * npm run bench -- [--workload W1,W2] [--runs 5] [--systems sces,postfix] [--quick] [--set name=value] [--json FILE]
 *
 * How fast is sces, at what cost, and beside what? smtp-source sends, the system under test relays, smtp-sink takes.
 * All systems run at once and idle while another is measured; runs are interleaved, so that a noisy minute hits all
 * alike; medians are compared only within one sitting. "Other load" says how many processors somebody else kept busy
 * meanwhile: figures count only where it is near 0. Two floors say what the machine itself allows.
 *
 * Needs Debian's package postfix for the tools, and root for Postfix itself. Everything lives in temp folders and on
 * loopback. Progress goes to stderr, the table to stdout, all figures to a JSON file. Ends within eight minutes:
 * when time runs short, with fewer runs.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { openingComment } from "../test/harness/opening-comment.ts";
import { type Run, runDirect, runFiles, runSystem } from "./measure.ts";
import { startPostfix, whyNoPostfix } from "./postfix-system.ts";
import { report } from "./report.ts";
import { startSces } from "./sces-system.ts";
import { Sink } from "./smtp-tools.ts";
import type { System } from "./system.ts";
import { WARM_UP, WORKLOADS, type Workload } from "./workloads.ts";

const BUDGET_MS = 7.5 * 60_000;

const { values: flags } = parseArgs({
  options: {
    workload: { type: "string", default: WORKLOADS.map(({ name }) => name).join(",") },
    runs: { type: "string", default: "5" },
    systems: { type: "string", default: "sces,postfix" },
    quick: { type: "boolean", default: false }, // one run, a third of the messages, a short warm-up
    set: { type: "string", multiple: true, default: [] }, // a parameter of sces
    json: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

if (flags.help) {
  console.log(openingComment(import.meta.filename));
  process.exit(0);
}

const aborter = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    progress(`${signal}: cleaning up`);
    aborter.abort(new Error(signal));
  });
}

const started = performance.now();
try {
  await bench();
} catch (error) {
  if (!aborter.signal.aborted) throw error;
  process.exitCode = 130;
}

async function bench(): Promise<void> {
  const workloads = chosenWorkloads();
  const rounds = flags.quick ? 1 : Number(flags.runs);
  const runs: Run[] = [];
  await using resources = new AsyncDisposableStack();
  const sinks = new Map<System, Sink>();
  for (const name of flags.systems.split(",")) {
    const sink = resources.use(await Sink.start());
    const system = await start(name, sink.port);
    if (system) sinks.set(resources.use(system), sink);
  }
  if (sinks.size === 0) throw new Error("no system to measure");
  const floorSink = resources.use(await Sink.start());
  for (const [system, sink] of sinks) {
    progress(`${system.name} ${system.version}, CPU by ${system.cpu.method}; warm-up`);
    const { trouble } = await runSystem(system, sink, scaled(WARM_UP), aborter.signal);
    if (trouble) throw new Error(`${system.name}: warm-up: ${trouble}\n${system.logTail()}`);
  }
  let longestMs = 0;
  for (let round = 1; round <= rounds; round++) {
    const roundStart = performance.now();
    if (roundStart - started + longestMs > BUDGET_MS) {
      progress(`time is short: ${round - 1} runs instead of ${rounds}`);
      break;
    }
    for (const load of workloads) {
      for (const [system, sink] of turned([...sinks], round)) {
        runs.push(told(round, await runSystem(system, sink, load, aborter.signal)));
        if (runs.at(-1)?.trouble) progress(system.logTail());
      }
      runs.push(told(round, await runDirect(floorSink, load, aborter.signal)));
      runs.push(told(round, await runFiles(load)));
      aborter.signal.throwIfAborted();
    }
    longestMs = Math.max(longestMs, performance.now() - roundStart);
  }
  const versions = [...sinks.keys()].map(({ name, version }) => `${name} ${version}`).join("; ");
  console.log(`${machine()}; ${versions}\n\n${report(runs, workloads)}`);
  writeJson(runs, versions);
  if (runs.some(({ trouble }) => trouble)) process.exitCode = 1;
}

function chosenWorkloads(): Workload[] {
  const names = flags.workload.toUpperCase().split(",");
  const unknown = names.filter((name) => !WORKLOADS.some((load) => load.name === name));
  if (unknown.length > 0) throw new Error(`unknown workload ${unknown.join(", ")}`);
  return WORKLOADS.filter(({ name }) => names.includes(name)).map(scaled);
}

function scaled(load: Workload): Workload {
  return flags.quick ? { ...load, messages: Math.ceil(load.messages / 3) } : load;
}

async function start(name: string, sinkPort: number): Promise<System | undefined> {
  if (name === "sces") {
    const parameters = Object.fromEntries(flags.set.map((pair) => pair.split(/=(.*)/s, 2) as [string, string]));
    return startSces(sinkPort, { parameters });
  }
  if (name !== "postfix") throw new Error(`unknown system ${name}`);
  const reason = whyNoPostfix();
  if (reason) progress(`without Postfix: ${reason}`);
  return reason ? undefined : startPostfix(sinkPort);
}

/** Each round begins with another system, so that none always follows the same neighbour. */
function turned<T>(list: T[], by: number): T[] {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

function told(round: number, run: Run): Run {
  const figures = run.trouble ?? `${run.accepted?.toFixed(0)} accepted/s, ${run.delivered?.toFixed(0)} delivered/s`;
  progress(`round ${round} ${run.workload} ${run.system}: ${figures}`);
  return run;
}

function machine(): string {
  return `${cpus().length} x ${cpus()[0]?.model.trim() ?? "CPU"}, Linux ${release()}`;
}

function writeJson(runs: readonly Run[], versions: string): void {
  const when = new Date().toISOString();
  const path = flags.json ?? join(import.meta.dirname, "results", `${when.replaceAll(":", "")}.json`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(
    path,
    `${JSON.stringify({ when, machine: machine(), versions, set: flags.set, runs }, undefined, 1)}\n`,
  );
  progress(`all figures: ${path}`);
}

function progress(text: string): void {
  process.stderr.write(`[${((performance.now() - started) / 1000).toFixed(0).padStart(3)} s] ${text}\n`);
}
