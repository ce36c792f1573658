/**
 * npm run bench:drain -- [--messages 20000] [--runs 3] [--systems sces,postfix] [--set name=value] [--json FILE]
 *
 * A destination was away, 20,000 messages of 1 KB wait for it in the deferred queue; it comes back, and the
 * administrator says flush (`sces-queue flush`, `postqueue -f`). How long until all are there? From the start of the
 * command until the destination has them all and no queue holds one. The systems take turns; each is warmed up with
 * 5,000 messages. Met when sces drains at least twice as fast as Postfix (median of the rounds); else the exit status is
 * 1. Needs what `npm run bench` needs. Ends within eight minutes: when time runs short, with fewer runs.
 */
import { parseArgs } from "node:util";
import { freePort } from "../test/harness/free-port.ts";
import { openingComment } from "../test/harness/opening-comment.ts";
import { pause, until } from "../test/harness/until.ts";
import { interruption } from "./interrupt.ts";
import { runSystem } from "./measure.ts";
import { startPostfix, whyNoPostfix } from "./postfix-system.ts";
import { circumstances, machine, progress, resultsPath, writeResults } from "./results.ts";
import { startSces } from "./sces-system.ts";
import { Sink, startSource } from "./smtp-tools.ts";
import { median, spread } from "./statistics.ts";
import { table } from "./table.ts";
import type { Flushable } from "./system.ts";
import type { Verdict } from "./targets.ts";
import { WARM_UP } from "./workloads.ts";

const LEAST_RATIO = 2;
const BUDGET_MS = 7.5 * 60_000;
const FILL_TIMEOUT_MS = 120_000;
const DRAIN_TIMEOUT_MS = 120_000;
const POLL_MS = 20;

const { values: flags } = parseArgs({
  options: {
    messages: { type: "string", default: "20000" },
    runs: { type: "string", default: "3" },
    systems: { type: "string", default: "sces,postfix" },
    set: { type: "string", multiple: true, default: [] }, // a parameter of sces
    json: { type: "string", default: resultsPath("drain") },
    help: { type: "boolean", default: false },
  },
});
if (flags.help) {
  console.log(openingComment(import.meta.filename));
  process.exit(0);
}
const messages = Number(flags.messages);

interface Drain {
  readonly system: string;
  readonly round: number;
  readonly fillSeconds: number; // until all are accepted and deferred
  readonly firstSeconds: number; // from flush to the first at the destination
  readonly seconds: number; // from flush to the last, all queues empty
  readonly rate: number; // messages a second
  readonly cpu: number; // seconds for 1,000 messages, without the command's own
}

const aborter = interruption();

await using stack = new AsyncDisposableStack();
const stages: { system: Flushable; port: number }[] = [];
for (const name of flags.systems.split(",")) {
  const port = await freePort();
  const system = await start(name, port);
  if (system === undefined) continue;
  stages.push({ system: stack.use(system), port });
  progress(`${system.name} ${system.version}; warm-up`);
  await using sink = await Sink.start({ port });
  const { trouble } = await runSystem(system, sink, WARM_UP, aborter.signal);
  if (trouble) throw new Error(`${system.name}: warm-up: ${trouble}\n${system.logTail()}`);
}

const drains: Drain[] = [];
let longestMs = 0;
for (let round = 1; round <= Number(flags.runs); round++) {
  const begun = performance.now();
  if (begun + longestMs > BUDGET_MS) {
    progress(`time is short: ${round - 1} runs instead of ${flags.runs}`);
    break;
  }
  for (const { system, port } of round % 2 === 1 ? stages : stages.toReversed()) {
    const done = await drain(system, port, round);
    progress(`round ${round} ${done.system}: ${done.seconds.toFixed(1)} s, ${done.rate.toFixed(0)}/s`);
    drains.push(done);
  }
  longestMs = Math.max(longestMs, performance.now() - begun);
}
report();

async function start(name: string, port: number): Promise<Flushable | undefined> {
  if (name === "sces") {
    const parameters = Object.fromEntries(flags.set.map((pair) => pair.split(/=(.*)/s, 2) as [string, string]));
    return startSces(port, { parameters });
  }
  if (name !== "postfix") throw new Error(`unknown system ${name}`);
  const reason = whyNoPostfix();
  if (reason !== undefined) progress(`without postfix: ${reason}`);
  return reason === undefined ? startPostfix(port) : undefined;
}

async function drain(system: Flushable, port: number, round: number): Promise<Drain> {
  const begun = performance.now();
  const source = startSource(system.port, { ...WARM_UP, messages });
  const kill = (): boolean => source.kill();
  aborter.signal.addEventListener("abort", kill, { once: true });
  const { code, errors } = await source.done;
  aborter.signal.removeEventListener("abort", kill);
  aborter.signal.throwIfAborted();
  if (code !== 0) throw new Error(`smtp-source ended with ${code}: ${errors}\n${system.logTail()}`);
  // Looking reads a large directory: seldom.
  while (system.deferred() < messages) {
    if (performance.now() - begun > FILL_TIMEOUT_MS) throw new Error(`${system.deferred()} of ${messages} deferred`);
    await pause(500);
    aborter.signal.throwIfAborted();
  }
  const fillSeconds = (performance.now() - begun) / 1000;
  await using sink = await Sink.start({ port });
  const cpuBefore = system.cpu.seconds();
  const flushed = performance.now();
  const elapsed = (): number => (performance.now() - flushed) / 1000;
  const command = system.flush();
  command.catch((error) => aborter.abort(error));
  let firstSeconds = 0;
  await until(
    () => `all ${messages} to arrive; ${sink.count()} did\n${system.logTail()}`,
    async () => {
      aborter.signal.throwIfAborted();
      await pause(POLL_MS);
      const count = sink.count();
      if (count > 0 && firstSeconds === 0) firstSeconds = elapsed();
      return count >= messages && system.queued() === 0;
    },
    DRAIN_TIMEOUT_MS,
  );
  const seconds = elapsed();
  const cpu = ((system.cpu.seconds() - cpuBefore) / messages) * 1000;
  await command;
  return { system: system.name, round, fillSeconds, firstSeconds, seconds, rate: messages / seconds, cpu };
}

function report(): void {
  const rows = [["", "drained/s", "seconds", "first after s", "CPU s/1000", "filled in s", "runs"]];
  for (const { system } of stages) {
    const of = drains.filter((one) => one.system === system.name);
    const cell = (value: (one: Drain) => number, digits: number): string => spread(of.map(value), digits);
    rows.push([
      system.name,
      cell(({ rate }) => rate, 0),
      cell(({ seconds }) => seconds, 1),
      cell(({ firstSeconds }) => firstSeconds, 2),
      cell(({ cpu }) => cpu, 2),
      cell(({ fillSeconds }) => fillSeconds, 0),
      String(of.length),
    ]);
  }
  const versions = stages.map(({ system }) => `${system.name} ${system.version}`).join("; ");
  console.log(`${machine()}; ${versions}\n\n${messages} deferred messages of 1 KB, flushed\n${table(rows)}\n`);
  const ratios = drains.flatMap((ours) => {
    const theirs = drains.find(({ system, round }) => system === "postfix" && round === ours.round);
    return ours.system === "sces" && theirs !== undefined ? [ours.rate / theirs.rate] : [];
  });
  const ratio = median(ratios);
  const verdicts: Verdict[] = [];
  if (ratio !== undefined) {
    const isMet = ratio >= LEAST_RATIO;
    const what = `${messages} deferred, flushed`;
    verdicts.push({ what, target: `at least ${LEAST_RATIO} x postfix`, measured: spread(ratios, 2), isMet });
    console.log(`  sces / postfix: ${spread(ratios, 2)} (at least ${LEAST_RATIO}): ${isMet ? "met" : "MISSED"}`);
    if (!isMet) process.exitCode = 1;
  }
  writeResults(flags.json, { ...circumstances(versions), messages, drains, verdicts });
}
