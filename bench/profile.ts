/**
 * npm run profile -- [--workload W1,W2] [--messages 10000] [--top 12] [--out FOLDER] [--set name=value]
 *
 * A CPU profile of every process of sces under load: .cpuprofile files (for the Performance panel of Chrome's
 * developer tools) in bench/profiles, and on stdout the functions in which each process spent its time.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "../test/harness/instance.ts";
import { processTitle } from "../test/harness/process-table.ts";
import { summarize } from "./cpu-profile.ts";
import { runSystem } from "./measure.ts";
import { startSces } from "./sces-system.ts";
import { Sink } from "./smtp-tools.ts";
import { WORKLOADS, type Workload } from "./workloads.ts";

const { values: flags } = parseArgs({
  options: {
    workload: { type: "string", default: "W1,W2" },
    messages: { type: "string", default: "10000" }, // many, so that start and warm-up weigh little
    top: { type: "string", default: "12" },
    out: { type: "string", default: join(import.meta.dirname, "profiles") },
    set: { type: "string", multiple: true, default: [] },
  },
});

const aborter = new AbortController();
process.once("SIGINT", () => aborter.abort(new Error("SIGINT")));

for (const name of flags.workload.toUpperCase().split(",")) {
  const load = WORKLOADS.find((workload) => workload.name === name);
  if (!load) throw new Error(`unknown workload ${name}`);
  await profile({ ...load, messages: Number(flags.messages) });
}

async function profile(load: Workload): Promise<void> {
  const folder = join(resolve(flags.out), load.name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const names = new Map<number, string>();
  {
    await using sink = await Sink.start();
    await using sces = await startSces(sink.port, {
      environment: { NODE_OPTIONS: `--cpu-prof --cpu-prof-interval=500 --cpu-prof-dir=${folder}` },
      parameters: Object.fromEntries(flags.set.map((pair) => pair.split(/=(.*)/s, 2) as [string, string])),
    });
    const run = await runSystem(sces, sink, load, aborter.signal);
    if (run.trouble) throw new Error(`${run.trouble}\n${sces.logTail()}`);
    for (const pid of sces.cpu.pids()) names.set(pid, processTitle(pid).replace(/^sces\//, ""));
    console.log(`${load.name}: ${load.title}; ${load.messages} messages, with the profiler running`);
    console.log(`  ${run.accepted?.toFixed(0)} accepted/s, ${run.delivered?.toFixed(0)} delivered/s\n`);
  } // profiles are written as the processes end
  const pending = new Map(names);
  const files = readdirSync(folder).filter((file) => file.endsWith(".cpuprofile"));
  const summaries = files.flatMap((file) => {
    const pid = Number(file.split(".")[3]);
    const name = names.get(pid);
    if (name === undefined) return [];
    pending.delete(pid);
    const path = join(folder, `${name}.${pid}.cpuprofile`);
    renameSync(join(folder, file), path);
    return { title: `${name}[${pid}]`, summary: summarize(readFileSync(path, "utf8"), ROOT) };
  });
  for (const { title, summary } of summaries.sort((a, b) => b.summary.busyMs - a.summary.busyMs)) {
    const { busyMs, idleMs, functions, places } = summary;
    const share = (ms: number): string => `${((100 * ms) / busyMs).toFixed(1).padStart(5)} %`;
    console.log(`${title}: busy ${busyMs.toFixed(0)} ms, idle ${idleMs.toFixed(0)} ms`);
    for (const { name, place, selfMs } of functions.slice(0, Number(flags.top))) {
      console.log(`  ${share(selfMs)}  ${name}  ${place}`);
    }
    console.log(
      `  by file: ${places
        .slice(0, 8)
        .map(({ name, selfMs }) => `${name}${share(selfMs)}`)
        .join(", ")}\n`,
    );
  }
  for (const [pid, name] of pending) console.log(`no profile of ${name}[${pid}]: it did not end by itself`);
  console.log(`profiles: ${folder}\n`);
}
