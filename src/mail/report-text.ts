/** The part of a report that people read: what happened, what the other side said, and what to do next. */
import { clean } from "../base/text.ts";
import { adviceFor } from "./advice.ts";
import type { Attempt } from "./attempt.ts";
import { mailDate } from "./date.ts";
import type { Envelope } from "./envelope.ts";
import { type OwedReport, wantsSuccess } from "./owed.ts";
import { actionOf, statusOf, type Subject } from "./report-status.ts";
import { wrap } from "./wrap.ts";

export interface TextInput {
  readonly envelope: Envelope; // of the message that the report is about
  readonly action: OwedReport["action"];
  readonly to: OwedReport["to"];
  readonly subjects: readonly Subject[];
  readonly hostname: string;
  readonly contact: string; // whom to ask; "" = nobody is named
  readonly retryUntil?: number; // ms; for delays
  readonly firstDeferred?: number; // ms
  readonly isCopy: boolean; // the reader is the postmaster, the words are for the sender
  readonly forcedExpire: boolean;
}

/** So many recipients are explained; the delivery report behind the text has them all. */
const MAX_EXPLAINED = 100;
const MAX_REPLY = 1000; // characters

/** The text with CRLF; UTF-8 where addresses, subject or replies are. */
export function reportText(input: TextInput): string {
  const { subjects } = input;
  const explained = subjects.slice(0, MAX_EXPLAINED);
  const more = subjects.length - explained.length;
  const lines = [
    `This is the mail system of ${input.hostname}.`,
    "",
    ...(input.isCopy
      ? [...wrap(`This is a copy for the postmaster. The sender, <${input.envelope.sender}>, is told:`), ""]
      : []),
    ...wrap(opening(input)),
    "",
    ...aboutMessage(input.envelope),
    "",
    ...explained.flatMap((subject) => aboutRecipient(input, subject)),
    ...(more > 0
      ? [...wrap(`${more} more recipients are named in the delivery report attached to this mail.`), ""]
      : []),
    ...closing(input),
  ];
  // Names and addresses were cleaned where they came in; here a slip would put a line of theirs before a reader.
  return `${lines.map((line) => clean(line, 2000)).join("\r\n")}\r\n`;
}

function opening({ action, to, subjects, retryUntil }: TextInput): string {
  const addresses = subjects.length === 1 ? "the address below" : `the ${subjects.length} addresses below`;
  if (to === "postmaster") {
    return `A report of failure could not be delivered to ${addresses}. It has no sender who could be told, so you are.`;
  }
  switch (action) {
    case "failed":
      return `Your message could not be delivered to ${addresses}. Delivery has been given up: nobody will try again unless you send it again.`;
    case "delayed": {
      const until = retryUntil === undefined ? "" : ` until ${mailDate(retryUntil)}`;
      return `Your message has not been delivered to ${addresses} yet. This is only a warning: you need not send it again. Delivery will be tried${until}, and you will hear of it if it fails.`;
    }
    case "delivered":
      if (!subjects.some(({ recipient }) => wantsSuccess(recipient)))
        return `You were told that your message was late: it has now been delivered to ${addresses}.`;
      return `You asked to be told: your message has been delivered to ${addresses}.`;
  }
}

function aboutMessage(envelope: Envelope): string[] {
  const entries: readonly (readonly [string, string | undefined])[] = [
    ["Subject", envelope.subject === undefined ? undefined : clean(envelope.subject, 200)],
    ["Received", mailDate(envelope.arrival)],
    ["Message-ID", envelope.messageId === undefined ? undefined : clean(envelope.messageId, 250)],
    ["Queue ID", envelope.id],
  ];
  return entries.flatMap(([name, value]) => {
    if (value === undefined || value === "") return [];
    const [first = "", ...rest] = wrap(value, " ".repeat(14));
    return [`  ${`${name}:`.padEnd(12)}${first.slice(14)}`, ...rest];
  });
}

function aboutRecipient(input: TextInput, subject: Subject): string[] {
  const { recipient, last } = subject;
  const renamed = recipient.original !== undefined && recipient.original !== recipient.address;
  return [
    `<${recipient.address}>${renamed ? ` (expanded from <${recipient.original}>)` : ""}`,
    ...(input.action === "delivered" ? whatWentWell(last) : whatWentWrong(input, subject)),
    "",
  ];
}

function whatWentWell(last: Attempt | undefined): string[] {
  if (actionOf("delivered", last) === "delivered") {
    const isInMailbox = last?.host === "local";
    return wrap(isInMailbox ? "It is in the mailbox of the recipient." : "It has arrived where it was to go.", "    ");
  }
  const server = last === undefined ? "another mail system" : serverOf(last);
  return wrap(`It was handed to ${server}, which does not report what it does with it.`, "    ");
}

function whatWentWrong(input: TextInput, { last, attempts }: Subject): string[] {
  const status = statusOf(input.action, last);
  const { meaning, next } = adviceFor(status);
  const advice = last?.advice === undefined ? next : clean(last.advice, MAX_REPLY);
  const history = historyOf(input, last, attempts);
  return [
    ...wrap(meaning, "    "),
    ...(history === "" ? [] : wrap(history, "    ")),
    ...(last === undefined ? [] : reasonOf(last)),
    ...(input.action === "failed" ? wrap(`What to do: ${advice}`, "    ") : []),
    `    (status ${status})`,
  ];
}

function historyOf(
  { action, firstDeferred, forcedExpire }: TextInput,
  last: Attempt | undefined,
  attempts: number,
): string {
  const tries = attempts === 0 ? "not tried" : attempts === 1 ? "tried once" : `tried ${attempts} times`;
  const since = firstDeferred === undefined ? "" : ` since ${mailDate(firstDeferred)}`;
  if (action === "delayed") return `It was ${tries} so far${since}.`;
  if (last?.outcome === "bounced") return "";
  if (forcedExpire) return "An administrator of this mail system returned it before its time in the queue was over.";
  return since === "" ? `It was ${tries}.` : `It was ${tries}${since}, which is as long as this system keeps mail.`;
}

/** The other side's answer if there was one, else our own reason. */
function reasonOf(last: Attempt): string[] {
  if (last.code === undefined) return wrap(`The reason: ${clean(last.text, MAX_REPLY)}`, "    ");
  const reply = [String(last.code), last.status ?? "", last.description ?? ""].filter((part) => part !== "").join(" ");
  return [...wrap(`The answer of ${serverOf(last)}:`, "    "), ...wrap(clean(reply, MAX_REPLY), "        ")];
}

function serverOf({ host, to }: Attempt): string {
  const name = host ?? to;
  if (name === undefined) return "the receiving mail server";
  return to === undefined || to === name ? `the mail server ${name}` : `the mail server ${name} [${to}]`;
}

function closing({ contact, envelope }: TextInput): string[] {
  const text = `For help turn to ${contact} and name the queue ID ${envelope.id}.`;
  return contact === "" ? [] : wrap(text);
}
