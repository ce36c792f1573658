/** The part of a report that programs read: message/delivery-status, RFC 3464, or its UTF-8 form, RFC 6533. */
import { clean } from "../base/text.ts";
import { needsSmtputf8 } from "./address.ts";
import type { Attempt } from "./attempt.ts";
import { mailDate } from "./date.ts";
import type { Envelope, Recipient } from "./envelope.ts";
import { formatField } from "./header.ts";
import type { ReportAction } from "./journal.ts";
import { isStatus } from "./reply.ts";

/** One recipient of a report, with what is known of it. */
export interface Subject {
  readonly recipient: Recipient;
  readonly last?: Attempt; // the attempt that decided; absent: never tried
  readonly attempts: number;
}

export interface StatusInput {
  readonly envelope: Envelope; // of the message that the report is about
  readonly action: ReportAction;
  readonly subjects: readonly Subject[];
  readonly hostname: string; // ours
  readonly mailName: string; // in the names of our own fields
  readonly retryUntil?: number; // ms; for delays
  readonly isGlobal: boolean; // RFC 6533: UTF-8 is allowed
}

const MAX_DIAGNOSTIC = 1000; // characters

/** The text of the part, with CRLF, ASCII unless `isGlobal`. */
export function deliveryStatus(input: StatusInput): string {
  const { envelope, isGlobal } = input;
  const put = (name: string, value: string) => formatField(name, isGlobal ? value : ascii(value));
  const prefix = `X-${input.mailName.replaceAll(/[^A-Za-z0-9-]/g, "").toUpperCase() || "SCES"}`;
  const groups = [
    [
      put("Reporting-MTA", `dns; ${input.hostname}`),
      envelope.envid === undefined ? "" : put("Original-Envelope-Id", clean(envelope.envid, 200)),
      put(`${prefix}-Queue-ID`, envelope.id),
      envelope.sender === "" ? "" : put(`${prefix}-Sender`, typed(envelope.sender)),
      put("Arrival-Date", mailDate(envelope.arrival)),
    ],
    ...input.subjects.map((subject) => recipientFields(input, subject, prefix, put)),
  ];
  return groups.map((fields) => fields.join("")).join("\r\n");
}

function recipientFields(
  input: StatusInput,
  { recipient, last }: Subject,
  prefix: string,
  put: (name: string, value: string) => string,
): string[] {
  const original = originalRecipient(recipient);
  const remote = last?.code === undefined ? undefined : (last.host ?? last.to);
  return [
    put("Final-Recipient", typed(recipient.address)),
    original === undefined ? "" : put("Original-Recipient", original),
    put("Action", actionOf(input.action, last)),
    put("Status", statusOf(input.action, last)),
    remote === undefined ? "" : put("Remote-MTA", `dns; ${clean(remote, 300)}`),
    last === undefined ? "" : put("Diagnostic-Code", diagnostic(last, prefix)),
    last === undefined ? "" : put("Last-Attempt-Date", mailDate(last.time)),
    input.action === "delayed" && input.retryUntil !== undefined
      ? put("Will-Retry-Until", mailDate(input.retryUntil))
      : "",
  ];
}

/** RFC 3464 2.3.1: what ORCPT said, else the address before an alias changed it. */
function originalRecipient({ address, orcpt, original }: Recipient): string | undefined {
  if (orcpt !== undefined) return clean(orcpt, 600);
  return original === undefined || original === address ? undefined : typed(original);
}

/** The address with its type: RFC 6533 3 has `utf-8` for what is beyond ASCII. */
function typed(address: string): string {
  return `${needsSmtputf8(address) ? "utf-8" : "rfc822"}; ${clean(address, 600)}`;
}

/** RFC 3464 2.3.3: handed to a mail system that will not report (no DSN there) is `relayed`, not `delivered`. */
export function actionOf(action: ReportAction, last: Attempt | undefined): ReportAction | "relayed" {
  return action === "delivered" && last?.to !== undefined ? "relayed" : action;
}

const CLASS: Readonly<Record<ReportAction, string>> = { failed: "5", delayed: "4", delivered: "2" };

/**
 * RFC 3464 2.3.4. A recipient given up for age is failed with its last temporary status (4.4.x), as other systems
 * report it too; otherwise the class fits the action.
 */
export function statusOf(action: ReportAction, last: Attempt | undefined): string {
  const status = last !== undefined && isStatus(last.dsn) ? last.dsn : `${CLASS[action]}.0.0`;
  const fits = status.startsWith(CLASS[action]) || (action === "failed" && status.startsWith("4"));
  return fits ? status : `${CLASS[action]}${status.slice(1)}`;
}

function diagnostic(last: Attempt, prefix: string): string {
  if (last.code === undefined) return `${prefix}; ${clean(last.text, MAX_DIAGNOSTIC)}`;
  const words = [String(last.code), last.status ?? "", last.description ?? ""].filter((part) => part !== "").join(" ");
  return `smtp; ${clean(words, MAX_DIAGNOSTIC)}`;
}

/** RFC 6533 3: a character beyond ASCII as \x{HEX}, the form for mail that must stay ASCII. */
function ascii(text: string): string {
  return text.replaceAll(/[^\t -~]/gu, (char) => `\\x{${(char.codePointAt(0) ?? 0).toString(16).toUpperCase()}}`);
}
