import { expect, test } from "vitest";
import type { JournalRecord } from "../../src/mail/journal.ts";
import { lastTranscripts } from "../../src/mail/transcript.ts";
import { Transcript } from "../../src/process/smtp/transcript.ts";

const HOST = { name: "mx.example.org", address: "192.0.2.1", port: 25 };
const said = (transcript: Transcript, limit = 100_000) =>
  transcript.written(limit).lines.map(([, who, text]) => `${who}: ${text}`);

test("a line a line, each made safe, in the order in which they were said", () => {
  const transcript = new Transcript(HOST);
  transcript.reply("220-one\n220 two\x1b[31m");
  transcript.command("EHLO sces.test\r\n");
  transcript.reply(Buffer.from("250 grüß dich").toString("latin1"));
  transcript.command("MAIL FROM:<a@b>\r\nRCPT TO:<ü@b>\r\n");
  expect(said(transcript)).toEqual([
    "S: 220-one",
    "S: 220 two\\x1b[31m",
    "C: EHLO sces.test",
    "S: 250 grüß dich",
    "C: MAIL FROM:<a@b>",
    "C: RCPT TO:<ü@b>",
  ]);
});

test("content is counted, not kept", () => {
  const transcript = new Transcript(HOST);
  transcript.content(4000);
  transcript.content(96);
  transcript.command(".\r\n");
  transcript.reply("250 ok");
  expect(said(transcript)).toEqual(["C: [content, 4096 bytes]", "C: .", "S: 250 ok"]);
});

test("content that was still going out is counted too", () => {
  const transcript = new Transcript(HOST);
  transcript.content(4000);
  expect(said(transcript)).toEqual(["C: [content, 4000 bytes]"]);
});

test("credentials are masked, however they are sent", () => {
  const transcript = new Transcript(HOST);
  for (const line of ["AUTH PLAIN AGJvYgBzZWNyZXQ=", "AUTH LOGIN", "Ym9i", "c2VjcmV0", "AUTH =c2VjcmV0", "auth x"]) {
    transcript.secret(line);
  }
  expect(said(transcript)).toEqual([
    "C: AUTH PLAIN [not shown]",
    "C: AUTH LOGIN",
    "C: [not shown]",
    "C: [not shown]",
    "C: [not shown]",
    "C: auth x",
  ]);
});

test("the second message has the opening and its own words, not those of the first", () => {
  const opening = new Transcript(HOST);
  opening.reply("220 hello");
  const first = opening.continued(0);
  first.command("MAIL FROM:<first@b>\r\n");
  const second = opening.continued(1);
  second.command("MAIL FROM:<second@b>\r\n");
  expect(said(first)).toEqual(["S: 220 hello", "C: MAIL FROM:<first@b>"]);
  expect(said(second)).toEqual([
    "S: 220 hello",
    "*: 1 earlier message over this connection",
    "C: MAIL FROM:<second@b>",
  ]);
});

test("what is kept of a long session is its beginning and its end", () => {
  const transcript = new Transcript(HOST);
  for (let number = 1; number <= 5000; number++) transcript.reply(`250 ${number}`);
  const lines = said(transcript);
  expect(lines.length).toBeLessThan(210);
  expect(lines.slice(0, 2)).toEqual(["S: 250 1", "S: 250 2"]);
  expect(lines.at(-1)).toBe("S: 250 5000");
  const gap = lines.findIndex((line) => /left out/.test(line));
  const [before, after] = [lines[gap - 1], lines[gap + 1]].map((line) => Number(line?.split(" ")[2]));
  expect(lines[gap]).toBe(`*: [${(after ?? 0) - (before ?? 0) - 1} commands and replies left out]`);
});

test.each([100, 500, 1000, 8192])("of a pipelined batch no more than %i characters are written", (limit) => {
  const transcript = new Transcript(HOST);
  transcript.reply("220 hello");
  transcript.command(Array.from({ length: 1000 }, (_, index) => `RCPT TO:<${index}@example.org>\r\n`).join(""));
  transcript.reply("550 no");
  const written = transcript.written(limit);
  expect(JSON.stringify(written.lines).length).toBeLessThan(limit + 100);
  const lines = said(transcript, limit);
  expect(lines[0]).toBe("S: 220 hello");
  expect(lines.at(-1)).toBe("S: 550 no");
  expect(lines.some((line) => /^\*: \[\d+ lines left out\]$/.test(line))).toBe(true);
});

test("of each recipient the last transcript, of many in one session one", () => {
  const record = (time: number, recipients: number[]): JournalRecord => ({
    kind: "transcript",
    time,
    recipients,
    sessions: [],
  });
  const records = [record(1, [0, 1, 2]), record(2, [3]), record(3, [0, 1]), record(4, [3])];
  expect(lastTranscripts(records).map(({ time }) => time)).toEqual([1, 3, 4]);
  expect(lastTranscripts(records.slice(1)).map(({ time }) => time)).toEqual([3, 4]);
});
