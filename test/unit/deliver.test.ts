/** Which deliveries need no record, for the file goes when they are made. */
import { expect, test } from "vitest";
import type { Attempt } from "../../src/mail/attempt.ts";
import type { Envelope, Recipient } from "../../src/mail/envelope.ts";
import type { JournalRecord } from "../../src/mail/journal.ts";
import { foldJournal } from "../../src/mail/state.ts";
import { describe } from "../../src/process/qmgr/deliver.ts";
import type { Destination } from "../../src/process/qmgr/destination.ts";
import { ActiveMessage } from "../../src/process/qmgr/message.ts";

const deferral: Attempt = {
  ...{ kind: "attempt", recipient: 0, attempt: 1, type: "error", outcome: "deferred" },
  ...{ time: 2, dsn: "4.2.0", text: "busy" },
};

function isBrief(records: readonly JournalRecord[], ...recipients: readonly Recipient[]): boolean {
  const envelope: Envelope = { id: "x", arrival: 1, sender: "a@one.test", recipients, origin: "smtpd" };
  const place = { offset: 0, length: 0, feeder: "defer", queuedMs: 0 };
  const message = new ActiveMessage(envelope, place, foldJournal(envelope, records));
  const destination = { transport: "smtp", nexthop: "two.test" } as Destination;
  const entry = { message, destination, recipients: message.recipients, kind: "further" } as const;
  return describe(1, { ...entry, isWithdrawn: false, isInLine: false }).brief === true;
}

const one = { address: "b@two.test" };

test("a single recipient needs none, at the first try or a later one", () => {
  expect(isBrief([], one)).toBe(true);
  expect(isBrief([deferral, { kind: "schedule", time: 2, next: 3 }], one)).toBe(true);
});

test("what a report may be made of is written down", () => {
  expect(isBrief([deferral, { kind: "delayed", time: 3, after: 1, recipients: [0] }], one)).toBe(false);
  expect(isBrief([], { ...one, notify: ["SUCCESS"] })).toBe(false);
});

test("of several recipients each outcome is written down: the others may have to wait", () => {
  expect(isBrief([], one, { address: "c@two.test" })).toBe(false);
});
