/** Whose turn it is in a message, and what is written of those that wait again. */
import { expect, test } from "vitest";
import type { Attempt } from "../../src/mail/attempt.ts";
import type { Envelope } from "../../src/mail/envelope.ts";
import type { JournalRecord } from "../../src/mail/journal.ts";
import { foldJournal } from "../../src/mail/state.ts";
import { ActiveMessage } from "../../src/process/qmgr/message.ts";
import { giveTurns, judge, scheduleOf } from "../../src/process/qmgr/retry.ts";
import { retryRules } from "../harness/retrying.ts";

const NOW = 1_000_000;
const rules = retryRules({
  retry_profiles: "{ slow: 1h }",
  retry_profile_maps: "inline:{slow@d.test=slow}",
});

function message(records: readonly JournalRecord[], extra: Partial<Envelope> = {}): ActiveMessage {
  const recipients = [{ address: "a@d.test" }, { address: "slow@d.test" }, { address: "c@d.test" }];
  const envelope = {
    id: "4jXCKj2RJyz7k",
    arrival: 0,
    sender: "s@s.test",
    recipients,
    origin: "pickup",
    ...extra,
  } as const;
  const place = { offset: 0, length: 1, feeder: "defer", queuedMs: NOW };
  return new ActiveMessage(envelope, place, foldJournal(envelope, records));
}

const late = (recipient: number): Attempt => ({
  kind: "attempt",
  recipient,
  attempt: 1,
  type: "error",
  outcome: "deferred",
  time: NOW,
  dsn: "4.2.1",
  text: "busy",
});
const due = (next: number, recipients: readonly number[], scheduled?: true): JournalRecord => ({
  kind: "schedule",
  time: 1,
  next,
  recipients,
  ...(scheduled === undefined ? {} : { scheduled }),
});
const turns = (one: ActiveMessage, all = false) => {
  giveTurns(one, rules, NOW, all);
  return one.recipients.map(({ turn }) => turn);
};

test("those that are due within a second have their turn, and by command all", () => {
  const records = [due(NOW + 900, [0]), due(NOW + 1100, [1]), due(NOW - 5000, [2])];
  expect(turns(message(records))).toEqual(["due", "later", "due"]);
  expect(turns(message(records), true)).toEqual(["due", "due", "due"]);
  expect(turns(message([]))).toEqual(["due", "due", "due"]);
});

test("a message that comes while nobody is due was called by somebody, unless its sender set the time", () => {
  expect(turns(message([due(NOW + 9000, [0, 1, 2])]))).toEqual(["due", "due", "due"]);
  expect(turns(message([due(NOW + 9000, [0, 1, 2], true)]))).toEqual(["later", "later", "later"]);
  const asked = { dialect: "mailerq", retry: { nextAttempt: NOW + 9000 } } as const;
  expect(turns(message([], asked))).toEqual(["later", "later", "later"]);
});

test("what is over before its turn is not tried, where MailerQ's rules hold", () => {
  const over = message([], { dialect: "mailerq", retry: { maxDeliverTime: NOW } });
  expect(turns(over)).toEqual(["over", "over", "over"]);
  expect(judge(over, rules, NOW, 0).over.map(({ isEarly }) => isEarly)).toEqual([false, false, false]);
});

test("one record is written for each time, none for a time that stands, and the first counts", () => {
  const one = message([due(NOW + 60_000, [2]), due(NOW, [0, 1])]);
  expect(turns(one)).toEqual(["due", "due", "later"]);
  one.apply(late(0));
  one.apply(late(1));
  const { over, plans } = judge(one, rules, NOW, 0);
  expect(over).toEqual([]);
  expect(scheduleOf(one, plans, rules, NOW, 0)).toEqual({
    due: NOW + 60_000,
    records: [
      { kind: "schedule", time: NOW, next: NOW + 1_000_000, recipients: [0] }, // as long as the message is old
      { kind: "schedule", time: NOW, next: NOW + 3_600_000, recipients: [1] },
    ],
  });
});

test("recipients who are all due together need no names", () => {
  const one = message([], { recipients: [{ address: "a@d.test" }, { address: "c@d.test" }] });
  giveTurns(one, rules, NOW, false);
  one.apply(late(0));
  one.apply(late(1));
  const { records } = scheduleOf(one, judge(one, rules, NOW, 0).plans, rules, NOW, 0);
  expect(records).toEqual([{ kind: "schedule", time: NOW, next: NOW + 1_000_000 }]);
});

test("the time that the sender set is written as such", () => {
  const one = message([], { dialect: "mailerq", retry: { nextAttempt: NOW + 9000 } });
  giveTurns(one, rules, NOW, false);
  const { records } = scheduleOf(one, judge(one, rules, NOW, 0).plans, rules, NOW, 0);
  expect(records).toEqual([{ kind: "schedule", time: NOW, next: NOW + 9000, scheduled: true }]);
});

test("no time passes for those of the hold transport: they come along with the others", () => {
  const old = { ...late(0), time: NOW - 3 * 86_400_000 };
  const one = message([old, late(1)]);
  giveTurns(one, rules, NOW, true);
  for (const index of [0, 1]) one.apply({ ...late(index), attempt: 2 });
  one.toHold.set(one.recipients[2] ?? never(), "look at this");
  const { over, plans } = judge(one, rules, NOW, 0.5);
  expect(over.map(({ recipient }) => recipient.index)).toEqual([0, 1]);
  expect(plans.size).toBe(0);
  expect(one.holdReason).toBeUndefined();
  const young = message([late(0)]);
  giveTurns(young, rules, NOW, true);
  young.apply({ ...late(0), attempt: 2 });
  young.apply({ ...late(1), outcome: "sent" });
  young.toHold.set(young.recipients[2] ?? never(), "look at this");
  const schedule = scheduleOf(young, judge(young, rules, NOW, 0.5).plans, rules, NOW, 1000);
  expect(schedule).toMatchObject({ due: 2 * NOW, records: [{ next: 2 * NOW, recipients: [0] }] });
  young.apply({ ...late(0), attempt: 3, outcome: "bounced" });
  expect(young.holdReason).toBe("look at this");
});

function never(): never {
  throw new Error("no such recipient");
}
