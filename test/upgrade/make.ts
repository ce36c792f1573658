/**
 * node test/upgrade/make.ts VERSION: writes test/upgrade/samples/VERSION/, a spool with a message in every state in which a
 * crash or an administrator may leave one, by the code of the present version. To be run once for each version whose
 * files differ, and committed; test/system/upgrade.test.ts has every later one read it and bring it to its end.
 *
 * What a checkout cannot hold is in manifest.json: times, modes, second names, and names that hold an inode.
 */
import { cpSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Attempt } from "../../src/mail/attempt.ts";
import type { JournalRecord } from "../../src/mail/journal.ts";
import { draftPath } from "../../src/spool/draft.ts";
import { Intake } from "../../src/spool/intake.ts";
import { appendRecords, setDue } from "../../src/spool/journal.ts";
import { addSecondName, moveMessage } from "../../src/spool/moves.ts";
import { writePauses } from "../../src/spool/pauses.ts";
import { quarantine } from "../../src/spool/quarantine.ts";
import { type Queue, queuePath } from "../../src/spool/queues.ts";
import { SuppressionList } from "../../src/spool/suppressions.ts";
import { sealedPath, takenPath } from "../../src/spool/taken.ts";
import { TempSpool } from "../harness/temp-spool.ts";
import type { Entry, Manifest } from "./restore.ts";

const [version = ""] = process.argv.slice(2);
if (!/^[\w.]+$/.test(version)) throw new Error("usage: node test/upgrade/make.ts VERSION");
const target = resolve(import.meta.dirname, "samples", version);
const START = Date.now() - 3_600_000;
const FAR = Date.UTC(2099, 0, 1);

using spool = new TempSpool();
const intake = new Intake();
const steps: Readonly<Record<string, readonly Queue[]>> = {
  incoming: [],
  active: ["active"],
  deferred: ["active", "deferred"],
  hold: ["hold"],
  bounce: ["active", "bounce"],
};

/** A message named for its state, as it would stand in a queue. */
async function message(name: string, queue: string, to: readonly string[], records: readonly JournalRecord[] = []) {
  const content = `From: <${name}@sender.test>\r\nSubject: ${name}\r\nMessage-ID: <${name}@sender.test>\r\n\r\n.${name}\r\n`;
  const { id } = await intake
    .open()
    .commit({ sender: `${name}@sender.test`, recipients: to.map((address) => ({ address })), origin: "smtpd" }, [
      Buffer.from(content),
    ]);
  if (records.length > 0) appendRecords(queuePath("incoming", id), records);
  let at: Queue = "incoming";
  for (const next of steps[queue] ?? []) {
    moveMessage(id, at, next);
    at = next;
  }
  return id;
}

function tried(recipient: number, outcome: Attempt["outcome"], attempt = 1): Attempt {
  const text = outcome === "sent" ? "250 2.0.0 Ok" : "host mx.test[192.0.2.1] said: no (in reply to RCPT TO command)";
  const dsn = { sent: "2.0.0", deferred: "4.2.0", bounced: "5.1.1", expired: "4.4.7" }[outcome];
  const type = outcome === "sent" ? "success" : "error";
  return { kind: "attempt", recipient, attempt, type, outcome, time: START + attempt, dsn, text };
}
const schedule = (next: number, recipients?: readonly number[]): JournalRecord => ({
  kind: "schedule",
  time: START + 10,
  next,
  ...(recipients === undefined ? {} : { recipients }),
});

await message("new", "incoming", ["a@here.test", "b@here.test"]);
await message("active", "active", ["a@here.test"]);
await message("active.half", "active", ["done@here.test", "b@here.test"], [tried(0, "sent")]);
setDue(
  queuePath(
    "deferred",
    await message("due", "deferred", ["a@here.test"], [tried(0, "deferred"), schedule(START + 20)]),
  ),
  START + 20,
);
setDue(
  queuePath(
    "deferred",
    await message(
      "later",
      "deferred",
      ["a@here.test"],
      [tried(0, "deferred"), { kind: "schedule", time: START, next: FAR, scheduled: true }],
    ),
  ),
  FAR,
);
setDue(
  queuePath(
    "deferred",
    await message("paused", "deferred", ["a@paused.test"], [tried(0, "deferred"), schedule(START + 20)]),
  ),
  START + 20,
);
setDue(
  queuePath(
    "deferred",
    await message("suppressed", "deferred", ["no@here.test"], [tried(0, "deferred"), schedule(START + 20)]),
  ),
  START + 20,
);

const both = await message(
  "both",
  "active",
  ["bad@here.test", "b@here.test"],
  [tried(0, "bounced"), tried(1, "deferred"), schedule(START + 20)],
);
addSecondName(both, "active", "bounce");
moveMessage(both, "active", "deferred");
setDue(queuePath("deferred", both), START + 20);

await message("failed", "bounce", ["bad@here.test"], [tried(0, "bounced")]);
// Its report is whole, and announced, and not yet published.
const announced = await message("announced", "bounce", ["bad@here.test"], [tried(0, "bounced")]);
const report = intake.open();
const text =
  "From: MAILER-DAEMON@here.test\r\nSubject: Undelivered\r\nAuto-Submitted: auto-replied\r\n\r\nabout announced\r\n";
const reader = { address: "announced@sender.test" };
await report.seal(
  { sender: "", recipients: [reader], origin: "bounce", notice: announced },
  [Buffer.from(text)],
  draftPath(announced),
);
appendRecords(queuePath("bounce", announced), [
  { kind: "reporting", time: START + 30, report: report.id, action: "failed", recipients: [0] },
]);

await message("held", "hold", ["a@here.test"], [{ kind: "hold", time: START, reason: "to be looked at" }]);
const damaged = await message("damaged", "incoming", ["a@here.test"]);
quarantine("incoming", damaged, "cleanup", "a reason");
writeFileSync("strange", "no message\n", { mode: 0o600 });
renameSync("strange", "deferred/strange");
quarantine("deferred", "strange", "defer", "is no message, yet it was in deferred/");

writeFileSync("drop/letter.eml", "From: eml@sender.test\nTo: a@here.test\nSubject: eml\n\n.eml\n", { mode: 0o600 });
writeFileSync(
  "drop/letter.json",
  `${JSON.stringify({ envelope: "json@sender.test", recipient: "a@here.test", mime: "From: json@sender.test\r\nSubject: json\r\n\r\n.json\r\n" })}\n`,
  { mode: 0o600 },
);
writeFileSync("drop/taken.eml", "From: taken@sender.test\nTo: a@here.test\nSubject: taken\n\n.taken\n", {
  mode: 0o600,
});
const taken = intake.open();
const inode = lstatSync("drop/taken.eml").ino;
await taken.seal(
  { sender: "taken@sender.test", recipients: [{ address: "a@here.test" }], origin: "pickup" },
  [Buffer.from("From: taken@sender.test\r\nSubject: taken\r\n\r\n.taken\r\n")],
  sealedPath(taken.id, inode),
);
renameSync("drop/taken.eml", takenPath(taken.id));

writePauses([{ kind: "domain", value: "paused.test", reason: "a test", since: START }]);
const list = new SuppressionList();
list.add([{ value: "no@here.test", reason: "asked not to", code: "5.7.1", since: START }]);
list.close();

rmSync(target, { recursive: true, force: true });
const entries: Entry[] = [];
const seen = new Map<number, string>();
for (const name of readdirSync(".", { recursive: true, encoding: "utf8" }).sort()) {
  const stat = lstatSync(name);
  if (!stat.isFile() || name.startsWith("run/")) continue;
  const first = seen.get(stat.ino);
  const common = { name, mtime: stat.mtimeMs, mode: stat.mode & 0o7777 };
  if (first !== undefined) entries.push({ ...common, link: first });
  else if (name === sealedPath(taken.id, inode)) entries.push({ ...common, inodeOf: takenPath(taken.id) });
  else entries.push(common);
  seen.set(stat.ino, name);
  if (first !== undefined) continue;
  mkdirSync(join(target, name, ".."), { recursive: true });
  cpSync(name, join(target, name));
}
const manifest: Manifest = { version, entries };
writeFileSync(join(target, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
console.log(`${target}: ${entries.length} names; ${spool.names("deferred").length} deferred`);
