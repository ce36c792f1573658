/** Medians, ranges and ratios of many runs, as tables for people. */
import { type Figure, goodRuns, ratios } from "./comparison.ts";
import type { Latency } from "./latency.ts";
import type { Run } from "./measure.ts";
import { median, quantile, spread } from "./statistics.ts";
import { table } from "./table.ts";
import type { Verdict } from "./targets.ts";
import type { Workload } from "./workloads.ts";

/** From the top of a table. */
const ORDER = ["sces", "postfix", "haraka", "exim", "source to sink", "file work"];
const PAIRS = [
  ["sces", "postfix"],
  ["sces", "file work"],
] as const;

interface Column {
  readonly title: string;
  readonly digits: number;
  readonly value: Figure;
}

const COLUMNS: readonly Column[] = [
  { title: "accepted/s", digits: 0, value: (run) => run.accepted },
  { title: "delivered/s", digits: 0, value: (run) => run.delivered },
  { title: "CPU s/1000", digits: 2, value: (run) => run.cpu },
  { title: "peak PSS MB", digits: 0, value: (run) => run.peakBytes && run.peakBytes / 1e6 },
  { title: "other load", digits: 1, value: (run) => run.otherLoad },
];

/** A block for each workload, then latencies, targets, and what went wrong. */
export function report(
  runs: readonly Run[],
  workloads: readonly Workload[],
  latencies: readonly Latency[],
  verdicts: readonly Verdict[],
): string {
  const blocks = workloads.map((load) => block(load, runs));
  return [...blocks, latencyBlock(latencies), verdictBlock(verdicts), troubles(runs)].filter(Boolean).join("\n\n");
}

/** A row a system with medians and ranges, then ratios (medians of those of the rounds). */
function block(load: Workload, runs: readonly Run[]): string {
  const names = ORDER.filter((name) => goodRuns(runs, name, load.name).length > 0);
  if (names.length === 0) return "";
  const rows: string[][] = [["", ...COLUMNS.map(({ title }) => title), "runs", "messages"]];
  for (const name of names) {
    const good = goodRuns(runs, name, load.name);
    const cells = COLUMNS.map(({ value, digits }) => spread(figures(value, good), digits));
    rows.push([name, ...cells, String(good.length), String(good[0]?.messages)]);
  }
  for (const pair of PAIRS) {
    if (!pair.every((name) => names.includes(name))) continue;
    const cells = COLUMNS.slice(0, -1).map(({ value }) => {
      const middle = median(ratios(runs, load.name, pair, value));
      return middle === undefined ? "-" : `x ${middle.toFixed(2)}`;
    });
    rows.push([pair.join(" / "), ...cells, "", "", ""]);
  }
  return `${load.name}: ${load.title}\n${table(rows)}${shares(runs, load.name, names)}`;
}

/** Where the CPU goes, process by process. */
function shares(runs: readonly Run[], workload: string, systems: readonly string[]): string {
  let text = "";
  for (const name of systems) {
    const good = goodRuns(runs, name, workload);
    const processes = new Set(good.flatMap((run) => Object.keys(run.cpuByProcess ?? {})));
    const parts = [...processes]
      .map((process) => ({ process, cpu: median(good.map((run) => run.cpuByProcess?.[process] ?? 0)) ?? 0 }))
      .filter(({ cpu }) => cpu >= 0.005)
      .sort((a, b) => b.cpu - a.cpu)
      .map(({ process, cpu }) => `${process.replace(/^sces\//, "")} ${cpu.toFixed(2)}`);
    if (parts.length > 0) text += `\n  CPU of ${name}: ${parts.join(", ")}`;
  }
  return text;
}

function latencyBlock(latencies: readonly Latency[]): string {
  if (latencies.length === 0) return "";
  const rows = [["", "median ms", "p90 ms", "p99 ms", "longest ms", "messages"]];
  for (const { system, timesMs } of latencies) {
    const cells = [0.5, 0.9, 0.99, 1].map((share) => quantile(timesMs, share)?.toFixed(1) ?? "-");
    rows.push([system, ...cells, String(timesMs.length)]);
  }
  return `Latency: one message at a time, from the dot that ends it to the dot at the destination\n${table(rows)}`;
}

function verdictBlock(verdicts: readonly Verdict[]): string {
  if (verdicts.length === 0) return "";
  const rows = [["target", "wanted", "measured", ""]];
  for (const { what, target, measured, isMet } of verdicts)
    rows.push([what, target, measured, isMet ? "met" : "MISSED"]);
  return `Targets: medians of the rounds\n${table(rows)}`;
}

function figures(of: Figure, runs: readonly Run[]): number[] {
  return runs.flatMap((run) => of(run) ?? []);
}

function troubles(runs: readonly Run[]): string {
  const lines = runs.flatMap(({ system, workload, trouble, extra }) => [
    ...(trouble ? [`! ${workload} ${system}: ${trouble}`] : []),
    ...(extra ? [`! ${workload} ${system}: ${extra} transactions more than messages`] : []),
  ]);
  return lines.join("\n");
}
