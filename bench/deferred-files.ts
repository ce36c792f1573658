/**
 * Messages that wait in deferred/, as many as are wanted: queue files as the program writes them, each to one recipient
 * and in one block of the disk, with the attempts that failed, what was said in the last one, and the time of the next.
 * Senders, domains, reasons and ages are spread as in the queue of a busy host. None is due for hours.
 *
 *   node bench/deferred-files.ts DIRECTORY FIRST COUNT      numbers from FIRST on, so that several may work at once
 */
import { closeSync, constants, futimesSync, openSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import type { Attempt } from "../src/mail/attempt.ts";
import type { Envelope } from "../src/mail/envelope.ts";
import { makeQueueId } from "../src/mail/queue-id.ts";
import type { TranscriptRecord } from "../src/mail/transcript.ts";
import { encodeEnvelope, encodeHead, HEAD_LENGTH } from "../src/spool/format.ts";
import { encodeRecord } from "../src/spool/record.ts";

const HOUR_MS = 3_600_000;
const OLDEST_MS = 20 * HOUR_MS;
/** No scan of a run finds anything to bring. */
const DUE_MS = [3 * HOUR_MS, 20 * HOUR_MS] as const;
const DOMAINS = 3000;
const SENDERS = 500;
const CONTENT_BYTES = 1400;
/** First block of the inodes that the ids tell of. */
const FIRST_INODE = 20_000_000;

const REASONS: readonly (Pick<Attempt, "type" | "dsn"> & { readonly text: (host: string) => string })[] = [
  { type: "connect", dsn: "4.4.1", text: (host) => `connect to ${host}[198.51.100.7]:25: Connection timed out` },
  { type: "refused", dsn: "4.4.1", text: (host) => `connect to ${host}[198.51.100.7]:25: Connection refused` },
  {
    type: "error",
    dsn: "4.7.1",
    text: (host) =>
      `host ${host}[198.51.100.7] said: 450 4.7.1 Greylisted, see https://greylist.example/${host} (in reply to RCPT TO command)`,
  },
  {
    type: "error",
    dsn: "4.2.2",
    text: (host) =>
      `host ${host}[198.51.100.7] said: 452 4.2.2 The recipient's inbox is out of storage space (in reply to RCPT TO command)`,
  },
  {
    type: "error",
    dsn: "4.7.28",
    text: (host) =>
      `host ${host}[198.51.100.7] said: 421 4.7.28 Our system has detected an unusual rate of mail originating from your address (in reply to end of DATA command)`,
  },
  { type: "nohosts", dsn: "4.4.3", text: (host) => `${host}: the DNS did not answer` },
];

/** The same numbers in every run (mulberry32). */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const [directory = "", first = "0", count = "0"] = process.argv.slice(2);
if (directory === "") throw new Error("usage: node bench/deferred-files.ts DIRECTORY FIRST COUNT");

const chance = random(Number(first) + 1);
const now = Date.now();
const body = Buffer.from(`${"A line of text as letters have them, neither long nor short.\r\n".repeat(40)}`);
const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;

for (let number = Number(first); number < Number(first) + Number(count); number += 1) {
  const { id, bytes, due } = deferredFile(number);
  const fd = openSync(`${directory}/${id}`, FLAGS, 0o600);
  writeSync(fd, bytes);
  futimesSync(fd, due / 1000, due / 1000);
  closeSync(fd);
}

function deferredFile(number: number): { id: string; bytes: Buffer; due: number } {
  const arrival = now - Math.floor(chance() * OLDEST_MS);
  const micros = (arrival % 1000) * 1000 + (number % 1000);
  const id = makeQueueId(Math.floor(arrival / 1000), micros, FIRST_INODE + number);
  // Few domains have most of it.
  const domain = `domain${Math.floor(DOMAINS * chance() ** 4)}.example`;
  const sender = `newsletter-${number}@sender${Math.floor(SENDERS * chance() ** 3)}.example`;
  const recipient = `some.person${number}@${domain}`;
  const envelope: Envelope = {
    id,
    arrival,
    sender,
    recipients: [{ address: recipient }],
    origin: "smtpd",
    client: { name: "app.sender.example", address: "192.0.2.10", helo: "app.sender.example", proto: "ESMTP" },
    messageId: `<${id}.${number}@sender.example>`,
    subject: `News of the week, number ${number}`,
  };
  const line = encodeEnvelope(envelope);
  const head = Buffer.from(
    `Received: from app.sender.example (app.sender.example [192.0.2.10])\r\n\tby sces.test (sces) with ESMTP id ${id}\r\n\tfor <${recipient}>; Wed, 25 Nov 2026 10:00:00 +0000\r\nFrom: <${sender}>\r\nTo: <${recipient}>\r\nSubject: ${envelope.subject}\r\nMessage-ID: ${envelope.messageId}\r\n\r\n`,
  );
  const content = Buffer.concat([head, body.subarray(0, CONTENT_BYTES - head.length)]);
  const first = encodeHead({
    offset: HEAD_LENGTH + line.length,
    length: content.length,
    envelopeCrc: crc32(line),
    contentCrc: crc32(content),
  });
  const due = now + DUE_MS[0] + Math.floor(chance() * (DUE_MS[1] - DUE_MS[0]));
  const journal = Buffer.from(journalOf(domain, arrival, due));
  return { id, bytes: Buffer.concat([Buffer.from(first), line, content, journal]), due };
}

function journalOf(domain: string, arrival: number, due: number): string {
  const reason = REASONS[Math.floor(chance() * REASONS.length)] ?? REASONS[0];
  if (reason === undefined) throw new Error("no reasons");
  const host = `mx1.${domain}`;
  const attempts = chance() < 0.5 ? 1 : 2;
  let text = "";
  let time = arrival;
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    time = arrival + attempt * 300_000;
    const record: Attempt = {
      kind: "attempt",
      recipient: 0,
      attempt,
      type: reason.type,
      outcome: "deferred",
      time,
      from: "192.0.2.1",
      to: "198.51.100.7",
      port: 25,
      host,
      dsn: reason.dsn,
      text: reason.text(host),
    };
    text += encodeRecord(record);
  }
  const transcript: TranscriptRecord = {
    kind: "transcript",
    time,
    recipients: [0],
    sessions: [
      {
        host,
        address: "198.51.100.7",
        port: 25,
        time: time - 900,
        lines: [
          [210, "S", `220 ${host} ESMTP`],
          [211, "C", "EHLO sces.test"],
          [320, "S", `250-${host} 250-PIPELINING 250-SIZE 52428800 250 8BITMIME`],
          [321, "C", "MAIL FROM:<...>"],
          [430, "S", "250 2.1.0 Ok"],
          [431, "*", reason.text(host)],
        ],
      },
    ],
  };
  return text + encodeRecord(transcript) + encodeRecord({ kind: "schedule", time, next: due });
}
