/**
 * Too few descriptors, too little memory: clients may have to wait and to come again, processes may be killed by the
 * kernel, but what has its 250 is delivered, nothing spins, and all is well again when the pressure is gone.
 */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { cpuTicks } from "../harness/process-table.ts";
import { SmtpClient } from "../harness/smtp-client.ts";
import { pause, until } from "../harness/until.ts";
import { makeParcel, writtenAs } from "./parcel.ts";
import type { Part } from "./report.ts";
import { allOf, type Scene, underLoad } from "./under-load.ts";

const DESCRIPTORS = 64; // a process that does nothing has about 30
const IDLE_CLIENTS = 150;
const LOOK_MS = 4000;
const MAX_CPU_SHARE = 0.5; // of a processor, for a process that can accept nobody
const TICKS_A_SECOND = 100; // of /proc/PID/stat, everywhere
const CGROUP = "/sys/fs/cgroup/memory";
const SQUEEZES = 2;
const MORE_BYTES = 12_000_000; // than they have, for all of them
const LARGE_MESSAGES = 12; // at a time, each in the server's memory
const LARGE_BYTES = 6_000_000;

interface LimitOptions {
  readonly seed: number;
  readonly progress: (text: string) => void;
}

export function limits(options: LimitOptions): Promise<Part> {
  return allOf([() => fewDescriptors(options), () => littleMemory(options)]);
}

/** Idle clients take all descriptors of the server, while mail comes and goes. */
function fewDescriptors(options: LimitOptions): Promise<Part> {
  const wrapper = ["prlimit", `--nofile=${DESCRIPTORS}:${DESCRIPTORS}`];
  return underLoad({
    ...options,
    fault: `${DESCRIPTORS} descriptors a process, ${IDLE_CLIENTS} idle clients`,
    hits: 1,
    bound: "none",
    instance: { wrapper },
    async act({ sces, progress, violations }) {
      const idle = Array.from({ length: IDLE_CLIENTS }, () => quiet(connect(sces.smtpPort, "127.0.0.1")));
      await pause(1000); // until those that can come have come
      const before = sces.pids().map(({ name, pid }) => ({ name, pid, ticks: cpuTicks(pid).own }));
      await pause(LOOK_MS); // while the CPU is watched
      for (const { name, pid, ticks } of before) {
        const share = ((cpuTicks(pid).own - ticks) / TICKS_A_SECOND / LOOK_MS) * 1000;
        if (share > MAX_CPU_SHARE) violations.push(`${name} takes ${share.toFixed(2)} of a CPU`);
        else if (name === "smtpd") progress(`smtpd takes ${share.toFixed(2)} of a CPU`);
      }
      for (const socket of idle) socket.destroy();
    },
  });
}

function quiet(socket: Socket): Socket {
  return socket.on("error", () => {}); // not let in: as it should be
}

/** All processes together may have less memory than they have: the kernel kills those that take most. */
async function littleMemory(options: LimitOptions): Promise<Part> {
  const group = join(CGROUP, `sces-test-${process.pid}`);
  try {
    mkdirSync(group);
  } catch (error) {
    return { rows: [], violations: [], skipped: [`little memory: no cgroup can be made: ${(error as Error).message}`] };
  }
  const enter = ["sh", "-c", `echo $$ > ${group}/cgroup.procs; exec "$@"`, "sh"];
  try {
    return await underLoad({
      ...options,
      fault: "too little memory for all processes together",
      hits: SQUEEZES,
      bound: "those in flight when the kernel kills",
      instance: { wrapper: enter },
      parameters: (port) => ({ relayhost: `[127.0.0.1]:${port}`, spool_memory_limit: "8m" }),
      act: (scene) => squeeze(scene, group),
    });
  } finally {
    await until("the group to be empty", () => isRemoved(group));
  }
}

/** They may take hardly more than they have, and are given messages that need more. */
async function squeeze(scene: Scene, group: string): Promise<void> {
  const { sces, kills, progress, violations } = scene;
  for (let count = 1; count <= SQUEEZES; count++) {
    const at = Date.now();
    const bytes = Number(readFileSync(join(group, "memory.usage_in_bytes"), "utf8")) + MORE_BYTES;
    limit(group, bytes);
    const answers = await Promise.all(Array.from({ length: LARGE_MESSAGES }, (_, n) => send(scene, 100 * count + n)));
    limit(group, -1);
    kills.push({ name: "power", at, doneAt: Date.now() }); // any process, at any time in between
    const taken = answers.filter((answer) => answer === "taken").length;
    progress(`${Math.round(bytes / 1e6)} MB: ${taken} of ${answers.length} large messages taken`);
    if (sces.pids().every(({ name }) => name !== "master")) {
      progress("master was killed: started again");
      await sces.start().catch((error) => violations.push((error as Error).message));
    }
    await pause(2000); // brakes are over
  }
  const killed = sces.log().filter((line) => line.includes("killed by SIGKILL")).length;
  progress(`${killed} processes killed by the kernel`);
}

/** "taken", or why not. */
async function send({ sces, ledger, random }: Scene, number: number): Promise<string> {
  const parcel = makeParcel(random, number, { bytes: LARGE_BYTES });
  const entry = ledger.trying(parcel, "smtp");
  let client: SmtpClient | undefined;
  try {
    client = await SmtpClient.connect(sces.smtpPort);
    await client.hello();
    const { id } = await client.send({
      from: parcel.sender,
      to: parcel.recipients.map(writtenAs),
      content: parcel.content,
    });
    ledger.acknowledged(entry, id);
    return "taken";
  } catch (error) {
    return (error as Error).message; // no promise
  } finally {
    client?.close();
  }
}

function limit(group: string, bytes: number): void {
  try {
    writeFileSync(join(group, "memory.limit_in_bytes"), String(bytes));
  } catch {
    // EBUSY: what cannot be taken back now is taken from the next that asks for more, by the limit before
  }
}

function isRemoved(group: string): boolean {
  try {
    rmdirSync(group);
    return true;
  } catch {
    return false; // the last process is on its way out
  }
}
