/**
 * npm run bench -- [--workload W1,W2] [--runs 5] [--systems sces,postfix,haraka,exim] [--quick] [--no-latency]
 *                  [--set name=value] [--json FILE]
 *
 * How fast is sces, at what cost, and beside what? smtp-source sends, the system under test relays, smtp-sink takes.
 * All systems run at once and idle while another is measured; runs are interleaved, each round beginning with another
 * system, so that a noisy minute hits all alike; figures are compared only within one sitting. "Other load" says how
 * many processors somebody else kept busy meanwhile: figures count only where it is near 0. Two floors say what the
 * machine itself allows. At last, one message at a time: how long it takes.
 *
 * Needs Debian's package postfix for the tools, and root for Postfix itself and for Exim, which is unpacked beside the
 * machine; Haraka comes by npm. What cannot be had is left out, and said. Haraka and Exim are slow: they get fewer
 * messages and at most three runs. Everything lives in temp folders and on loopback. Progress goes to stderr, the
 * table to stdout, all figures to a JSON file. Ends within eight minutes: when time runs short, with fewer runs.
 */
import { parseArgs } from "node:util";
import { openingComment } from "../test/harness/opening-comment.ts";
import { interruption } from "./interrupt.ts";
import { latencies } from "./latency.ts";
import { type Run, runDirect, runFiles, runSystem } from "./measure.ts";
import { report } from "./report.ts";
import { circumstances, machine, progress, resultsPath, writeResults } from "./results.ts";
import { Sink } from "./smtp-tools.ts";
import { type Candidate, CANDIDATES } from "./systems.ts";
import type { System } from "./system.ts";
import { verdicts } from "./targets.ts";
import { WARM_UP, WORKLOADS, type Workload } from "./workloads.ts";

const BUDGET_MS = 7.5 * 60_000;
const LATENCY_MS = 40_000; // what the last part may take
/** Whose single messages are timed. */
const TIMED = ["sces", "postfix"];

const { values: flags } = parseArgs({
  options: {
    workload: { type: "string", default: WORKLOADS.map(({ name }) => name).join(",") },
    runs: { type: "string", default: "5" },
    systems: { type: "string", default: Object.keys(CANDIDATES).join(",") },
    quick: { type: "boolean", default: false }, // one run, a third of the messages and of the warm-up
    "no-latency": { type: "boolean", default: false },
    set: { type: "string", multiple: true, default: [] }, // a parameter of sces
    json: { type: "string", default: resultsPath("bench") },
    help: { type: "boolean", default: false },
  },
});

if (flags.help) {
  console.log(openingComment(import.meta.filename));
  process.exit(0);
}

const aborter = interruption();

try {
  await bench();
} catch (error) {
  if (!aborter.signal.aborted) throw error;
  process.exitCode = 130;
}

interface Contender {
  readonly mostRuns: number;
  run(load: Workload): Promise<Run>;
}

async function bench(): Promise<void> {
  const workloads = chosenWorkloads();
  await using resources = new AsyncDisposableStack();
  const sinks = new Map<System, Sink>();
  const contenders: Contender[] = [];
  for (const name of flags.systems.split(",")) {
    const candidate = CANDIDATES[name];
    if (candidate === undefined) throw new Error(`unknown system ${name}`);
    const sink = resources.use(await Sink.start());
    const system = await start(name, candidate, sink.port);
    if (system === undefined) continue;
    resources.use(system);
    sinks.set(system, sink);
    await warmUp(system, sink, candidate);
    contenders.push({
      mostRuns: candidate.mostRuns,
      run: (load) => runSystem(system, sink, scaled(load, candidate.share), aborter.signal),
    });
  }
  if (sinks.size === 0) throw new Error("no system to measure");
  const floorSink = resources.use(await Sink.start());
  contenders.push({
    mostRuns: Number.POSITIVE_INFINITY,
    run: (load) => runDirect(floorSink, load, aborter.signal),
  });
  contenders.push({ mostRuns: Number.POSITIVE_INFINITY, run: runFiles });

  const runs = await allRounds(contenders, workloads);
  const timed = new Map([...sinks].filter(([{ name }]) => TIMED.includes(name)));
  if (!flags["no-latency"]) progress("latency");
  const times = flags["no-latency"] ? [] : await latencies(timed, aborter.signal);
  const versions = [...sinks.keys()].map(({ name, version }) => `${name} ${version}`).join("; ");
  console.log(`${machine()}; ${versions}\n\n${report(runs, workloads, times, verdicts(runs, times))}`);
  writeResults(flags.json, { ...circumstances(versions), set: flags.set, runs, latencies: times });
  if (runs.some(({ trouble }) => trouble)) process.exitCode = 1;
}

async function start(name: string, candidate: Candidate, sinkPort: number): Promise<System | undefined> {
  const reason = candidate.whyNot();
  if (reason !== undefined) {
    progress(`without ${name}: ${reason}`);
    return undefined;
  }
  const parameters = Object.fromEntries(flags.set.map((pair) => pair.split(/=(.*)/s, 2) as [string, string]));
  try {
    return await candidate.start(sinkPort, name === "sces" ? parameters : {});
  } catch (error) {
    if (name === "sces") throw error;
    progress(`without ${name}: it does not start: ${(error as Error).message}`);
    return undefined;
  }
}

async function warmUp(system: System, sink: Sink, { warmUpMessages }: Candidate): Promise<void> {
  progress(`${system.name} ${system.version}, CPU by ${system.cpu.method}; warm-up`);
  const load = scaled({ ...WARM_UP, messages: warmUpMessages }, flags.quick ? 1 / 3 : 1);
  const { trouble } = await runSystem(system, sink, load, aborter.signal);
  if (trouble) throw new Error(`${system.name}: warm-up: ${trouble}\n${system.logTail()}`);
}

async function allRounds(contenders: readonly Contender[], workloads: readonly Workload[]): Promise<Run[]> {
  const runs: Run[] = [];
  const rounds = flags.quick ? 1 : Number(flags.runs);
  const budgetMs = BUDGET_MS - (flags["no-latency"] ? 0 : LATENCY_MS);
  let longestMs = 0;
  for (let round = 1; round <= rounds; round++) {
    const roundStart = performance.now();
    if (roundStart + longestMs > budgetMs) {
      progress(`time is short: ${round - 1} runs instead of ${rounds}`);
      break;
    }
    for (const load of workloads) {
      for (const { mostRuns, run } of turned(contenders, round)) {
        if (round <= mostRuns) runs.push(told({ ...(await run(load)), round }));
        aborter.signal.throwIfAborted();
      }
    }
    longestMs = Math.max(longestMs, performance.now() - roundStart);
  }
  return runs;
}

function chosenWorkloads(): Workload[] {
  const names = flags.workload.toUpperCase().split(",");
  const unknown = names.filter((name) => !WORKLOADS.some((load) => load.name === name));
  if (unknown.length > 0) throw new Error(`unknown workload ${unknown.join(", ")}`);
  return WORKLOADS.filter(({ name }) => names.includes(name)).map((load) => scaled(load, flags.quick ? 1 / 3 : 1));
}

function scaled(load: Workload, share: number): Workload {
  return { ...load, messages: Math.ceil(load.messages * share) };
}

/** Each round begins with another, so that none always follows the same neighbour. */
function turned<T>(list: readonly T[], by: number): T[] {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

function told(run: Run): Run {
  const figures = run.trouble ?? `${run.accepted?.toFixed(0)} accepted/s, ${run.delivered?.toFixed(0)} delivered/s`;
  progress(`round ${run.round} ${run.workload} ${run.system}: ${figures}`);
  return run;
}
