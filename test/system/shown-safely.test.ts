/**
 * Text from outside is safe wherever it is shown: in the log, in listings on a terminal and in reports. It is cleaned
 * where it comes in; here it is put in raw, as if some door had forgotten that.
 */
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { memoryLog } from "../../src/base/log.ts";
import { run } from "../../src/command/queue/run.ts";
import type { Attempt } from "../../src/mail/attempt.ts";
import type { Envelope } from "../../src/mail/envelope.ts";
import type { JournalRecord } from "../../src/mail/journal.ts";
import { categoryLine, deliveryLine } from "../../src/mail/log-line.ts";
import { buildReport } from "../../src/mail/report.ts";
import { foldJournal } from "../../src/mail/state.ts";
import { quarantine } from "../../src/spool/quarantine.ts";
import { readQueueFile } from "../../src/spool/file.ts";
import { TempSpool } from "../harness/temp-spool.ts";

/** Controls, escape sequences, line ends of every kind, directions, invisible characters, halves of pairs. */
const EVIL = [
  ..."\0\x07\b\t\n\v\f\r\x1b\x7f\u0085\u009b\u009d\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ufeff",
  ...[
    "\x1b]0;title\x07",
    "\x1b[2J",
    "\u009b31m",
    "\r\n",
    "\n250 Ok",
    "\ud800",
    "\udc00",
    "<script>",
    "%0a",
    "é",
    "a",
    " ",
  ],
];
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|\p{Cs}/u;

const text = fc.array(fc.constantFrom(...EVIL), { minLength: 1, maxLength: 12 }).map((parts) => `x${parts.join("")}`);
const anything = fc.record({ a: text, b: text, c: text, d: text });
type Anything = typeof anything extends fc.Arbitrary<infer T> ? T : never;

function attemptOf({ a, b, c, d }: Anything): Attempt {
  return {
    kind: "attempt",
    recipient: 0,
    attempt: 1,
    type: "error",
    outcome: "deferred",
    time: 1,
    host: a,
    to: b,
    port: 25,
    code: 450,
    description: c,
    state: "rcpt to",
    category: d,
    advice: a,
    dsn: "4.2.0",
    text: `host ${a} said: ${b}`,
    tls: c,
    tlsPolicy: d,
  };
}

function recordsOf(some: Anything): JournalRecord[] {
  const { a, b, c, d } = some;
  const session = { host: a, address: b, port: 25, time: 1, lines: [[1, "S", c] as const, [2, "C", d] as const] };
  return [
    attemptOf(some),
    { ...attemptOf(some), recipient: 1, outcome: "bounced", code: 550, dsn: "5.1.1" },
    { kind: "transcript", time: 1, recipients: [0, 1], sessions: [session] },
    { kind: "hold", time: 2, reason: a },
  ];
}

function draftOf({ a, b, c, d }: Anything) {
  return {
    sender: `${a}@one.test`,
    recipients: [{ address: `${b}@two.test`, original: c, orcpt: d }, { address: a }],
    client: { name: a, address: b, helo: c, proto: d, user: a },
    envid: b,
    messageId: c,
    subject: d,
    notice: a,
  };
}

function mustBeSafe(shown: string, what: string, some: unknown): void {
  const found = UNSAFE.exec(shown.replaceAll(/\r?\n/g, " "));
  if (found === null) return;
  const around = shown.replaceAll(/\r?\n/g, " ").slice(Math.max(0, found.index - 100), found.index + 20);
  throw new Error(`${what} is not safe: ${JSON.stringify(around)}; made of ${JSON.stringify(some)}`);
}

const some = fc.sample(anything, 25);
let spool: TempSpool;

beforeAll(async () => {
  spool = new TempSpool();
  for (const one of some) {
    const { a, b } = one;
    const content = `Subject: ${a}\r\nX: ${b}\r\n\r\nbody\r\n`;
    await spool.add({ queue: "hold", content, draft: draftOf(one), records: recordsOf(one) });
    await spool.add({ queue: "deferred", content, draft: draftOf(one), records: recordsOf(one).slice(0, 3) });
    quarantine("deferred", await spool.add({ draft: draftOf(one) }), "defer", `${a} ${b}`);
  }
});
afterAll(() => spool[Symbol.dispose]());

test.each([
  ["list"],
  ["list", "--json"],
  ["list", "--queue", "corrupt"],
  ["summary"],
  ["summary", "--json"],
  ["summary", "--queue", "hold"],
])("[G11] by sces-queue %s %s %s", async (...args) => {
  const { status, stdout, stderr } = await spool.run(run, args);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  mustBeSafe(stdout, args.join(" "), some);
  expect(stdout.length).toBeGreaterThan(100);
});

test("[G11] by sces-queue show, as text and JSON", async () => {
  const ids = [...spool.names("hold"), ...spool.names("deferred")];
  expect(ids).toHaveLength(2 * some.length);
  for (const more of [[], ["--json"]]) {
    const { status, stdout } = await spool.run(run, ["show", ...more, ...ids]);
    expect(status).toBe(0);
    // The header of a message may have tabs, which do no harm.
    mustBeSafe(stdout.replaceAll("\t", " "), `show ${more}`, some);
  }
});

test("[G11] by commands that name what they were given", async () => {
  for (const { a, b } of some) {
    for (const args of [["show", a], ["delete", a, b], ["list", "--from", `/${a}(/`], [a], ["hold", "ALL", `--${b}`]]) {
      const { stdout, stderr } = await spool.run(run, args);
      mustBeSafe(stdout + stderr, JSON.stringify(args), args);
    }
  }
});

test("[G12] in the log, one line an event", () => {
  const log = memoryLog();
  for (const one of some) {
    const { recipients } = draftOf(one);
    const [recipient = { address: "" }] = recipients;
    log.info(deliveryLine("4jXKqZ2MC7zJ9RG", recipient, attemptOf(one)));
    log.info(categoryLine("4jXKqZ2MC7zJ9RG", recipient, attemptOf(one)) ?? "");
  }
  expect(log.lines).toHaveLength(2 * some.length);
  for (const line of log.lines) {
    expect(line).not.toContain("\n");
    mustBeSafe(line, "a line", some);
  }
});

test("[F10] in the text and the fields of a report", () => {
  for (const id of spool.names("deferred")) {
    const { envelope, records } = readQueueFile(`deferred/${id}`);
    const report = reportOn(envelope, records);
    const [, ...parts] = report.split(/^--[0-9a-f]{32}.*$/m);
    expect(parts).toHaveLength(4);
    // What goes back is the message as it came; what is ours is the rest.
    mustBeSafe(
      `${report.slice(0, report.indexOf("\r\n\r\n"))}${parts[0]}${parts[1]}`.replaceAll("\t", " "),
      "a report",
      envelope,
    );
  }
});

function reportOn(envelope: Envelope, records: readonly JournalRecord[]): string {
  let counter = 0;
  const { content } = buildReport({
    envelope,
    state: foldJournal(envelope, records),
    owed: { action: "failed", to: "sender", recipients: [1] },
    original: { bytes: Buffer.from("Subject: x\r\n\r\n"), isWhole: false },
    id: "4jXCKj2RJyz8m",
    time: 1,
    sender: "",
    reader: "alice@sender.test",
    hostname: "mx.here.test",
    mailName: "sces",
    contact: "postmaster@here.test",
    boundary: () => String(counter++).padStart(32, "0"),
  });
  return Buffer.concat(content).toString("utf8");
}
