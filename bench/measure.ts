/** One run: a workload through one system, or one of the floors. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "../test/harness/instance.ts";
import { cpuTicks } from "../test/harness/process-table.ts";
import { pause, until } from "../test/harness/until.ts";
import { TICKS_PER_SECOND } from "./cpu-meter.ts";
import { MemoryMeter } from "./memory-meter.ts";
import { type Sink, startSource } from "./smtp-tools.ts";
import type { System } from "./system.ts";
import type { Workload } from "./workloads.ts";

const POLL_MS = 10;
const TIMEOUT_SECONDS = 120; // for a run of the usual size
const SLOWEST_RATE = 400; // messages a second; what bounds a longer run
const LOST_AFTER_SECONDS = 5; // nothing arrives, all queues are empty: what is missing does not come any more
const SETTLE_MS = 30_000;

export interface Run {
  readonly system: string;
  readonly workload: string;
  readonly round?: number; // the runs of one round came close together, and are compared with each other
  readonly messages: number;
  readonly accepted?: number; // messages a second until the source has its last 250
  readonly delivered?: number; // messages a second until the sink has them all and no queue holds one
  readonly cpu?: number; // seconds for 1,000 messages
  readonly cpuByProcess?: Readonly<Record<string, number>>; // the same, of the processes that lived throughout
  readonly peakBytes?: number; // proportional set size
  readonly otherLoad?: number; // processors that neither the system nor the load and its destination kept busy
  readonly extra?: number; // transactions at the sink beyond one a message: duplicates, or split recipients
  readonly trouble?: string; // the run does not count
}

/** Rejects when the signal aborts; what it waits for must be cleaned up by the caller. */
export async function runSystem(system: System, sink: Sink, load: Workload, signal: AbortSignal): Promise<Run> {
  const base = { system: system.name, workload: load.name, messages: load.messages };
  try {
    await until("an empty queue", () => system.queued() === 0, SETTLE_MS); // after a run that went wrong
  } catch {
    return { ...base, trouble: `${system.queued()} messages were left from the run before` };
  }
  const timeoutSeconds = Math.max(TIMEOUT_SECONDS, load.messages / SLOWEST_RATE);
  const countBefore = sink.count();
  const processesBefore = system.cpu.byProcess();
  using memory = new MemoryMeter(() => system.cpu.pids());
  const cpuBefore = system.cpu.seconds();
  const othersBefore = cpuOfOthers(system, sink);
  const start = performance.now();
  const elapsed = (): number => (performance.now() - start) / 1000;
  const source = startSource(system.port, load);
  const state: { accepted?: number; trouble?: string } = {}; // seconds
  const sent = source.done.then(({ code, errors }) => {
    state.accepted = elapsed();
    if (code !== 0 || errors) state.trouble = `smtp-source ended with ${code}: ${errors}`;
  });
  let arrived = 0;
  let arrivedAt = 0;
  let delivered = 0;
  try {
    while (delivered === 0 && state.trouble === undefined) {
      await pause(POLL_MS);
      signal.throwIfAborted();
      const count = sink.count() - countBefore;
      if (count !== arrived) [arrived, arrivedAt] = [count, elapsed()];
      if (elapsed() > timeoutSeconds) state.trouble = `not done after ${timeoutSeconds} s`;
      if (state.accepted === undefined) continue;
      // Reading directories costs the CPU that we measure: only when there is reason to expect them empty.
      const isQuiet = elapsed() - Math.max(arrivedAt, state.accepted) > LOST_AFTER_SECONDS;
      if ((arrived >= load.messages || isQuiet) && system.queued() === 0) delivered = elapsed();
    }
  } finally {
    source.kill();
    await sent;
  }
  const cpu = system.cpu.seconds() - cpuBefore;
  const otherLoad = Math.max(0, cpuOfOthers(system, sink) - othersBefore) / elapsed();
  const peakBytes = memory.peak();
  if (arrived < load.messages) state.trouble ??= `${load.messages - arrived} messages are lost`;
  if (state.trouble) {
    const trouble = `${state.trouble}; ${arrived} of ${load.messages} at the sink, ${system.queued()} queued`;
    return { ...base, trouble };
  }
  const thousands = load.messages / 1000;
  const cpuByProcess: Record<string, number> = {};
  for (const [name, seconds] of system.cpu.byProcess()) {
    cpuByProcess[name] = (seconds - (processesBefore.get(name) ?? 0)) / thousands;
  }
  return {
    ...base,
    accepted: load.messages / (state.accepted ?? delivered),
    delivered: load.messages / delivered,
    cpu: cpu / thousands,
    cpuByProcess,
    peakBytes,
    otherLoad,
    ...(arrived > load.messages ? { extra: arrived - load.messages } : {}),
  };
}

/** Seconds of CPU of all processes but the system's, the sink, ourselves and the sources that we waited for. */
function cpuOfOthers(system: System, sink: Sink): number {
  const [user = 0, nice = 0, kernel = 0, , , irq = 0, softirq = 0] =
    readFileSync("/proc/stat", "latin1").split("\n", 1)[0]?.split(/\s+/).slice(1).map(Number) ?? [];
  const us = cpuTicks(process.pid);
  const ticks = user + nice + kernel + irq + softirq - us.own - us.children - cpuTicks(sink.pid).own;
  return ticks / TICKS_PER_SECOND - system.cpu.seconds();
}

/** The load generator straight into the destination: what the tools themselves can do. */
export async function runDirect(sink: Sink, load: Workload, signal: AbortSignal): Promise<Run> {
  const start = performance.now();
  const source = startSource(sink.port, load);
  const abort = (): boolean => source.kill();
  signal.addEventListener("abort", abort, { once: true });
  const { code, errors } = await source.done;
  signal.removeEventListener("abort", abort);
  signal.throwIfAborted();
  const rate = load.messages / ((performance.now() - start) / 1000);
  const base = { system: "source to sink", workload: load.name, messages: load.messages };
  if (code !== 0) return { ...base, trouble: `smtp-source ended with ${code}: ${errors}` };
  return { ...base, accepted: rate, delivered: rate };
}

/** The bare file work, in a process of its own. */
export async function runFiles(load: Workload): Promise<Run> {
  const directory = mkdtempSync(join(tmpdir(), "sces-bench-files-"));
  const base = { system: "file work", workload: load.name, messages: load.messages };
  try {
    const script = join(import.meta.dirname, "file-floor.ts");
    const args = [script, directory, String(load.messages), String(load.sizeBytes)];
    const { code, stdout, stderr } = await runCommand(process.execPath, args);
    if (code !== 0) return { ...base, trouble: stderr.slice(0, 500) };
    const { seconds, cpuSeconds }: { seconds: number; cpuSeconds: number } = JSON.parse(stdout);
    const rate = load.messages / seconds;
    return { ...base, accepted: rate, delivered: rate, cpu: cpuSeconds / (load.messages / 1000) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
