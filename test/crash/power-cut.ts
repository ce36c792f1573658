/**
 * Power cuts. Quiet: one message, its 250, cut at once; under load other messages' syncs would hide one that is
 * missing. Under load: what was acknowledged before the cut must be there afterwards, whole.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Instance, instance, type Parameters } from "../harness/instance.ts";
import { SmtpClient } from "../harness/smtp-client.ts";
import { pause, until } from "../harness/until.ts";
import { finalVerdict } from "./final-verdict.ts";
import { Ledger } from "./ledger.ts";
import { ALIASES, makeParcel } from "./parcel.ts";
import { PowerDisk, whyNoPowerDisk } from "./power-disk.ts";
import { Random } from "./random.ts";
import { Recorder } from "./recorder.ts";
import { Traffic } from "./traffic.ts";
import type { Kill } from "./verdict.ts";

export interface PowerCutOptions {
  readonly seed: number;
  readonly rounds: number; // of each kind
  readonly progress: (text: string) => void;
}

const ARRIVES_WITHIN_MS = 15_000;
const DUPLICATE_WINDOW_MS = 4_000; // spool_sync_interval, and what a loaded machine adds to it
const LATE_MS = 1_000;

/** The violations; none, with a printed reason, where the power of a disk cannot be cut. */
export async function powerCuts(options: PowerCutOptions): Promise<string[]> {
  const reason = whyNoPowerDisk();
  if (reason) {
    console.log(`power cuts skipped: ${reason}`);
    return [];
  }
  return [...(await quietCuts(options)), ...(await loadedCuts(options))];
}

async function quietCuts({ seed, rounds, progress }: PowerCutOptions): Promise<string[]> {
  const random = new Random(seed);
  const violations: string[] = [];
  await using recorder = await Recorder.start();
  recorder.isHealed = true;
  await using disk = new PowerDisk();
  await using sces = await powered(disk, recorder);
  for (let round = 1; round <= rounds; round++) {
    const parcel = makeParcel(random, round);
    const recipients = [`ok.${parcel.token}.0@d1.test`];
    await until("an empty spool", () =>
      ["incoming", "active", "deferred"].every((name) => sces.queue(name as "active").length === 0),
    );
    const client = await SmtpClient.connect(sces.smtpPort);
    await client.hello();
    // Nobody may touch the message, and sync anything, between the 250 and the cut.
    sces.kill("cleanup", "SIGSTOP");
    const cut = await disk.arm();
    const { id } = await client.send({ from: parcel.sender, to: recipients, content: parcel.content });
    await cut();
    client.close();
    await powerBack(sces, disk);
    try {
      await until(
        "the message",
        () => recorder.deliveries.find(({ token }) => token === parcel.token),
        ARRIVES_WITHIN_MS,
      );
    } catch {
      violations.push(`quiet power cut: ${id} (${parcel.content.length} bytes) had its 250 and is gone`);
    }
    const arrived = recorder.deliveries.filter(({ token }) => token === parcel.token);
    if (arrived.some(({ digest }) => digest !== parcel.digest)) violations.push(`quiet power cut: ${id} is damaged`);
    progress(`quiet power cut ${round} of ${rounds}: ${arrived.length > 0 ? "there" : "LOST"}`);
  }
  sces.keep ||= violations.length > 0;
  return violations;
}

async function loadedCuts({ seed, rounds, progress }: PowerCutOptions): Promise<string[]> {
  const random = new Random(seed + 1);
  const kills: Kill[] = [];
  await using recorder = await Recorder.start();
  await using disk = new PowerDisk();
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
    await pause(random.between(1000, 4000));
    const cut = await disk.arm();
    const at = Date.now();
    await cut();
    kills.push({ name: "power", at, doneAt: Date.now() });
    ledger.note("power cut", {});
    sces.killAll();
    await traffic.stop();
    // The kernel may answer a sync while it goes down: what was acknowledged from the cut on is no promise.
    for (const entry of ledger.entries.values()) if ((entry.acknowledgedAt ?? 0) >= at) delete entry.acknowledgedAt;
    progress(`power cut ${round} of ${rounds} under load: ${ledger.promised().length - before} promised`);
    await powerBack(sces, disk);
  }
  recorder.isHealed = true;
  const violations: string[] = [];
  await sces.drained(90_000).catch((error) => violations.push((error as Error).message));
  await sces.stop();
  const verdict = finalVerdict({
    ledger,
    recorder,
    spool: sces.spool,
    kills,
    duplicateWindowMs: DUPLICATE_WINDOW_MS,
    lateMs: LATE_MS,
  });
  violations.push(...verdict.violations.map((violation) => `power cut under load: ${violation}`));
  const { promised, delivered, returned, queued, duplicates } = verdict;
  console.log(
    `power cuts under load: ${promised} promised; recipients: ${delivered} delivered, ${returned} returned, ` +
      `${queued} queued, ${duplicates} duplicates`,
  );
  sces.keep ||= violations.length > 0;
  if (sces.keep) console.log(`log and ledger: ${sces.directory}`);
  return violations;
}

/** An instance whose spool is on the disk, its log elsewhere. */
async function powered(disk: PowerDisk, recorder: Recorder): Promise<Instance> {
  const spool = join(disk.path, "spool");
  mkdirSync(spool, { mode: 0o700 });
  const parameters: Parameters = {
    ...ALIASES,
    relayhost: `[127.0.0.1]:${recorder.port}`,
    smtp_tls_security_level: "none",
    queue_run_delay: "1s",
    minimal_backoff_time: "1s",
    maximal_backoff_time: "4s",
    smtpd_client_connection_count_limit: 0,
  };
  return instance(parameters, { spool });
}

async function powerBack(sces: Instance, disk: PowerDisk): Promise<void> {
  sces.killAll();
  await until("all processes to end", () => sces.pids().length === 0);
  await disk.restore();
  await sces.start();
}
