/**
 * Reports to the sender or the postmaster as whole messages: multipart/report (RFC 6522) of a text for people, a
 * message/delivery-status for programs (RFC 3464) and what the report is about, by RFC 3461 6 and, where addresses
 * are beyond ASCII, RFC 6533. Pure: bytes out of values.
 */
import { isAscii } from "node:buffer";
import { needsSmtputf8 } from "./address.ts";
import { mailDate } from "./date.ts";
import type { Envelope, EnvelopeDraft } from "./envelope.ts";
import { formatField, splitHeader } from "./header.ts";
import type { ReportAction } from "./journal.ts";
import type { OwedReport } from "./owed.ts";
import { deliveryStatus, type Subject } from "./report-status.ts";
import { reportText } from "./report-text.ts";
import type { MessageState } from "./state.ts";

/** What the report is about: the message, or its header only. */
export interface Original {
  readonly bytes: Buffer;
  readonly isWhole: boolean;
}

export interface ReportInput {
  readonly envelope: Envelope; // of the message that the report is about
  readonly state: MessageState;
  readonly owed: OwedReport;
  readonly original: Original;
  readonly id: string; // queue id that the report will have
  readonly time: number; // ms
  readonly sender: string; // envelope sender of the report: "" to a sender, the double-bounce address to the postmaster
  readonly reader: string; // its recipient
  readonly isCopy?: boolean; // for the postmaster, of a report that the sender gets
  readonly hostname: string; // ours
  readonly mailName: string;
  readonly contact: string; // whom the text names for help
  readonly retryUntil?: number; // ms; for delays
  readonly boundary: () => string; // 128 random bits in hexadecimal, others at each call
}

export interface BuiltReport {
  readonly draft: EnvelopeDraft;
  readonly content: readonly Buffer[]; // CRLF, our Received first
}

/**
 * Whether the message goes back whole (RFC 3461 4.3): only with a failure, unless its sender asked for headers only,
 * and only up to bounce_size_limit.
 */
export function returnsWhole(
  envelope: Envelope,
  action: ReportAction,
  lengthBytes: number,
  limitBytes: number,
): boolean {
  return action === "failed" && envelope.ret !== "HDRS" && lengthBytes <= limitBytes;
}

const SUBJECTS = {
  failed: "Undelivered Mail Returned to Sender",
  delayed: "Delayed Mail (still being retried)",
  delivered: "Successful Mail Delivery Report",
} as const;
const POSTMASTER_SUBJECTS = {
  failed: "Postmaster Copy: Undelivered Mail",
  delayed: "Postmaster Warning: Delayed Mail",
  delivered: "Postmaster Copy: Successful Mail Delivery Report",
} as const;

export function buildReport(input: ReportInput): BuiltReport {
  const { envelope, owed, hostname, id } = input;
  const isForPostmaster = owed.to === "postmaster" || input.isCopy === true;
  const subject = (isForPostmaster ? POSTMASTER_SUBJECTS : SUBJECTS)[owed.action];
  const subjects = subjectsOf(input);
  const isGlobal = envelope.smtputf8 === true || [envelope.sender, ...addressesOf(subjects)].some(needsSmtputf8);
  const parts = [textPart(input, subjects), statusPart(input, subjects, isGlobal), originalPart(input, isGlobal)];
  const boundary = freeBoundary(input.boundary, parts);
  const is8bit = parts.some((part) => part.is8bit);
  const isUtf8 = needsSmtputf8(input.reader); // in To:
  const messageId = `<${id}@${hostname}>`;

  const header = [
    ["Received", `by ${hostname} (${input.mailName}) id ${id}; ${mailDate(input.time)}`],
    ["Date", mailDate(input.time)],
    ["From", `Mail Delivery System <MAILER-DAEMON@${hostname}>`],
    ["To", input.reader],
    ["Subject", subject],
    ["Auto-Submitted", isForPostmaster ? "auto-generated" : "auto-replied"], // RFC 3834 5
    ["Message-ID", messageId],
    ...threading(input.original.bytes),
    ["MIME-Version", "1.0"],
    ["Content-Type", `multipart/report; report-type=delivery-status; boundary="${boundary}"`],
    ...(is8bit ? [["Content-Transfer-Encoding", "8bit"]] : []),
  ].map(([name = "", value = ""]) => formatField(name, value));

  const content: Buffer[] = [Buffer.from(`${header.join("")}\r\nThis is a MIME-encapsulated message.\r\n`)];
  for (const part of parts) content.push(Buffer.from(`\r\n--${boundary}\r\n${part.header}\r\n`), part.body);
  content.push(Buffer.from(`\r\n--${boundary}--\r\n`));
  return {
    content,
    draft: {
      sender: input.sender,
      recipients: [{ address: input.reader }],
      origin: "bounce",
      notice: envelope.id,
      messageId,
      subject,
      ...(is8bit ? { body: "8BITMIME" as const } : {}),
      ...(isUtf8 ? { smtputf8: true as const } : {}),
    },
  };
}

function subjectsOf({ envelope, state, owed }: ReportInput): Subject[] {
  return owed.recipients.flatMap((index) => {
    const recipient = envelope.recipients[index];
    const one = state.recipients[index];
    if (recipient === undefined || one === undefined) return [];
    return [{ recipient, attempts: one.attempts, ...(one.last === undefined ? {} : { last: one.last }) }];
  });
}

function addressesOf(subjects: readonly Subject[]): string[] {
  return subjects.flatMap(({ recipient }) => [recipient.address, recipient.orcpt ?? "", recipient.original ?? ""]);
}

interface Part {
  readonly header: string;
  readonly body: Buffer;
  readonly is8bit: boolean;
}

function makePart(description: string, type: string, body: Buffer): Part {
  const is8bit = !isAscii(body);
  const header = [
    formatField("Content-Description", description),
    formatField("Content-Type", type),
    is8bit ? formatField("Content-Transfer-Encoding", "8bit") : "",
  ];
  return { header: header.join(""), body, is8bit };
}

function textPart(input: ReportInput, subjects: readonly Subject[]): Part {
  const { state, owed } = input;
  const text = reportText({
    envelope: input.envelope,
    action: owed.action,
    to: owed.to,
    subjects,
    hostname: input.hostname,
    contact: input.contact,
    isCopy: input.isCopy === true,
    forcedExpire: state.forcedExpire,
    ...(input.retryUntil === undefined ? {} : { retryUntil: input.retryUntil }),
    ...(state.firstDeferred === undefined ? {} : { firstDeferred: state.firstDeferred }),
  });
  const body = Buffer.from(text.toWellFormed());
  return makePart("Notification", `text/plain; charset=${isAscii(body) ? "us-ascii" : "utf-8"}`, body);
}

function statusPart(input: ReportInput, subjects: readonly Subject[], isGlobal: boolean): Part {
  const text = deliveryStatus({
    envelope: input.envelope,
    action: input.owed.action,
    subjects,
    hostname: input.hostname,
    mailName: input.mailName,
    isGlobal,
    ...(input.retryUntil === undefined ? {} : { retryUntil: input.retryUntil }),
  });
  const type = isGlobal ? "message/global-delivery-status" : "message/delivery-status";
  return makePart("Delivery report", type, Buffer.from(text.toWellFormed()));
}

function originalPart({ envelope, owed, original }: ReportInput, isGlobal: boolean): Part {
  const bytes = original.isWhole ? original.bytes : original.bytes.subarray(0, splitHeader(original.bytes).headerEnd);
  const body = Buffer.concat([Buffer.from(formatField("Return-Path", `<${envelope.sender}>`)), bytes]);
  const undelivered = owed.action === "delivered" ? "" : "Undelivered ";
  return original.isWhole
    ? makePart(`${undelivered}Message`, isGlobal ? "message/global" : "message/rfc822", body)
    : makePart(`${undelivered}Message Headers`, isGlobal ? "message/global-headers" : "text/rfc822-headers", body);
}

/** A boundary that is in none of the parts: what is returned could hold any text, also one made to be mistaken. */
function freeBoundary(next: () => string, parts: readonly Part[]): string {
  for (let tries = 0; tries < 100; tries += 1) {
    const boundary = next();
    if (!parts.some((part) => part.body.includes(`--${boundary}`))) return boundary;
  }
  throw new Error("the boundaries for a report are not random");
}

const MESSAGE_ID = /<[!-;=?-~]{1,200}@[!-;=?-~]{1,200}>/g; // printable ASCII without brackets
const MAX_REFERENCES = 20;

/** RFC 5322 3.6.4: the report is an answer to the message. Fields of the original that hold no ids add nothing. */
function threading(original: Buffer): [string, string][] {
  const ids = { "message-id": "", references: "", "in-reply-to": "" };
  for (const { name, bytes } of splitHeader(original, 100_000).fields) {
    if (name in ids) ids[name as keyof typeof ids] ||= bytes.slice(0, 8000);
  }
  const parent = ids["message-id"].match(MESSAGE_ID)?.[0];
  if (parent === undefined) return [];
  const earlier = (ids.references || ids["in-reply-to"]).match(MESSAGE_ID) ?? [];
  return [
    ["In-Reply-To", parent],
    ["References", [...earlier.filter((id) => id !== parent).slice(-MAX_REFERENCES), parent].join(" ")],
  ];
}
