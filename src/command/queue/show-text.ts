/** All about a message in plain words, for people. */
import { clean } from "../../base/text.ts";
import type { Attempt } from "../../mail/attempt.ts";
import { mailDate } from "../../mail/date.ts";
import type { Envelope, Recipient } from "../../mail/envelope.ts";
import type { RecipientState } from "../../mail/state.ts";
import { lastTranscripts } from "../../mail/transcript.ts";
import type { RetryRules } from "../../service/retry-rules.ts";
import { sessionLines } from "../transcript-text.ts";
import { eventsOf, names } from "./events.ts";
import { expandedTo, expiresAt, nextAttemptOf, type View } from "./view.ts";

const PLACES = {
  incoming: "in incoming, waiting for its first attempt",
  active: "in active: it is being delivered",
  deferred: "in deferred, waiting for its next attempt",
  hold: "on hold",
  bounce: "in bounce: its sender is being told",
  results: "in results: what became of it is being published",
  corrupt: "in quarantine",
} as const;

/** `header`: its lines, safe. `quarantine`: why it is there, if it is. */
export function shownText(view: View, rules: RetryRules, header: string, quarantine: string | undefined): string {
  const { envelope, state } = view;
  const now = Date.now();
  const lines = [`${view.id} is ${PLACES[view.queue]}`];
  const row = (name: string, value: string | undefined) => {
    if (value !== undefined && value !== "") lines.push(`  ${`${name}:`.padEnd(16)} ${value}`);
  };
  const time = (ms: number | undefined) => (ms === undefined ? undefined : `${mailDate(ms)} (${relative(ms, now)})`);
  row("Sender", envelope.sender === "" ? "<> (a report)" : `<${clean(envelope.sender)}>`);
  row("Arrived", time(envelope.arrival));
  row("From", cameFrom(envelope));
  row("Size", `${view.sizeBytes} bytes`);
  row("Message-ID", clean(envelope.messageId ?? ""));
  row("Subject", clean(envelope.subject ?? ""));
  row("Asked for", askedFor(envelope));
  row("Report about", clean(envelope.notice ?? ""));
  row("First deferred", time(state.firstDeferred));
  row("Next attempt", time(nextAttemptOf(view)));
  row("Given up", view.queue === "hold" ? undefined : time(expiresAt(view, rules)));
  if (view.queue === "hold" && state.held !== undefined) {
    row("Held since", time(state.held.time));
    row("Held because", clean(state.held.reason));
  }
  if (state.forcedExpire) row("Told to expire", "yes");
  row("Quarantined", quarantine);
  row("Unreadable", view.unreadable === 0 ? "" : `${view.unreadable} journal records; their outcome counts as open`);

  const count = state.recipients.filter(({ status }) => status !== "expanded").length;
  lines.push("", `Recipients: ${count}`);
  for (const [index, recipient] of envelope.recipients.entries()) {
    lines.push(...recipientLines(recipient, index, state.recipients[index], view, now));
  }
  const events = eventsOf(view);
  if (events.length > 0) lines.push("", "What else happened:");
  for (const { time: at, text } of events) lines.push(`  ${mailDate(at)}  ${clean(text, 2000)}`);
  for (const { recipients, sessions } of lastTranscripts(view.records)) {
    const whom = clean(names(recipients, view), 2000);
    lines.push("", `Last session that failed for ${whom}:`, ...sessions.flatMap(sessionLines));
  }
  return `${lines.join("\n")}\n\nHeader:\n${header.replace(/^(?=.)/gm, "  ")}`;
}

function recipientLines(
  recipient: Recipient,
  index: number,
  state: RecipientState | undefined,
  view: View,
  now: number,
): string[] {
  const renamed = recipient.original === undefined ? "" : ` (given as <${clean(recipient.original)}>)`;
  const lines = [`  <${clean(recipient.address)}>${renamed}: ${statusText(state, index, view, now)}`];
  if (recipient.notify !== undefined)
    lines.push(`    the sender wants to hear of: ${recipient.notify.join(", ").toLowerCase()}`);
  for (const attempt of view.state.attempts) {
    if (attempt.recipient !== index) continue;
    lines.push(`    ${attemptText(attempt)}`);
    if (attempt.category !== undefined) lines.push(`      ${classText(attempt.category, attempt.advice)}`);
  }
  return lines;
}

function expansionText(index: number, view: View): string {
  const others = expandedTo(view, index);
  return others.length === 0
    ? "expanded to recipients that were there already"
    : `expanded to ${clean(names(others, view), 2000)}`;
}

function statusText(state: RecipientState | undefined, index: number, view: View, now: number): string {
  if (state === undefined) return "unknown";
  const tries = state.attempts === 0 ? "" : ` after ${state.attempts} attempt${state.attempts === 1 ? "" : "s"}`;
  switch (state.status) {
    case "sent":
      return `delivered${tries}`;
    case "failed": {
      const isTold = state.settled.includes("failed");
      return `${state.last?.outcome === "expired" ? "given up" : "refused"}${tries}, ${isTold ? "settled" : "the sender is still to be told"}`;
    }
    case "expanded":
      return expansionText(index, view);
    case "waiting": {
      if (state.attempts === 0) return "waits, not tried yet";
      const next = view.queue === "deferred" && state.next !== undefined ? `, next ${relative(state.next, now)}` : "";
      return `waits${tries}${next}`;
    }
  }
}

/** `, TLSv1.3 TLS_AES_256_GCM_SHA384, Untrusted (policy may)` */
function tlsText({ tls, tlsPeer, tlsPolicy }: Attempt): string {
  if (tls === undefined && tlsPolicy === undefined) return "";
  const what = [tls ?? "in the clear", tlsPeer].filter((part) => part !== undefined).map((part) => clean(part));
  return `, ${what.join(", ")}${tlsPolicy === undefined ? "" : ` (policy ${clean(tlsPolicy)})`}`;
}

/** One attempt: when, how it ended, where and in what words. */
function attemptText(attempt: Attempt): string {
  const outcome = { sent: "delivered", deferred: "put off", bounced: "refused", expired: "given up" }[attempt.outcome];
  const what = attempt.suspended === true ? "not tried" : `attempt ${attempt.attempt}`;
  const where =
    attempt.host === undefined
      ? ""
      : ` at ${clean(attempt.host)}${attempt.to === undefined ? "" : `[${clean(attempt.to)}]`}`;
  const port = attempt.port === undefined || where === "" ? "" : `:${attempt.port}`;
  return `${mailDate(attempt.time)}  ${what}: ${outcome}${where}${port}${tlsText(attempt)} (${attempt.dsn}): ${clean(attempt.text, 4096)}`;
}

function classText(category: string, advice: string | undefined): string {
  return `about: ${clean(category, 50)}${advice === undefined ? "" : `. ${clean(advice, 1000)}`}`;
}

function cameFrom({ client, origin }: Envelope): string {
  if (client === undefined) return `${origin} on this machine`;
  const user = client.user === undefined ? "" : `, user ${clean(client.user)}`;
  return `${clean(client.name)}[${clean(client.address)}] by ${clean(client.proto)}, helo ${clean(client.helo)}${user}`;
}

function askedFor(envelope: Envelope): string {
  const parts: string[] = [];
  if (envelope.ret !== undefined)
    parts.push(envelope.ret === "FULL" ? "whole message in reports" : "header only in reports");
  if (envelope.envid !== undefined) parts.push(`envelope id ${clean(envelope.envid)}`);
  if (envelope.smtputf8) parts.push("SMTPUTF8");
  if (envelope.body !== undefined) parts.push(envelope.body);
  return parts.join(", ");
}

/** `3h 12m ago`, `in 4m 10s`, `now`. */
export function relative(ms: number, now: number): string {
  const seconds = Math.round(Math.abs(ms - now) / 1000);
  if (seconds === 0) return "now";
  const text = span(seconds);
  return ms > now ? `in ${text}` : `${text} ago`;
}

function span(seconds: number): string {
  const units = [
    ["d", 86_400],
    ["h", 3600],
    ["m", 60],
    ["s", 1],
  ] as const;
  const first = units.findIndex(([, size]) => seconds >= size);
  let rest = seconds;
  const parts: string[] = [];
  for (const [name, size] of units.slice(first, first + 2)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count}${name}`);
  }
  return parts.join(" ");
}
