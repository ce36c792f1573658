/**
 * A filesystem that becomes read-only under the running system, as ext4 does after an error: clients hear 4xx, commands
 * say that nothing was changed, what is queued can be looked at, and once it can be written again all is delivered.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Instance, instance } from "../harness/instance.ts";
import { SmtpClient, SmtpRefusal } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";
import { makeParcel, type Parcel } from "./parcel.ts";
import { PowerDisk, whyNoPowerDisk } from "./power-disk.ts";
import { Random } from "../harness/random.ts";
import { Recorder } from "./recorder.ts";
import { type Part, spread } from "./report.ts";
import { STAGE_PARAMETERS } from "./stage.ts";

const MESSAGES = 20;
const TRIES = 10; // while nothing can be written

export async function readOnly(seed: number, progress: (text: string) => void): Promise<Part> {
  const reason = whyNoPowerDisk("ext4");
  if (reason) return { rows: [], violations: [], skipped: [`read-only filesystem: ${reason}`] };
  const random = new Random(seed);
  const violations: string[] = [];
  const promised: Parcel[] = [];
  await using recorder = await Recorder.start();
  await using disk = new PowerDisk("ext4");
  const spool = join(disk.path, "spool");
  mkdirSync(spool, { mode: 0o700 });
  await using sces = await instance(
    // Deferred mail rests, so that nothing is on its way when the disk fails.
    {
      ...STAGE_PARAMETERS,
      relayhost: `[127.0.0.1]:${recorder.port}`,
      minimal_backoff_time: "1m",
      maximal_backoff_time: "1m",
    },
    { spool },
  );
  recorder.isClosed = true;
  for (let number = 1; number <= MESSAGES; number++) promised.push((await send(sces, random, number)).parcel);
  await sces.waitForQueue("deferred", MESSAGES);
  disk.becomeReadOnly();
  for (let number = 1; number <= TRIES; number++) {
    const { reply } = await send(sces, random, MESSAGES + number);
    if (!reply.startsWith("4")) violations.push(`a client heard on a read-only filesystem: ${reply}`);
    if (number === 1) progress(`read-only: ${reply}`);
  }
  const listed = await sces.run("queue", "list", "--json");
  if (listed.stdout.trim().split("\n").length !== MESSAGES)
    violations.push(`list on a read-only filesystem: ${listed.stderr}`);
  const deleted = await sces.run("queue", "delete", sces.queue("deferred")[0] ?? "");
  if (deleted.code !== 75 || !deleted.stderr.includes("EROFS"))
    violations.push(`delete on a read-only filesystem: status ${deleted.code}: ${deleted.stdout}`);
  progress(`delete on a read-only filesystem: status ${deleted.code}: ${deleted.stdout}${deleted.stderr}`.trim());

  const at = performance.now();
  sces.killAll();
  await until("all processes to end", () => sces.pids().length === 0);
  await disk.restore();
  recorder.isClosed = false;
  recorder.isHealed = true;
  await sces.start();
  await sces.run("queue", "flush");
  await sces.drained().catch((error) => violations.push((error as Error).message));
  const tokens = recorder.deliveries.map(({ token }) => token);
  const lost = promised.filter(({ token }) => !tokens.includes(token)).length;
  const doubled = tokens.length - new Set(tokens).size;
  if (lost > 0) violations.push(`lost after a filesystem was read-only: ${lost}`);
  if (doubled > 0) violations.push(`doubled after a filesystem was read-only: ${doubled}`);
  sces.keep ||= violations.length > 0;
  const fault = "the filesystem becomes read-only (ext4)";
  const row = { fault, hits: 1, promised: MESSAGES, lost, doubled, bound: "what was in line: it cannot be recorded" };
  return { rows: [{ ...row, ...spread([performance.now() - at]) }], violations };
}

async function send(sces: Instance, random: Random, number: number): Promise<{ parcel: Parcel; reply: string }> {
  const parcel = makeParcel(random, number, { recipients: [{ treatment: "ok", domain: "d1.test" }], bytes: 2000 });
  let client: SmtpClient | undefined;
  try {
    client = await SmtpClient.connect(sces.smtpPort);
    await client.hello();
    const { reply } = await client.send({ from: parcel.sender, to: parcel.recipients, content: parcel.content });
    return { parcel, reply: `${reply.code} ${reply.text}` };
  } catch (error) {
    if (error instanceof SmtpRefusal) return { parcel, reply: `${error.reply.code} ${error.reply.text}` };
    throw error;
  } finally {
    client?.close();
  }
}
