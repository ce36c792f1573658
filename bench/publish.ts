/**
 * npm run bench:publish [-- --measure]
 *
 * Writes the figures that were measured here last (bench/results/*.json) into docs/performance.md, between its markers,
 * and draws docs/images/path-cost.svg. What was not measured here stays as it is. Of several sittings of `npm run bench`
 * (--json bench/results/bench-NAME.json) each workload comes from the newest that has it. --measure: measures all of it
 * first, which takes about twenty minutes of a machine that has nothing else to do.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { goodRuns, ratios } from "./comparison.ts";
import type { Latency } from "./latency.ts";
import type { Run } from "./measure.ts";
import { type PathCost, sum } from "./path-cost.ts";
import { pathPicture } from "./path-picture.ts";
import { STEPS } from "./path-steps.ts";
import { type Circumstances, progress, readResults } from "./results.ts";
import { median, quantile, spread } from "./statistics.ts";
import { type Verdict, verdicts } from "./targets.ts";
import { WORKLOADS } from "./workloads.ts";

const DOCS = join(import.meta.dirname, "../docs");
const SYSTEMS = ["sces", "postfix", "haraka", "exim"];
const TITLES: Readonly<Record<string, string>> = { postfix: "Postfix", haraka: "Haraka", exim: "Exim" };
const MEASURING = ["bench.ts", "drain.ts", "queue.ts", "memory.ts", "profile.ts"];
const FLOORS = ["source to sink", "file work"];

type Bench = Circumstances & { readonly runs: readonly Run[]; readonly latencies: readonly Latency[] };
interface Drains {
  readonly messages: number;
  readonly drains: readonly { system: string; rate: number; seconds: number; firstSeconds: number; cpu: number }[];
}
interface Memory {
  readonly messages: number;
  readonly delivered: number;
  readonly rows: readonly { name: string; start: number; middle: number; end: number }[];
  readonly peakMb: number;
}
interface Queue {
  readonly disk: string;
  readonly figures: readonly {
    readonly size: number;
    readonly listSeconds: number;
    readonly summarySeconds: number;
    readonly startSeconds: number;
    readonly deferMegabytes: number;
    readonly cost: readonly number[];
    readonly scanSeconds: number;
  }[];
}
/** What a measuring program says of its own targets. */
interface WithVerdicts {
  readonly verdicts: readonly Verdict[];
}

const { values: flags } = parseArgs({ options: { measure: { type: "boolean", default: false } } });
if (flags.measure) {
  for (const program of MEASURING) {
    progress(program);
    const path = join(import.meta.dirname, program);
    const { signal, status } = spawnSync(process.execPath, [path], { stdio: ["ignore", "ignore", "inherit"] });
    if (signal) throw new Error(`${program}: ${signal}`);
    if (status !== 0) progress(`${program}: exit status ${status}: it failed, or missed a target`);
  }
}

let page = readFileSync(join(DOCS, "performance.md"), "utf8");
const benches = readBenches();
const runs = WORKLOADS.flatMap(({ name }) => {
  const newest = benches.find(({ runs }) => runs.some(({ workload }) => workload === name));
  return newest?.runs.filter(({ workload }) => workload === name) ?? [];
});
const timed = benches.find(({ latencies }) => latencies.length > 0);
const drain = readResults<Drains & WithVerdicts>("drain");
const memory = readResults<Memory & WithVerdicts>("memory");
const queue = readResults<Queue & WithVerdicts>("queue");
const path = readResults<{ readonly costs: readonly PathCost[] }>("path");

fill("targets", targetsTable());
fill("workloads", workloadTables());
fill("latency", timed && latencyTable(timed));
fill("drain", drain && drainTable(drain));
fill("queue", queue && queueTable(queue));
fill("memory", memory && memoryTable(memory));
fill("path", path && pathTables(path));
writeFileSync(join(DOCS, "performance.md"), page);
if (path) {
  mkdirSync(join(DOCS, "images"), { recursive: true });
  writeFileSync(join(DOCS, "images/path-cost.svg"), pathPicture(path.costs));
}

/** Newest first. */
function readBenches(): Bench[] {
  const folder = join(import.meta.dirname, "results");
  const names = readdirSync(folder).filter((name) => /^bench.*\.json$/.test(name));
  const all = names.flatMap((name) => readResults<Bench>(name.replace(/\.json$/, "")) ?? []);
  return all.sort((a, b) => b.when.localeCompare(a.when));
}

/** Between `<!-- NAME -->` and `<!-- /NAME -->`. */
function fill(name: string, text: string | undefined): void {
  if (text === undefined || text === "") {
    progress(`${name}: not measured here, left as it is`);
    return;
  }
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/performance.md has no place for ${name}`);
  page = `${page.slice(0, from + begin.length)}\n\n${text.trim()}\n\n${page.slice(to)}`;
}

function targetsTable(): string {
  const all = [
    ...(runs.length > 0 ? verdicts(runs, timed?.latencies ?? []) : []),
    ...[drain, queue, memory].flatMap((results) => results?.verdicts ?? []),
  ];
  if (all.length === 0) return "";
  const rows = all.map(({ what, target, measured, isMet }) => [what, target, measured, isMet ? "met" : "**missed**"]);
  return markdown(["target", "wanted", "measured: median (range)", ""], rows);
}

function workloadTables(): string {
  const blocks = WORKLOADS.flatMap(({ name, title }) => {
    const of = [...SYSTEMS, ...FLOORS].filter((system) => goodRuns(runs, system, name).length > 0);
    if (of.length === 0) return [];
    const rows = of.map((system) => {
      const good = goodRuns(runs, system, name);
      const cell = (value: (run: Run) => number | undefined, digits: number): string =>
        spread(
          good.flatMap((run) => value(run) ?? []),
          digits,
        );
      const ratio = median(ratios(runs, name, ["sces", system], (run) => run.delivered));
      return [
        titleOf(system),
        cell((run) => run.accepted, 0),
        cell((run) => run.delivered, 0),
        system === "sces" || ratio === undefined ? "" : `x ${ratio.toFixed(2)}`,
        cell((run) => run.cpu, 2),
        cell((run) => run.peakBytes && run.peakBytes / 1e6, 0),
        `${good.length} x ${good[0]?.messages}`,
      ];
    });
    const head = ["", "accepted/s", "delivered/s", "sces delivers", "CPU s per 1,000", "peak PSS, MB", "runs"];
    const newest = benches.find((bench) => bench.runs.some(({ workload }) => workload === name));
    return [`**${name}**: ${title}. ${newest && when(newest)}\n\n${markdown(head, rows)}`];
  });
  return blocks.join("\n\n");
}

function latencyTable(bench: Bench): string {
  const rows = bench.latencies.map(({ system, timesMs }) => [
    titleOf(system),
    ...[0.5, 0.9, 0.99, 1].map((share) => quantile(timesMs, share)?.toFixed(1) ?? "-"),
    String(timesMs.length),
  ]);
  return `${when(bench)}\n\n${markdown(["", "median, ms", "p90", "p99", "longest", "messages"], rows)}`;
}

function drainTable(results: Circumstances & Drains): string {
  const rows = SYSTEMS.flatMap((system) => {
    const of = results.drains.filter((one) => one.system === system);
    if (of.length === 0) return [];
    const cell = (value: (one: (typeof of)[number]) => number, digits: number): string => spread(of.map(value), digits);
    const [rate, seconds] = [cell((one) => one.rate, 0), cell((one) => one.seconds, 1)];
    const [first, cpu] = [cell((one) => one.firstSeconds, 2), cell((one) => one.cpu, 2)];
    return [[titleOf(system), rate, seconds, first, cpu, String(of.length)]];
  });
  const head = ["", "drained/s", "seconds", "first after, s", "CPU s per 1,000", "runs"];
  return `${when(results)} ${results.messages} messages.\n\n${markdown(head, rows)}`;
}

function queueTable(results: Circumstances & Queue): string {
  const rows = results.figures.map((one) => [
    String(one.size),
    ...[one.listSeconds, one.summarySeconds, one.startSeconds].map((seconds) => seconds.toFixed(2)),
    one.deferMegabytes.toFixed(0),
    spread(one.cost, 2),
    one.scanSeconds.toFixed(1),
  ]);
  const times = ["list, first line, s", "summary, s", "start to first 250, s"];
  const head = ["deferred", ...times, "defer, MB", "CPU s per 1,000 new messages", "a scan, s"];
  return `${when(results)} The spool is on ${results.disk}.\n\n${markdown(head, rows)}`;
}

function memoryTable(results: Circumstances & Memory): string {
  const rows = results.rows.map(({ name, start, middle, end }) => [
    name,
    ...[start, middle, end].map((mb) => mb.toFixed(1)),
  ]);
  const about = `${results.messages} messages, ${results.delivered.toFixed(0)}/s; peak ${results.peakMb.toFixed(0)} MB.`;
  return `${when(results)} ${about}\n\n${markdown(["PSS, MB", "start", "middle", "end"], rows)}`;
}

function pathTables(results: Circumstances & { readonly costs: readonly PathCost[] }): string {
  const blocks = results.costs.map(({ workload, title, processes, fileWorkUs }) => {
    const show = (value: number | undefined): string => (value ? value.toFixed(0) : "");
    const rows = STEPS.flatMap((step) => {
      const values = processes.map(({ us }) => us[step] ?? 0);
      return sum(values) < 0.5 ? [] : [[step, ...values.map(show), show(sum(values))]];
    });
    const totals = processes.map(({ us }) => sum(Object.values(us)));
    const calls = processes.map(({ systemCalls }) => sum(Object.values(systemCalls)));
    rows.push(["**all**", ...totals.map(show), show(sum(totals))]);
    rows.push(["system calls", ...calls.map((count) => count.toFixed(1)), sum(calls).toFixed(1)]);
    const head = ["µs of CPU a message", ...processes.map(({ name }) => name), "all"];
    return `**${workload}**: ${title}. The bare file work: ${show(fileWorkUs)} µs.\n\n${markdown(head, rows)}`;
  });
  const picture = "![CPU that one message costs, by process and step](images/path-cost.svg)";
  return `${picture}\n\n${when(results)}\n\n${blocks.join("\n\n")}`;
}

function titleOf(system: string): string {
  return TITLES[system] ?? system;
}

function when({ when: time, machine, versions }: Circumstances): string {
  return `Measured on ${time.slice(0, 10)}: ${machine}; ${versions}.`;
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map((_, column) => (column === 0 ? "---" : "---:")), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
