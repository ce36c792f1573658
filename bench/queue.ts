/**
 * npm run bench:queue -- [--sizes 1000,100000,1000000] [--runs 3] [--image FILE] [--set name=value] [--json FILE]
 *
 * Does sces stay quick while very many messages wait? A spool is filled to each of the sizes in turn, with messages to
 * many domains that failed for many reasons and are not due for hours (deferred-files.ts). At each size:
 *
 *   list, summary  on the stopped system: until the first line, or all, is there
 *   start          from the start of the program to the 250 of a message
 *   scan           W2 while defer looks through its queue, and while it is stopped, by turns; time of the scan, and the
 *                  most memory that defer had
 *   cost           CPU for each message of W2, beside a second sces with nothing queued; the two take turns
 *
 * What was just written is in the system's cache, as is a queue that is in use: what is measured is work, not the disk.
 * As root the spool is on a disk of its own, in a file of 6 GB for a million messages under TMPDIR, which goes in the
 * end, unless `--image` names a file, or a folder, to be kept; without root in a folder. Needs Debian's package postfix
 * for the load. All three sizes take about five minutes. Exit status 1 when a target is missed.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { instance, type Instance, ROOT } from "../test/harness/instance.ts";
import { openingComment } from "../test/harness/opening-comment.ts";
import { cpuTicks } from "../test/harness/process-table.ts";
import { plainMessage, SmtpClient } from "../test/harness/smtp-client.ts";
import { until } from "../test/harness/until.ts";
import { CpuMeter, TICKS_PER_SECOND } from "./cpu-meter.ts";
import { runSystem } from "./measure.ts";
import { QueueDisk } from "./queue-disk.ts";
import { circumstances, machine, progress, resultsPath, writeResults } from "./results.ts";
import { Sink } from "./smtp-tools.ts";
import { median, spread } from "./statistics.ts";
import { countFiles, type System } from "./system.ts";
import { table } from "./table.ts";
import { WARM_UP, WORKLOADS } from "./workloads.ts";

const MOST = { listSeconds: 1, summarySeconds: 5, startSeconds: 2, deferMegabytes: 300, scanLoss: 0.1, spread: 1.15 };
/** A process that has used no CPU for so long has nothing to do. */
const IDLE_MS = 1500;
const WATCH_MS = 500;
const SCAN_TIMEOUT_MS = 180_000;

const { values: flags } = parseArgs({
  options: {
    sizes: { type: "string", default: "1000,100000,1000000" },
    runs: { type: "string", default: "3" },
    image: { type: "string" },
    set: { type: "string", multiple: true, default: [] }, // a parameter of sces
    json: { type: "string", default: resultsPath("queue") },
    help: { type: "boolean", default: false },
  },
});
if (flags.help) {
  console.log(openingComment(import.meta.filename));
  process.exit(0);
}
const sizes = flags.sizes
  .split(",")
  .map(Number)
  .sort((a, b) => a - b);
const rounds = Number(flags.runs);
const load = WORKLOADS.find(({ name }) => name === "W2");
if (load === undefined) throw new Error("no workload W2");

interface Figures {
  size: number;
  listSeconds: number;
  jsonSeconds: number;
  filterSeconds: number; // the first line of a filter that few messages meet
  summarySeconds: number;
  summaryMegabytes: number;
  startSeconds: number;
  deferMegabytes: number;
  cost: number[]; // CPU seconds for 1,000 messages
  costRatio: number[]; // to that with nothing queued
  scanSeconds: number;
  deferCpuSeconds: number; // from its start to the end of the scan
  scanRates: { without: number[]; during: number[] } | undefined; // messages a second
}

const aborter = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => aborter.abort(new Error(signal)));

/** When does a process that looks through its queue come to rest? It is watched from the beginning. */
class ScanWatch implements Disposable {
  readonly #pid: number;
  readonly #begunMs = performance.now();
  readonly #timer: NodeJS.Timeout;
  #busyMs = this.#begunMs; // when it last worked
  #ticks: number;

  constructor(pid: number) {
    this.#pid = pid;
    this.#ticks = cpuTicks(pid).own;
    this.#timer = setInterval(() => this.#look(), WATCH_MS);
  }

  async end(): Promise<{ elapsedMs: number; cpuSeconds: number }> {
    const from = performance.now();
    const isAtRest = () => performance.now() - Math.max(from, this.#busyMs) > IDLE_MS;
    await until("defer to rest", isAtRest, SCAN_TIMEOUT_MS);
    aborter.signal.throwIfAborted();
    return { elapsedMs: this.#busyMs - this.#begunMs, cpuSeconds: this.#ticks / TICKS_PER_SECOND };
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  /** A tick now and then is no work. */
  #look(): void {
    const ticks = cpuTicks(this.#pid).own;
    if (ticks - this.#ticks > 1) this.#busyMs = performance.now();
    this.#ticks = ticks;
  }
}

await using stack = new AsyncDisposableStack();
const largest = sizes.at(-1) ?? 0;
const disk = stack.use(QueueDisk.make(largest, flags.image));
const sink = stack.use(await Sink.start());
const figures: Figures[] = [];
for (const size of sizes) {
  if (disk.count() > size) {
    progress(`${size}: more is there already`);
    continue;
  }
  await disk.fill(size, aborter.signal);
  progress(`${size} messages are deferred`);
  figures.push(await measure(size));
  aborter.signal.throwIfAborted();
}
report();

/** Due times are beyond the usual longest wait, so that they do not come while this runs. */
async function scesIn(spool: string, cpu: CpuMeter): Promise<Instance> {
  const parameters = {
    relayhost: `[127.0.0.1]:${sink.port}`,
    log_to: "file",
    maximal_backoff_time: "2d",
    queue_run_delay: "1d", // no scan but the one at the start
    daemon_timeout: "1h", // defer is stopped for a while
    ...Object.fromEntries(flags.set.map((pair) => pair.split(/=(.*)/s, 2) as [string, string])),
  };
  mkdirSync(spool, { recursive: true, mode: 0o700 });
  return await instance(parameters, { spool, start: false, wrapper: cpu.wrapper });
}

function asSystem(sces: Instance, cpu: CpuMeter): System {
  cpu.watch(sces.masterPid);
  const directories = ["incoming", "active", "bounce"].map((queue) => join(sces.spool, queue));
  return {
    name: "sces",
    port: sces.smtpPort,
    cpu,
    version: "",
    queued: () => countFiles(directories),
    logTail: () => sces.maillog.tail(20),
    async [Symbol.asyncDispose]() {},
  };
}

async function measure(size: number): Promise<Figures> {
  await using own = new AsyncDisposableStack();
  const cpu = new CpuMeter(`queue-${size}`);
  own.defer(() => cpu.close());
  const sces = own.use(await scesIn(disk.spool, cpu));
  await sces.start(); // makes the directories
  await sces.stop();
  const [list, json, filter] = [[], ["--json"], ["--queue", "deferred", "--from", "*@sender400.example"]];
  const listSeconds = (await command(sces, ["list", ...list], true)).seconds;
  const jsonSeconds = (await command(sces, ["list", ...json], true)).seconds;
  const filterSeconds = (await command(sces, ["list", ...filter], true)).seconds;
  const summary = await command(sces, ["summary"], false);
  progress(`list ${listSeconds.toFixed(2)} s, summary ${summary.seconds.toFixed(2)} s`);

  const emptyCpu = new CpuMeter(`empty-${size}`);
  own.defer(() => emptyCpu.close());
  const empty = own.use(await scesIn(join(dirname(disk.spool), "empty-spool"), emptyCpu));
  await empty.start();
  const startSeconds = await startToFirst(sces);
  progress(`start ${startSeconds.toFixed(2)} s; warm-up`);
  const systems = [asSystem(sces, cpu), asSystem(empty, emptyCpu)] as const;
  // defer looks through its queue as soon as it runs.
  const defer = await sces.waitForProcess("defer");
  using watch = new ScanWatch(defer);
  for (const system of systems) await rate(system, WARM_UP);
  let stoppedMs = 0;
  let scanRates: Figures["scanRates"];
  if (size === largest) {
    scanRates = { without: [], during: [] };
    for (let round = 1; round <= rounds; round += 1) {
      const before = cpuTicks(defer).own;
      scanRates.during.push((await rate(systems[0])).delivered);
      if (cpuTicks(defer).own === before) progress("the scan was over before the run: take a larger queue");
      const stopped = performance.now();
      process.kill(defer, "SIGSTOP");
      try {
        scanRates.without.push((await rate(systems[0])).delivered);
      } finally {
        process.kill(defer, "SIGCONT");
        stoppedMs += performance.now() - stopped;
      }
    }
  }
  const scan = await watch.end();
  const scanSeconds = Math.max(0, scan.elapsedMs - stoppedMs) / 1000;
  const deferMegabytes = peakOf(defer) ?? 0;
  progress(
    `scan ${scanSeconds.toFixed(1)} s, defer ${scan.cpuSeconds.toFixed(2)} s of CPU, ${deferMegabytes.toFixed(0)} MB`,
  );

  const cost: number[] = [];
  const costRatio: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const first = (await rate(systems[0])).cpu;
    const second = (await rate(systems[1])).cpu;
    cost.push(first);
    costRatio.push(first / second);
  }
  progress(`cost ${spread(cost, 3)}, with nothing queued x ${spread(costRatio, 2)}`);
  return {
    ...{ size, listSeconds, jsonSeconds, filterSeconds },
    ...{ summarySeconds: summary.seconds, summaryMegabytes: summary.megabytes, startSeconds, deferMegabytes },
    ...{ cost, costRatio, scanSeconds, deferCpuSeconds: scan.cpuSeconds, scanRates },
  };
}

/** Until the first line, or the end; and the most memory that was seen. */
async function command(sces: Instance, args: readonly string[], first: boolean) {
  const begun = performance.now();
  const env = { ...process.env, SCES_CONFIG_DIRECTORY: sces.configDir };
  const child = spawn(join(ROOT, "bin/sces-queue"), args, { env, stdio: ["ignore", "pipe", "inherit"] });
  let megabytes = 0;
  const meter = setInterval(() => {
    megabytes = Math.max(megabytes, peakOf(child.pid ?? 0) ?? 0);
  }, 50);
  const closed = once(child, "close");
  let seconds = 0;
  child.stdout.on("data", () => {
    if (seconds > 0) return;
    seconds = (performance.now() - begun) / 1000;
    if (first) child.stdout.destroy(); // as head does
  });
  await closed;
  clearInterval(meter);
  if (!first) seconds = (performance.now() - begun) / 1000;
  if (seconds === 0) throw new Error(`sces-queue ${args.join(" ")} said nothing`);
  return { seconds, megabytes };
}

async function startToFirst(sces: Instance): Promise<number> {
  const begun = performance.now();
  const started = sces.start();
  const connected = () => SmtpClient.connect(sces.smtpPort).catch(() => undefined);
  const client = await until("a greeting", connected, 60_000);
  await client.hello();
  await client.send({ from: "first@source.test", to: ["first@sink.test"], content: plainMessage("first") });
  const seconds = (performance.now() - begun) / 1000;
  await client.quit();
  await started;
  return seconds;
}

async function rate(system: System, workload = load as NonNullable<typeof load>) {
  const { trouble, cpu = 0, delivered = 0 } = await runSystem(system, sink, workload, aborter.signal);
  if (trouble !== undefined) throw new Error(`${trouble}\n${system.logTail()}`);
  return { cpu, delivered };
}

/** The most memory (resident) that a process had so far, in MB. */
function peakOf(pid: number): number | undefined {
  try {
    const kilobytes = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) / 1024;
  } catch {
    return undefined; // ended meanwhile
  }
}

function report(): void {
  const verdicts: { what: string; target: string; measured: string; isMet: boolean }[] = [];
  const judge = (what: string, unit: string, most: number, value: number, digits = 2): void => {
    const isMet = value < most;
    verdicts.push({ what, target: `under ${most} ${unit}`, measured: `${value.toFixed(digits)} ${unit}`, isMet });
  };
  for (const one of figures) {
    const at = `${one.size}: `;
    judge(`${at}list, first line`, "s", MOST.listSeconds, one.listSeconds);
    judge(`${at}list --json, first line`, "s", MOST.listSeconds, one.jsonSeconds);
    judge(`${at}summary`, "s", MOST.summarySeconds, one.summarySeconds);
    judge(`${at}start to first 250`, "s", MOST.startSeconds, one.startSeconds);
    judge(`${at}memory of defer`, "MB", MOST.deferMegabytes, one.deferMegabytes, 0);
    const { scanRates } = one;
    if (scanRates === undefined) continue;
    const loss = 1 - (median(scanRates.during) ?? 0) / (median(scanRates.without) ?? 1);
    const measured = `${(loss * 100).toFixed(0)} % (${spread(scanRates.without, 0)} to ${spread(scanRates.during, 0)}/s)`;
    verdicts.push({
      what: `${at}W2 during a scan`,
      target: "at most 10 % less",
      measured,
      isMet: loss <= MOST.scanLoss,
    });
  }
  const ratios = figures.map(({ costRatio }) => median(costRatio) ?? 0);
  const range = Math.max(...ratios) / Math.min(...ratios);
  const measured = `x ${range.toFixed(2)} (${ratios.map((ratio) => ratio.toFixed(2)).join(", ")} of that with nothing queued)`;
  verdicts.push({ what: "cost at all sizes", target: "within 15 %", measured, isMet: range <= MOST.spread });

  const head = ["deferred", "list s", "json s", "--from s", "summary s", "MB", "start s", "defer MB"];
  const rows = [[...head, "CPU s/1000", "x empty", "scan s", "defer CPU s"]];
  for (const one of figures) {
    const { size, listSeconds, jsonSeconds, filterSeconds, summarySeconds, startSeconds } = one;
    const seconds = [listSeconds, jsonSeconds, filterSeconds, summarySeconds].map((value) => value.toFixed(2));
    rows.push([
      ...[String(size), ...seconds, one.summaryMegabytes.toFixed(0), startSeconds.toFixed(2)],
      ...[one.deferMegabytes.toFixed(0), spread(one.cost, 2), spread(one.costRatio, 2)],
      ...[one.scanSeconds.toFixed(1), one.deferCpuSeconds.toFixed(2)],
    ]);
  }
  console.log(`${machine()}; the spool is on ${disk.kind}\n\n${table(rows)}\n`);
  const lines = verdicts.map(({ what, target, measured: value, isMet }) => [
    what,
    target,
    value,
    isMet ? "met" : "MISSED",
  ]);
  console.log(table([["", "target", "measured", ""], ...lines]));
  writeResults(flags.json, { ...circumstances("sces"), disk: disk.kind, figures, verdicts });
  if (verdicts.some(({ isMet }) => !isMet)) process.exitCode = 1;
}
