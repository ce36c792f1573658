import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Attempt, Outcome } from "../../src/mail/attempt.ts";
import type { Envelope, Notify, Recipient } from "../../src/mail/envelope.ts";
import type { JournalRecord, ReportAction } from "../../src/mail/journal.ts";
import { reportsOwed } from "../../src/mail/owed.ts";
import { foldJournal } from "../../src/mail/state.ts";

const rules = { doubleBounceSender: "double-bounce@mx.test", notifyClasses: ["2bounce"], confirmsDelayCleared: false };
const quiet = { ...rules, notifyClasses: ["resource", "software"] };

function envelope(recipients: readonly Partial<Recipient>[], sender = "alice@sender.test"): Envelope {
  return {
    id: "4jXCKj2RJyz7k",
    arrival: 0,
    sender,
    recipients: recipients.map((recipient, index) => ({ address: `r${index}@e.test`, ...recipient })),
    origin: "smtpd",
  };
}

function attempt(recipient: number, outcome: Outcome, extra: Partial<Attempt> = {}): Attempt {
  return {
    kind: "attempt",
    recipient,
    attempt: 1,
    type: outcome === "sent" ? "success" : "error",
    outcome,
    time: 1,
    dsn: "5.1.1",
    text: "x",
    ...extra,
  };
}

function owed(message: Envelope, records: readonly JournalRecord[], by = rules) {
  return reportsOwed(message, foldJournal(message, records), by);
}

describe("reportsOwed", () => {
  test("tells the sender of failures that were not reported", () => {
    const message = envelope([{}, {}, {}]);
    const records = [attempt(0, "bounced"), attempt(1, "expired"), attempt(2, "deferred")];
    expect(owed(message, records).reports).toEqual([{ action: "failed", to: "sender", recipients: [0, 1] }]);
    const reported: JournalRecord = { kind: "reported", time: 2, report: "N", action: "failed", recipients: [0] };
    expect(owed(message, [...records, reported]).reports).toMatchObject([{ recipients: [1] }]);
    const dropped: JournalRecord = { kind: "dropped", time: 3, report: "", action: "failed", recipients: [1] };
    expect(owed(message, [...records, reported, dropped])).toEqual({ reports: [], dropped: [] });
  });

  test("still owes what was begun and not confirmed", () => {
    const begun: JournalRecord = { kind: "reporting", time: 2, report: "N", action: "failed", recipients: [0] };
    expect(owed(envelope([{}]), [attempt(0, "bounced"), begun]).reports).toHaveLength(1);
  });

  test.each<[Notify[] | undefined, ReportAction[]]>([
    [undefined, ["failed", "delayed"]],
    [["NEVER"], []],
    [["SUCCESS"], ["delivered"]],
    [["FAILURE"], ["failed"]],
    [["DELAY"], ["delayed"]],
    [
      ["SUCCESS", "FAILURE", "DELAY"],
      ["failed", "delayed", "delivered"],
    ],
  ])("obeys NOTIFY=%s", (notify, actions) => {
    const one = notify === undefined ? {} : { notify };
    const message = envelope([one, one, one]);
    const warned: JournalRecord = { kind: "delayed", time: 1, recipients: [1] };
    const records = [attempt(0, "bounced"), attempt(1, "deferred"), warned, attempt(2, "sent")];
    expect(owed(message, records).reports.map((report) => report.action)).toEqual(actions);
  });

  test("asks for no success report when the next hop took over, nor a warning after the end", () => {
    const message = envelope([{ notify: ["SUCCESS"] }, {}]);
    const warned: JournalRecord = { kind: "delayed", time: 1, recipients: [1] };
    const records = [attempt(0, "sent", { relayedDsn: true }), attempt(1, "deferred"), warned, attempt(1, "sent")];
    expect(owed(message, records).reports).toEqual([]);
  });

  test("warns again when another time has come, and once for those that came meanwhile", () => {
    const message = envelope([{}]);
    const late = (after: number): JournalRecord => ({ kind: "delayed", time: after, after, recipients: [0] });
    const told: JournalRecord = { kind: "reported", time: 9, report: "N", action: "delayed", recipients: [0] };
    const records = [attempt(0, "deferred"), late(4), told];
    expect(owed(message, records).reports).toEqual([]);
    expect(owed(message, [...records, late(24)]).reports).toMatchObject([{ action: "delayed" }]);
    expect(owed(message, [attempt(0, "deferred"), late(4), late(24), told]).reports).toEqual([]);
  });

  test("tells who was warned of the delivery, if confirm_delay_cleared says so, whatever the next hop can do", () => {
    const told: JournalRecord = { kind: "reported", time: 9, report: "N", action: "delayed", recipients: [0] };
    const warned: JournalRecord = { kind: "delayed", time: 1, after: 4, recipients: [0] };
    const records = [attempt(0, "deferred"), warned, told, attempt(0, "sent", { relayedDsn: true })];
    const all = { ...rules, confirmsDelayCleared: true };
    expect(owed(envelope([{}]), records, all).reports).toMatchObject([{ action: "delivered", recipients: [0] }]);
    expect(owed(envelope([{}]), records).reports).toEqual([]);
    expect(owed(envelope([{}]), [attempt(0, "sent")], all).reports).toEqual([]);
  });

  test("never reports to the null sender; the postmaster hears of it if he wants to", () => {
    const message = envelope([{ notify: ["SUCCESS", "FAILURE", "DELAY"] }, {}], "");
    const warned: JournalRecord = { kind: "delayed", time: 1, recipients: [1] };
    const records = [attempt(0, "bounced"), attempt(1, "deferred"), warned];
    expect(owed(message, records, quiet)).toEqual({ reports: [], dropped: [0] });
    expect(owed(message, records)).toEqual({
      reports: [{ action: "failed", to: "postmaster", recipients: [0] }],
      dropped: [],
    });
    expect(owed(message, [attempt(0, "sent"), attempt(1, "sent")])).toEqual({ reports: [], dropped: [] });
  });

  test("[F8] gives up a double bounce", () => {
    const message = envelope([{}], rules.doubleBounceSender);
    expect(owed(message, [attempt(0, "bounced")])).toEqual({ reports: [], dropped: [0] });
  });

  test("[F7 F9] owes nothing for the null sender and nothing twice, whatever the journal", () => {
    const outcomes = fc.constantFrom<Outcome>("sent", "deferred", "bounced", "expired");
    const record = fc.record({ recipient: fc.nat(3), outcome: outcomes }).map((r) => attempt(r.recipient, r.outcome));
    fc.assert(
      fc.property(fc.array(record), fc.constantFrom("", "alice@sender.test"), (records, sender) => {
        const message = envelope([{}, { notify: ["SUCCESS"] }, { notify: ["NEVER"] }], sender);
        const first = owed(message, records);
        if (sender === "") for (const report of first.reports) expect(report.to).toBe("postmaster");
        const confirmed = first.reports.map(
          (report): JournalRecord => ({
            kind: "reported",
            time: 9,
            report: "N",
            action: report.action,
            recipients: report.recipients,
          }),
        );
        expect(owed(message, [...records, ...confirmed]).reports).toEqual([]);
      }),
    );
  });
});
