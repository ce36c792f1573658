/** Aliases in the journal: what is written down of them, and how it is read. */
import { expect, test } from "vitest";
import type { Envelope, Recipient } from "../../src/mail/envelope.ts";
import type { Destination } from "../../src/mail/expansion.ts";
import type { JournalRecord } from "../../src/mail/journal.ts";
import { reportsOwed } from "../../src/mail/owed.ts";
import { rewrite, withRewritten } from "../../src/mail/rewritten.ts";
import { describe } from "../../src/process/qmgr/deliver.ts";
import type { Entry } from "../../src/process/qmgr/destination.ts";
import { ActiveMessage } from "../../src/process/qmgr/message.ts";
import { foldJournal } from "../../src/mail/state.ts";

const envelopeOf = (...recipients: Recipient[]): Envelope => ({
  id: "4jXKR46HjvzJDHp",
  arrival: 1000,
  sender: "s@one.test",
  origin: "smtpd",
  recipients,
});

const table: Readonly<Record<string, readonly Destination[]>> = {
  "a@v.test": [{ address: "b@two.test" }, { address: "c@two.test" }],
  "d@v.test": [{ address: "c@two.test" }],
  "bad@v.test": [{ address: "bad@v.test", failure: { dsn: "5.1.1", text: "User unknown" } }],
  "half@v.test": [{ address: "e@two.test" }, { address: "half@v.test", failure: { dsn: "5.7.1", text: "no" } }],
};
const apply = (envelope: Envelope, records: readonly JournalRecord[] = []) =>
  rewrite(envelope, records, (address) => table[address], 5000);

test("recipients that are no alias write nothing down", () => {
  expect(apply(envelopeOf({ address: "x@two.test" }))).toEqual([]);
});

test("added recipients stand behind the envelope's own, know where they came from, and are there once", () => {
  const envelope = envelopeOf(
    { address: "a@v.test", notify: ["FAILURE"], orcpt: "rfc822;first@v.test" },
    { address: "d@v.test" },
    { address: "b@two.test", notify: ["FAILURE"] },
  );
  const records = apply(envelope);
  const orcpt = "rfc822;first@v.test";
  expect(records).toEqual([
    {
      kind: "rewritten",
      time: 5000,
      replaced: [0, 1],
      added: [
        { address: "c@two.test", notify: ["FAILURE"], orcpt, original: "a@v.test" },
        { address: "c@two.test", original: "d@v.test", orcpt: "rfc822;d@v.test" },
      ],
    },
  ]);
  const read = withRewritten(envelope, records);
  expect(foldJournal(read, records).recipients.map(({ status }) => status)).toEqual([
    "expanded",
    "expanded",
    "waiting",
    "waiting",
    "waiting",
  ]);
  expect(read.recipients[3]?.address).toBe("c@two.test");
});

test("a recipient that comes to nothing has failed, alone or beside others", () => {
  const alone = apply(envelopeOf({ address: "bad@v.test" }));
  expect(alone).toMatchObject([{ kind: "attempt", recipient: 0, outcome: "bounced", dsn: "5.1.1" }]);
  const envelope = envelopeOf({ address: "half@v.test" });
  const records = apply(envelope);
  expect(records).toMatchObject([
    { kind: "rewritten", replaced: [0], added: [{ address: "e@two.test" }, { address: "half@v.test" }] },
    { kind: "attempt", recipient: 2, outcome: "bounced", dsn: "5.7.1" },
  ]);
  const read = withRewritten(envelope, records);
  const rules = { doubleBounceSender: "", notifyClasses: [], confirmsDelayCleared: false };
  expect(reportsOwed(read, foldJournal(read, records), rules).reports).toEqual([
    { action: "failed", to: "sender", recipients: [2] },
  ]);
});

test("it is done once, and never to a recipient that was tried", () => {
  const envelope = envelopeOf({ address: "a@v.test" }, { address: "d@v.test" });
  const records = apply(envelope);
  expect(apply(withRewritten(envelope, records), records)).toEqual([]);
  const tried: JournalRecord = {
    kind: "attempt",
    recipient: 0,
    attempt: 1,
    type: "error",
    outcome: "deferred",
    time: 1,
    dsn: "4.0.0",
    text: "",
  };
  expect(apply(envelope, [tried])).toMatchObject([{ kind: "rewritten", replaced: [1] }]);
});

test("an attempt of an added recipient counts for nobody when the record of its addition is lost", () => {
  const envelope = envelopeOf({ address: "a@v.test" });
  const sent: JournalRecord = {
    kind: "attempt",
    recipient: 1,
    attempt: 1,
    type: "success",
    outcome: "sent",
    time: 1,
    dsn: "2.0.0",
    text: "",
  };
  expect(foldJournal(envelope, [sent]).recipients.map(({ status }) => status)).toEqual(["waiting"]);
  expect(apply(envelope, [sent])).toMatchObject([{ kind: "rewritten", replaced: [0] }]);
});

test("one address in the place of an alias is delivered without a record, as any single recipient is", () => {
  const isBrief = (address: string) => {
    const envelope = envelopeOf({ address });
    const records = apply(envelope);
    const read = withRewritten(envelope, records);
    const place = { offset: 0, length: 0, feeder: "cleanup", queuedMs: 0 };
    const message = new ActiveMessage(read, place, foldJournal(read, records));
    const recipients = message.recipients.filter(({ status }) => status === "waiting");
    const destination = { transport: "smtp", nexthop: "two.test" };
    return describe(1, { message, destination, recipients } as unknown as Entry).brief;
  };
  expect(isBrief("x@two.test")).toBe(true);
  expect(isBrief("d@v.test")).toBe(true);
  expect(isBrief("a@v.test")).toBeUndefined();
});
