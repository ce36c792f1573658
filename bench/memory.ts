/**
 * npm run bench:memory -- [--messages 200000] [--set name=value] [--json FILE]
 *
 * Does sces stay as small as it began? W2's load without a pause, and meanwhile, once a second, the memory of every
 * process (proportional set size). Start, middle and end are medians over a tenth of the time each. Met when the end
 * is at most a tenth above the start and no moment is above 250 MB; else the exit status is 1. Takes about three
 * minutes; needs Debian's package postfix for smtp-source and smtp-sink.
 */
import { parseArgs } from "node:util";
import { openingComment } from "../test/harness/opening-comment.ts";
import { interruption } from "./interrupt.ts";
import { runSystem } from "./measure.ts";
import { MemoryMeter, type MemorySample } from "./memory-meter.ts";
import { circumstances, machine, progress, resultsPath, writeResults } from "./results.ts";
import { startSces } from "./sces-system.ts";
import { Sink } from "./smtp-tools.ts";
import { median } from "./statistics.ts";
import { table } from "./table.ts";
import type { Verdict } from "./targets.ts";
import { WARM_UP, WORKLOADS } from "./workloads.ts";

const MOST_MB = 250;
const MOST_GROWTH = 1.1;
const INTERVAL_MS = 1000;
const TOTAL = "all";

const { values: flags } = parseArgs({
  options: {
    messages: { type: "string", default: "200000" },
    set: { type: "string", multiple: true, default: [] }, // a parameter of sces
    json: { type: "string", default: resultsPath("memory") },
    help: { type: "boolean", default: false },
  },
});
if (flags.help) {
  console.log(openingComment(import.meta.filename));
  process.exit(0);
}

const load = WORKLOADS.find(({ name }) => name === "W2");
if (load === undefined) throw new Error("W2 is gone");
const messages = Number(flags.messages);
const aborter = interruption();

await using sink = await Sink.start();
await using sces = await startSces(sink.port, {
  parameters: Object.fromEntries(flags.set.map((pair) => pair.split(/=(.*)/s, 2) as [string, string])),
});
progress("warm-up");
await runSystem(sces, sink, WARM_UP, aborter.signal);
progress(`${messages} messages`);
using meter = new MemoryMeter(() => sces.cpu.pids(), INTERVAL_MS);
const run = await runSystem(sces, sink, { ...load, messages }, aborter.signal);
if (run.trouble) throw new Error(`${run.trouble}\n${sces.logTail()}`);
const peakMb = meter.peak() / 1e6;

const names = [...new Set(meter.samples.flatMap(({ byProcess }) => Object.keys(byProcess)))].sort();
const rows = [TOTAL, ...names].map((name) => {
  const [start = 0, middle = 0, end = 0] = [0, 0.45, 0.9].map((from) => megabytes(meter.samples, name, from));
  return { name, start, middle, end };
});
const [all] = rows;
const growth = all === undefined || all.start === 0 ? Number.NaN : all.end / all.start;
const isFlat = growth <= MOST_GROWTH;
const isSmall = peakMb <= MOST_MB;
const what = `memory (PSS), ${messages} messages`;
const verdicts: Verdict[] = [
  { what: `${what}: end / start`, target: `at most ${MOST_GROWTH}`, measured: growth.toFixed(2), isMet: isFlat },
  { what: `${what}: peak`, target: `at most ${MOST_MB} MB`, measured: `${peakMb.toFixed(0)} MB`, isMet: isSmall },
];
console.log(`${machine()}; ${messages} messages of W2, ${run.delivered?.toFixed(0)} delivered/s; PSS in MB\n`);
const cells = rows.map(({ name, start, middle, end }) => [name, ...[start, middle, end].map((mb) => mb.toFixed(1))]);
console.log(table([["", "start", "middle", "end"], ...cells]));
console.log("");
for (const one of verdicts) {
  console.log(`  ${one.what}: ${one.measured} (${one.target}): ${one.isMet ? "met" : "MISSED"}`);
}
const samples = meter.samples.map(({ atMs, totalBytes }) => [Math.round(atMs), totalBytes]);
const { delivered } = run;
const about = circumstances(`sces ${sces.version}`);
writeResults(flags.json, { ...about, messages, delivered, rows, peakMb, verdicts, samples });
if (!(isFlat && isSmall)) process.exitCode = 1;

/** The median over a tenth of the time, which begins at `from` (0 to 1). */
function megabytes(samples: readonly MemorySample[], name: string, from: number): number {
  const lastMs = samples.at(-1)?.atMs ?? 0;
  const within = samples.filter(({ atMs }) => atMs >= lastMs * from && atMs <= lastMs * (from + 0.1));
  const bytes = within.map(({ totalBytes, byProcess }) => (name === TOTAL ? totalBytes : (byProcess[name] ?? 0)));
  return (median(bytes) ?? 0) / 1e6;
}
