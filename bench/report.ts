/** Medians, ranges and ratios of many runs, as a table for people. */
import type { Run } from "./measure.ts";
import type { Workload } from "./workloads.ts";

const FLOORS = ["source to sink", "file work"];
const REFERENCE = "postfix";

interface Column {
  readonly title: string;
  readonly digits: number;
  value(run: Run): number | undefined;
}

const COLUMNS: readonly Column[] = [
  { title: "accepted/s", digits: 0, value: (run) => run.accepted },
  { title: "delivered/s", digits: 0, value: (run) => run.delivered },
  { title: "CPU s/1000", digits: 2, value: (run) => run.cpu },
  { title: "peak PSS MB", digits: 0, value: (run) => run.peakBytes && run.peakBytes / 1e6 },
  { title: "other load", digits: 1, value: (run) => run.otherLoad },
];

export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle];
  return sorted.length % 2 === 1 || high === undefined ? high : (high + (sorted[middle - 1] as number)) / 2;
}

/** One block for each workload: a row a system with medians and ranges, the ratio to Postfix, then the floors. */
export function report(runs: readonly Run[], workloads: readonly Workload[]): string {
  const blocks = workloads.map((load) =>
    block(
      load,
      runs.filter(({ workload }) => workload === load.name),
    ),
  );
  return `${blocks.filter(Boolean).join("\n\n")}\n${troubles(runs)}`;
}

function block(load: Workload, runs: readonly Run[]): string {
  const names = [...new Set(runs.map(({ system }) => system))];
  const systems = names.filter((name) => !FLOORS.includes(name));
  const rows: string[][] = [["", ...COLUMNS.map(({ title }) => title), "runs"]];
  for (const name of [...systems, ...names.filter((name) => FLOORS.includes(name))]) {
    const good = goodRuns(runs, name);
    rows.push([name, ...COLUMNS.map((column) => cell(column, good)), String(good.length)]);
  }
  for (const name of systems) {
    if (name === REFERENCE || !systems.includes(REFERENCE)) continue;
    const ratios = COLUMNS.slice(0, -1).map((column) => ratio(column, goodRuns(runs, name), goodRuns(runs, REFERENCE)));
    rows.push([`${name} / ${REFERENCE}`, ...ratios, "", ""]);
  }
  if (rows.length === 1) return "";
  return `${load.name}: ${load.title}; ${load.messages} messages\n${table(rows)}${shares(runs, systems)}`;
}

/** Where the CPU goes, process by process. */
function shares(runs: readonly Run[], systems: readonly string[]): string {
  let text = "";
  for (const name of systems) {
    const good = goodRuns(runs, name);
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

function goodRuns(runs: readonly Run[], system: string): readonly Run[] {
  return runs.filter((run) => run.system === system && run.trouble === undefined);
}

function numbers(column: Column, runs: readonly Run[]): number[] {
  return runs.flatMap((run) => column.value(run) ?? []);
}

function cell(column: Column, runs: readonly Run[]): string {
  const values = numbers(column, runs);
  const middle = median(values);
  if (middle === undefined) return "-";
  const show = (value: number): string => value.toFixed(column.digits);
  return values.length === 1
    ? show(middle)
    : `${show(middle)} (${show(Math.min(...values))}..${show(Math.max(...values))})`;
}

function ratio(column: Column, ours: readonly Run[], theirs: readonly Run[]): string {
  const mine = median(numbers(column, ours));
  const other = median(numbers(column, theirs));
  return mine === undefined || !other ? "-" : `x ${(mine / other).toFixed(2)}`;
}

function troubles(runs: readonly Run[]): string {
  const lines = runs.flatMap(({ system, workload, trouble, extra }) => [
    ...(trouble ? [`! ${workload} ${system}: ${trouble}`] : []),
    ...(extra ? [`! ${workload} ${system}: ${extra} transactions more than messages`] : []),
  ]);
  return lines.length > 0 ? `\n${lines.join("\n")}\n` : "";
}

function table(rows: readonly string[][]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length))) ?? [];
  return rows
    .map((row) =>
      row.map((text, column) => (column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[column] ?? 0))),
    )
    .map((cells) => `  ${cells.join("   ")}`.trimEnd())
    .join("\n");
}
