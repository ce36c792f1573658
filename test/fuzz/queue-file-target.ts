/**
 * The reader of queue files. Whatever a disk does to one, it is either damaged or says what was written: never another
 * recipient, never a record that nobody wrote, never another text; and a listing shows it.
 */
import { writeFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ScesError } from "../../src/base/errors.ts";
import { listedJson } from "../../src/command/queue/list-json.ts";
import { TextList } from "../../src/command/queue/list-text.ts";
import { shownJson } from "../../src/command/queue/show-json.ts";
import { shownText } from "../../src/command/queue/show-text.ts";
import type { View } from "../../src/command/queue/view.ts";
import type { Attempt } from "../../src/mail/attempt.ts";
import type { EnvelopeDraft } from "../../src/mail/envelope.ts";
import type { JournalRecord } from "../../src/mail/journal.ts";
import { foldJournal } from "../../src/mail/state.ts";
import type { RetryRules } from "../../src/service/retry-rules.ts";
import { openContent, type QueueFile, readContentStart, readQueueFile } from "../../src/spool/file.ts";
import { Intake } from "../../src/spool/intake.ts";
import { appendRecords } from "../../src/spool/journal.ts";
import { retryRules } from "../harness/retrying.ts";
import { mustBeSafe, promise, type Target } from "./target.ts";

const ATTEMPT: Attempt = {
  kind: "attempt",
  recipient: 0,
  attempt: 1,
  type: "error",
  outcome: "deferred",
  time: 1000,
  host: "mx.e.org",
  to: "192.0.2.1",
  port: 25,
  code: 450,
  status: "4.2.0",
  description: "later",
  state: "rcpt to",
  dsn: "4.2.0",
  text: "host mx.e.org[192.0.2.1] said: 450 4.2.0 later (in reply to RCPT TO command)",
};

const RECORDS: readonly JournalRecord[] = [
  { kind: "hold", time: 1, reason: 'a "rule"' },
  { kind: "release", time: 2 },
  { kind: "rewritten", time: 3, replaced: [1], added: [{ address: "c@two.test", original: "b@two.test" }] },
  ATTEMPT,
  { kind: "schedule", time: 1001, next: 301_000, recipients: [0] },
  { kind: "delayed", time: 1002, after: 14_400_000, recipients: [0] },
  { ...ATTEMPT, recipient: 2, outcome: "bounced", code: 550, dsn: "5.1.1", text: "no such user" },
  { kind: "reporting", time: 1003, report: "4jXKqZ2MC7zJ9RG", action: "failed", recipients: [2] },
  { kind: "reported", time: 1004, report: "4jXKqZ2MC7zJ9RG", action: "failed", recipients: [2] },
  { kind: "suspect", time: 1005, alone: true },
  { kind: "transcript", time: 1006, recipients: [0], sessions: [] } as unknown as JournalRecord,
  { kind: "expire", time: 1007 },
];

const DRAFTS: readonly EnvelopeDraft[] = [
  { sender: "", recipients: [{ address: "a@one.test" }], origin: "bounce" },
  {
    sender: "ü@sender.test",
    recipients: [{ address: "a@one.test", notify: ["SUCCESS"], orcpt: "rfc822;a@one.test" }, { address: "b@two.test" }],
    origin: "smtpd",
    smtputf8: true,
    client: { name: "unknown", address: "192.0.2.9", helo: "x", proto: "ESMTP" },
    subject: "Grüße",
    messageId: "<1@sender.test>",
  },
];

interface Original {
  readonly bytes: Buffer;
  readonly file: QueueFile;
  readonly content: string;
}

/** In a spool, which is the working directory. */
export async function queueFileTarget(directory: string): Promise<Target> {
  const originals: Original[] = [];
  for (const draft of DRAFTS) {
    for (const records of [[], RECORDS]) {
      const { id } = await new Intake().open().commit(draft, [Buffer.from(`Subject: x\r\n\r\n${draft.sender}\r\n`)]);
      const path = `incoming/${id}`;
      if (records.length > 0) appendRecords(path, records);
      const content = openContent(path, 1_000_000).bytes?.toString("latin1") ?? "";
      originals.push({ bytes: readFileSync(path), file: readQueueFile(path), content });
    }
  }
  const path = join(directory, "queue-file");
  const rules = retryRules();
  const written = new Set(originals.flatMap(({ file }) => file.records.map((record) => JSON.stringify(record))));

  return {
    name: "queue-file",
    share: 1,
    seeds: originals.map(({ bytes }) => bytes),
    dictionary: [
      "SCES1 ",
      "\n",
      '\n{"kind":"delete","time":1,"crc":"00000000"}\n',
      '"recipient":0',
      '"sent"',
      ',"crc":"',
      "\0",
    ],
    maxBytes: 64 * 1024,
    first: systematic(originals.map(({ bytes }) => bytes)),
    async run(input) {
      writeFileSync(path, input);
      const file = unlessDamaged(() => readQueueFile(path));
      const content = unlessDamaged(() => openContent(path, 1_000_000).bytes?.toString("latin1"));
      const start = unlessDamaged(() => readContentStart(path, 100));
      const streamed = await inChunks(path);
      promise(content === streamed, "the content differs when it is streamed");
      if (content !== undefined) {
        promise(
          originals.some((one) => one.content === content),
          "a content that nobody wrote",
        );
      }
      if (file === undefined) return `damaged ${content === undefined} ${start === undefined}`;

      const known = originals.find((one) => one.file.envelope.id === file.envelope.id);
      const { recipients, ...head } = file.envelope;
      const { recipients: own = [], ...headThen } = known?.file.envelope ?? {};
      promise(JSON.stringify(head) === JSON.stringify(headThen), "an envelope that nobody wrote");
      const possible = new Set(
        [...own, { address: "c@two.test", original: "b@two.test" }].map((one) => JSON.stringify(one)),
      );
      promise(
        recipients.every((one) => possible.has(JSON.stringify(one))),
        "a recipient that nobody wrote",
      );
      promise(
        file.records.every((record) => written.has(JSON.stringify(record))),
        "a record that nobody wrote",
      );
      show({ ...file, path, sizeBytes: file.length, id: file.envelope.id, queue: "deferred" }, rules);
      return `read ${file.records.length} ${Math.min(3, file.unreadable)} ${content === undefined}`;
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** Every file cut at every place, with every bit turned, and with a byte more at every place. */
function* systematic(files: readonly Buffer[]): Generator<Buffer> {
  for (const file of files) {
    for (let at = 0; at <= file.length; at++) {
      yield file.subarray(0, at);
      yield Buffer.concat([file.subarray(0, at), Buffer.from("\n"), file.subarray(at)]);
      if (at === file.length) break;
      for (let bit = 0; bit < 8; bit++) {
        const turned = Buffer.from(file);
        turned[at] = (turned[at] ?? 0) ^ (1 << bit);
        yield turned;
      }
    }
  }
}

/** Damage is an answer; that the disk could not be read is none, for it can. */
function unlessDamaged<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof ScesError && error.code === "FILE_DAMAGED") {
      mustBeSafe(error.message, "a reason");
      return undefined;
    }
    throw error;
  }
}

async function inChunks(path: string): Promise<string | undefined> {
  const content = unlessDamaged(() => openContent(path, 0));
  if (content === undefined) return undefined;
  let text = "";
  try {
    for await (const chunk of content.chunks(64)) text += chunk.toString("latin1");
    return text;
  } catch (error) {
    return unlessDamaged(() => {
      throw error;
    });
  } finally {
    content.close();
  }
}

function show(seen: Omit<View, "state">, rules: RetryRules): void {
  const view = { ...seen, state: foldJournal(seen.envelope, seen.records) };
  mustBeSafe(new TextList(rules, 0).message(view, 1), "list", { lines: true });
  mustBeSafe(shownText(view, rules, "", undefined), "show", { lines: true });
  for (const json of [listedJson(view, 1, rules), shownJson(view, rules, undefined)]) {
    JSON.parse(json);
    mustBeSafe(json, "JSON", { lines: true });
  }
}
