/**
 * npm run test:soak -- [--minutes 20] [--messages 200000] [--seed N] [--report FILE]
 *
 * A long day in short: steady mail of all kinds (delivered, put off, refused, held by nobody), with the waits of days
 * scaled down to seconds by configuration. Memory and descriptors of every process are sampled; after a warm-up of a
 * quarter they must stay flat. Nothing may be lost and, since nothing is killed, nothing doubled. Prints a small plot of
 * each process; exits 1 on a violation.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Instance, instance } from "../harness/instance.ts";
import { openingComment } from "../harness/opening-comment.ts";
import { pause } from "../harness/until.ts";
import { finalVerdict } from "./final-verdict.ts";
import { Ledger } from "./ledger.ts";
import { ALIASES } from "./parcel.ts";
import { Random } from "../harness/random.ts";
import { Recorder } from "./recorder.ts";
import { addToReport, counted } from "./report.ts";
import { Traffic } from "./traffic.ts";

const { values: flags } = parseArgs({
  options: {
    minutes: { type: "string", default: "20" },
    messages: { type: "string", default: "200000" },
    seed: { type: "string" },
    report: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (flags.help) {
  console.log(openingComment(import.meta.filename));
  process.exit(0);
}

const SAMPLES = 120; // in all
const GROWTH = 1.15; // from the second quarter to the last, medians; garbage collectors are not exact
const GROWTH_BYTES = 15_000_000;
const GROWTH_DESCRIPTORS = 8;
const MAX_DRAIN_MS = 180_000;
const BARS = "▁▂▃▄▅▆▇█";

/** What all processes of one name have together at one moment. */
interface Sample {
  readonly bytes: number; // resident
  readonly descriptors: number;
}

const seed = Number(flags.seed ?? Math.floor(Math.random() * 2 ** 31));
const minutes = Number(flags.minutes);
const messagesPerSecond = Number(flags.messages) / (minutes * 60);
console.log(`seed ${seed}: ${minutes} minutes, ${messagesPerSecond.toFixed(0)} messages a second`);

await using recorder = await Recorder.start();
await using sces = await instance({
  ...ALIASES,
  relayhost: `[127.0.0.1]:${recorder.port}`,
  smtp_tls_security_level: "none",
  queue_run_delay: "2s",
  minimal_backoff_time: "2s",
  maximal_backoff_time: "10s",
  max_idle: 0, // or they would begin anew instead of showing what they gather
  drop_scan_interval: "2s",
  drop_stable_time: 0,
  smtpd_client_connection_count_limit: 0,
});
const ledger = new Ledger(join(sces.directory, "ledger"));
const series = new Map<string, Sample[]>();
const started = performance.now();
const traffic = new Traffic({
  smtpPort: sces.smtpPort,
  dropDirectory: join(sces.spool, "drop"),
  ledger,
  random: new Random(seed),
  sessions: 16,
  messagesPerSecond,
});
for (let number = 1; number <= SAMPLES; number++) {
  await pause(started + (number * minutes * 60_000) / SAMPLES - performance.now());
  for (const [name, sample] of sampled(sces)) series.set(name, [...(series.get(name) ?? []), sample]);
  if (number % 12 === 0) console.log(`${ledger.promised().length} messages after ${minutesSince(started)} minutes`);
}
await traffic.stop();
const deadline = performance.now() + MAX_DRAIN_MS;
await sces.drained(deadline - performance.now());
const drainMs = MAX_DRAIN_MS - (deadline - performance.now());
const violations = [...series].flatMap(([name, samples]) => growthOf(name, samples));
if ((await sces.stop()) !== 0) violations.push("sces did not stop as it should");
const verdict = finalVerdict({ ledger, recorder, spool: sces.spool, kills: [], duplicateWindowMs: 0, lateMs: 0 });
violations.push(...verdict.violations);
for (const reply of traffic.refusals.keys()) violations.push(`a client heard: ${reply}`);

console.log(
  `\n${verdict.promised} messages to ${verdict.promisedRecipients} recipients in ${minutesSince(started)} minutes`,
);
console.log(
  `delivered ${verdict.delivered}, returned ${verdict.returned}, lost ${verdict.lost}, doubled ${verdict.duplicates}`,
);
console.log(`the queues were empty ${Math.round(drainMs / 1000)} s after the last message\n`);
for (const [name, samples] of series) {
  const bytes = samples.map((sample) => sample.bytes / 1_000_000);
  const descriptors = samples.map((sample) => sample.descriptors);
  console.log(`${name.padEnd(8)} ${plot(bytes)} ${range(bytes)} MB`);
  console.log(`${"".padEnd(8)} ${plot(descriptors)} ${range(descriptors)} descriptors`);
}
if (flags.report) {
  const hits = 1;
  const fault = `soak: ${minutes} minutes at ${messagesPerSecond.toFixed(0)} messages a second`;
  const row = { fault, hits, ...counted(verdict), bound: "none" };
  addToReport(flags.report, { seed, rows: [row], skipped: [] });
}
sces.keep ||= violations.length > 0;
console.log(violations.length === 0 ? "no violation" : `${violations.length} violations, kept in ${sces.directory}:`);
for (const violation of violations.slice(0, 50)) console.log(`  ${violation.slice(0, 500)}`);
process.exitCode = violations.length === 0 ? 0 : 1;

function sampled(system: Instance): Map<string, Sample> {
  const samples = new Map<string, Sample>();
  for (const { name, pid } of system.pids()) {
    try {
      const kilobytes = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
      const { bytes, descriptors } = samples.get(name) ?? { bytes: 0, descriptors: 0 };
      const open = readdirSync(`/proc/${pid}/fd`).length;
      samples.set(name, { bytes: bytes + kilobytes * 1024, descriptors: descriptors + open });
    } catch {
      // ended while we looked
    }
  }
  return samples;
}

function growthOf(name: string, samples: readonly Sample[]): string[] {
  const quarter = samples.length >> 2;
  const early = samples.slice(quarter, 2 * quarter);
  const late = samples.slice(-quarter);
  const bytes = [early, late].map((part) => median(part.map((sample) => sample.bytes))) as [number, number];
  const open = [early, late].map((part) => median(part.map((sample) => sample.descriptors))) as [number, number];
  const grown: string[] = [];
  if (bytes[1] > bytes[0] * GROWTH && bytes[1] > bytes[0] + GROWTH_BYTES)
    grown.push(`${name} grew from ${bytes[0]} to ${bytes[1]} bytes`);
  if (open[1] > open[0] + GROWTH_DESCRIPTORS) grown.push(`${name} grew from ${open[0]} to ${open[1]} descriptors`);
  return grown;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

/** One bar for every second sample, from nothing to the greatest. */
function plot(values: readonly number[]): string {
  const most = Math.max(...values, 1);
  const bars = values.filter((_, index) => index % 2 === 1);
  return bars.map((value) => BARS[Math.min(BARS.length - 1, Math.floor((value / most) * BARS.length))]).join("");
}

function range(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b).map(Math.round);
  return `${sorted[0]} - ${sorted[sorted.length >> 1]} - ${sorted.at(-1)}`;
}

function minutesSince(start: number): string {
  return ((performance.now() - start) / 60_000).toFixed(1);
}
