/**
 * What a message costs does not creep up: its CPU time in all processes of sces, measured against a fixed piece of work
 * in the same run. Both vary with the machine and with what else runs on it, by a factor of two and more; the ratio of
 * the medians of several short turns varies little. What is above the limit gets more turns: a bad moment passes, a
 * regression stays. In memory where there is a filesystem for that: this is
 * about our code, not about the disk.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { median, spread } from "../../bench/statistics.ts";
import { threadTimes } from "../../bench/thread-times.ts";
import { type Destination, destination } from "../harness/destination.ts";
import { instance, ROOT, runCommand, type Instance } from "../harness/instance.ts";
import { plainMessage, SmtpClient } from "../harness/smtp-client.ts";

/** Of the file work of as many messages. A third above what it is; lower it when it gets better. */
const MOST = 5;
const SESSIONS = 10;
const WARM_UP = 2500; // the code is compiled meanwhile
const LEAST_TURNS = 8;
const MOST_TURNS = 16;
const MESSAGES = 300; // a turn
const FLOOR_MESSAGES = 1000;
const CONTENT = plainMessage("cost", `${"x".repeat(76)}\r\n`.repeat(52)); // 4 KB

test("a message costs no more CPU than it did", async () => {
  await using stack = new AsyncDisposableStack();
  const directory = stack.adopt(mkdtempSync(join(memory(), "sces-cost-")), (path) =>
    rmSync(path, { recursive: true, force: true }),
  );
  const sink = stack.use(await destination({ forget: true }));
  const parameters = { relayhost: `[127.0.0.1]:${sink.port}`, queue_directory: join(directory, "spool") };
  const sces = stack.use(await instance(parameters, { spool: join(directory, "spool") }));
  await deliver(sces, sink, WARM_UP);
  const [ours, floor]: [number[], number[]] = [[], []]; // microseconds of CPU a message, of each turn
  const ratio = () => (median(ours) ?? 0) / (median(floor) ?? 0);
  while (ours.length < LEAST_TURNS || (ratio() > MOST && ours.length < MOST_TURNS)) {
    ours.push(await cpuOf(sces, () => deliver(sces, sink, MESSAGES)));
    floor.push(await fileWork(join(directory, "floor")));
  }
  const figures = `${spread(ours, 0)} µs, ${ratio().toFixed(2)} times its file work, ${spread(floor, 0)} µs`;
  console.log(`CPU of a message: ${figures}; at most ${MOST} times; ${ours.length} turns`);
  expect(ratio()).toBeLessThan(MOST);
});

/** A folder in memory, where the kernel has one that is open to all; else where temporary files go. */
function memory(): string {
  return statSync("/dev/shm", { throwIfNoEntry: false })?.isDirectory() ? "/dev/shm" : tmpdir();
}

/** Sends so many over a few sessions, and waits until they have arrived. */
async function deliver(sces: Instance, sink: Destination, messages: number): Promise<void> {
  const arrived = sink.messages.length + messages;
  let next = 0;
  const session = async () => {
    const client = await SmtpClient.connect(sces.smtpPort);
    await client.hello();
    while (next++ < messages) await client.send({ from: "a@source.test", to: ["b@sink.test"], content: CONTENT });
    await client.quit();
  };
  await Promise.all(Array.from({ length: SESSIONS }, session));
  await sink.waitFor(arrived, 30_000);
  await sces.drained();
}

/** Microseconds of CPU a message that all threads of all processes of sces spent meanwhile. */
async function cpuOf(sces: Instance, during: () => Promise<void>): Promise<number> {
  const pids = sces.pids().map(({ pid }) => pid);
  const sum = () => [...threadTimes(pids).values()].reduce((total, { ms }) => total + ms, 0);
  const before = sum();
  await during();
  return ((sum() - before) * 1000) / MESSAGES;
}

/** Microseconds of CPU for the bare file work of a message, by a program of the benchmark. */
async function fileWork(directory: string): Promise<number> {
  const program = join(ROOT, "bench/file-floor.ts");
  const { code, stdout, stderr } = await runCommand(process.execPath, [
    program,
    directory,
    String(FLOOR_MESSAGES),
    "4096",
  ]);
  if (code !== 0) throw new Error(stderr);
  const { cpuSeconds }: { cpuSeconds: number } = JSON.parse(stdout);
  return (cpuSeconds * 1e6) / FLOOR_MESSAGES;
}
