/**
 * Power cuts of a spool on ext4 and on xfs. Quiet: one message, its 250, cut at once; under load other messages' syncs
 * would hide one that is missing. Under load: what was acknowledged before the cut must be there afterwards, whole.
 * At crash points: a process is stopped at exactly that call, and then the power goes.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Instance, instance } from "../harness/instance.ts";
import { type Mail, SmtpClient } from "../harness/smtp-client.ts";
import { pause, until } from "../harness/until.ts";
import { Faults } from "./faults.ts";
import { finalVerdict } from "./final-verdict.ts";
import { Ledger } from "./ledger.ts";
import { makeParcel, type Parcel } from "./parcel.ts";
import { type Crash, nameOf, playPoints } from "./play-points.ts";
import { POINTS } from "./points.ts";
import { type FileSystem, PowerDisk, whyNoPowerDisk } from "./power-disk.ts";
import { Random } from "../harness/random.ts";
import { Recorder } from "./recorder.ts";
import { counted, type FaultRow, type Part, spread } from "./report.ts";
import { Stage, STAGE_PARAMETERS } from "./stage.ts";
import { Traffic } from "./traffic.ts";
import type { Kill } from "./verdict.ts";

export interface PowerCutOptions {
  readonly seed: number;
  readonly fileSystems?: readonly FileSystem[]; // default: both
  readonly rounds: number; // quiet ones, and as many under load, on each file system
  readonly points: number; // crash points chosen by the seed, besides those of spent files, on each file system
  readonly progress: (text: string) => void;
}

/** Of one file system. */
interface Scene {
  readonly fileSystem: FileSystem;
  readonly options: PowerCutOptions;
  readonly violations: string[];
}

const BURST = 200; // messages
const SHORT = { bytes: 2000 };
const ARRIVES_WITHIN_MS = 15_000;
const DUPLICATE_WINDOW_MS = 4_000; // spool_sync_interval, and what a loaded machine adds to it
const LATE_MS = 1_000;
const BOUND = "those in flight, and one recipient's mail of the last spool_sync_interval";

export async function powerCuts(options: PowerCutOptions): Promise<Part> {
  const rows: FaultRow[] = [];
  const violations: string[] = [];
  const skipped: string[] = [];
  for (const fileSystem of options.fileSystems ?? (["ext4", "xfs"] as const)) {
    const reason = whyNoPowerDisk(fileSystem);
    if (reason) {
      skipped.push(`power cuts on ${fileSystem}: ${reason}`);
      continue;
    }
    const scene = { fileSystem, options, violations };
    if (options.rounds > 0) rows.push(await quietCuts(scene), await loadedCuts(scene));
    if (options.points > 0) rows.push(await cutsAtPoints(scene));
  }
  return { rows, violations, skipped };
}

async function quietCuts({ fileSystem, options, violations }: Scene): Promise<FaultRow> {
  const { seed, rounds, progress } = options;
  const random = new Random(seed);
  const backAfterMs: number[] = [];
  const inodes = new Set<string>(); // of all files that messages had
  let count = 0;
  let recycled = 0;
  let lost = 0;
  let doubled = 0;
  await using recorder = await Recorder.start();
  recorder.isHealed = true;
  await using disk = new PowerDisk(fileSystem);
  await using sces = await powered(disk, recorder);
  for (let round = 1; round <= rounds; round++) {
    const client = await SmtpClient.connect(sces.smtpPort);
    await client.hello();
    // Every second time behind much mail, so that the message is written over the file of a finished one.
    for (let more = round % 2 === 0 ? BURST : 0; more > 0; more--) {
      const { id } = await client.send(mailOf(makeParcel(random, ++count, SHORT)));
      inodes.add(inodeOf(id));
    }
    await sces.drained();
    const parcel = makeParcel(random, ++count);
    // Nobody may touch the message, and sync anything, between the 250 and the cut.
    sces.kill("cleanup", "SIGSTOP");
    const cut = await disk.arm();
    const { id } = await client.send(mailOf(parcel));
    const at = performance.now();
    await cut();
    client.close();
    await powerBack(sces, disk);
    const arrived = () => recorder.deliveries.filter(({ token }) => token === parcel.token);
    try {
      await until("the message", () => arrived().length > 0, ARRIVES_WITHIN_MS);
      backAfterMs.push(performance.now() - at);
    } catch {
      lost++;
      const size = parcel.content.length;
      violations.push(`quiet power cut on ${fileSystem}: ${id} (${size} bytes) had its 250 and is gone`);
    }
    if (inodes.has(inodeOf(id))) recycled++;
    inodes.add(inodeOf(id));
    doubled += Math.max(0, arrived().length - 1);
    if (arrived().some(({ digest }) => digest !== parcel.digest))
      violations.push(`quiet power cut on ${fileSystem}: ${id} is damaged`);
    progress(`quiet power cut ${round} of ${rounds} on ${fileSystem}: ${arrived().length > 0 ? "there" : "LOST"}`);
  }
  sces.keep ||= lost > 0;
  if (recycled === 0 && rounds > 1) violations.push(`quiet power cuts on ${fileSystem}: no file was written over`);
  const fault = `power cut right after the 250 to the only message (${fileSystem})`;
  return { fault, hits: rounds, promised: rounds, lost, doubled, bound: BOUND, ...spread(backAfterMs) };
}

async function loadedCuts({ fileSystem, options, violations }: Scene): Promise<FaultRow> {
  const { seed, rounds, progress } = options;
  const random = new Random(seed + 1);
  const kills: Kill[] = [];
  const backAfterMs: number[] = [];
  await using recorder = await Recorder.start();
  await using disk = new PowerDisk(fileSystem);
  await using sces = await powered(disk, recorder);
  const ledger = new Ledger(join(sces.directory, "ledger"));
  for (let round = 1; round <= rounds; round++) {
    const before = ledger.promised().length;
    const traffic = new Traffic({
      smtpPort: sces.smtpPort,
      ledger,
      random: new Random(seed + 100 * round), // new tokens each round
      sessions: 12,
      messagesPerSecond: 150,
    });
    await pause(random.between(1500, 4000));
    const cut = await disk.arm();
    const kill = await cutNow(cut);
    kills.push(kill);
    sces.killAll();
    await traffic.stop();
    takeBack(ledger, kill.at);
    progress(
      `power cut ${round} of ${rounds} under load on ${fileSystem}: ${ledger.promised().length - before} promised`,
    );
    await powerBack(sces, disk);
    backAfterMs.push(Date.now() - kill.at);
  }
  recorder.isHealed = true;
  await sces.drained(90_000).catch((error) => violations.push((error as Error).message));
  await sces.stop();
  const windows = { duplicateWindowMs: DUPLICATE_WINDOW_MS, lateMs: LATE_MS };
  const verdict = finalVerdict({ ledger, recorder, spool: sces.spool, kills, ...windows });
  violations.push(...verdict.violations.map((violation) => `power cut under load on ${fileSystem}: ${violation}`));
  sces.keep ||= verdict.violations.length > 0;
  if (sces.keep) console.log(`log and ledger: ${sces.directory}`);
  const fault = `power cut under load (${fileSystem})`;
  return { fault, hits: rounds, ...counted(verdict), bound: BOUND, ...spread(backAfterMs) };
}

/** The power goes while one process stands at a crash point. */
async function cutsAtPoints({ fileSystem, options, violations }: Scene): Promise<FaultRow> {
  const random = new Random(options.seed + 2);
  const kills: Kill[] = [];
  using faults = new Faults();
  await using recorder = await Recorder.start();
  await using disk = new PowerDisk(fileSystem);
  await using sces = await powered(disk, recorder, faults.environment);
  const ledger = new Ledger(join(sces.directory, "ledger"));
  const stage = new Stage({ sces, recorder, ledger, faults, random });
  const crash: Crash = async ({ sces }) => {
    const cut = await disk.arm();
    stage.isUp = false;
    const kill = await cutNow(cut);
    takeBack(ledger, kill.at);
    await powerBack(sces, disk);
    stage.isUp = true;
    return kill;
  };
  const points = random.shuffled(POINTS.filter(({ when }) => when === "before" || when === "after"));
  // Those about spent files always: nothing else writes where something was.
  const first = points.filter(({ point, at }) => point === "R" || at.includes("free/"));
  const others = points.filter((point) => !first.includes(point)).slice(0, options.points);
  const chosen = [...first, ...others].map((point) => ({ ...point, isSlow: false }));
  const played = await playPoints(stage, chosen, "stop", crash, kills, (text) =>
    options.progress(`power cut on ${fileSystem} at ${text}`),
  );
  for (const { point, wasHit } of played) if (!wasHit) violations.push(`${nameOf(point)}: never came there`);
  recorder.isHealed = true;
  await sces.drained(60_000).catch((error) => violations.push((error as Error).message));
  await sces.stop();
  const windows = { duplicateWindowMs: DUPLICATE_WINDOW_MS, lateMs: LATE_MS };
  const verdict = finalVerdict({ ledger, recorder, spool: sces.spool, kills, ...windows });
  const found = [...played.flatMap((one) => one.violations), ...verdict.violations];
  violations.push(...found.map((violation) => `power cut on ${fileSystem}: ${violation}`));
  sces.keep ||= found.length > 0;
  if (sces.keep) console.log(`log and ledger: ${sces.directory}`);
  const fault = `power cut while a process stands at a crash point (${fileSystem})`;
  const recovery = spread(played.map(({ recoveryMs }) => recoveryMs));
  return { fault, hits: kills.length, ...counted(verdict), bound: BOUND, ...recovery };
}

function mailOf({ token, sender, content }: Parcel): Mail {
  return { from: sender, to: [`ok.${token}.0@d1.test`], content };
}

/** The end of a queue id tells the file's inode. */
function inodeOf(id: string): string {
  return id.slice(id.lastIndexOf("z") + 1);
}

async function cutNow(cut: () => Promise<void>): Promise<Kill> {
  const at = Date.now();
  await cut();
  return { name: "power", at, doneAt: Date.now() };
}

/** The kernel may answer a sync while it goes down: what was acknowledged from the cut on is no promise. */
function takeBack(ledger: Ledger, from: number): void {
  ledger.note("power cut", {});
  for (const entry of ledger.entries.values()) if ((entry.acknowledgedAt ?? 0) >= from) delete entry.acknowledgedAt;
}

/** An instance whose spool is on the disk, its log elsewhere. */
async function powered(
  disk: PowerDisk,
  recorder: Recorder,
  environment: Readonly<Record<string, string>> = {},
): Promise<Instance> {
  const spool = join(disk.path, "spool");
  mkdirSync(spool, { mode: 0o700 });
  const parameters = { ...STAGE_PARAMETERS, relayhost: `[127.0.0.1]:${recorder.port}` };
  return instance(parameters, { spool, environment });
}

async function powerBack(sces: Instance, disk: PowerDisk): Promise<void> {
  sces.killAll();
  await until("all processes to end", () => sces.pids().length === 0);
  await disk.restore();
  await sces.start();
}
