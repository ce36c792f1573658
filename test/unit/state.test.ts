import { describe, expect, test } from "vitest";
import type { Attempt, Outcome } from "../../src/mail/attempt.ts";
import type { Envelope } from "../../src/mail/envelope.ts";
import { foldJournal, nextDue } from "../../src/mail/state.ts";

const envelope: Envelope = {
  id: "4jXCKj2RJyz7k",
  arrival: 1000,
  sender: "alice@example.org",
  recipients: [{ address: "a@example.net" }, { address: "b@example.net" }],
  origin: "smtpd",
};

function attempt(recipient: number, number: number, outcome: Outcome, time: number): Attempt {
  const type = outcome === "sent" ? "success" : "error";
  return { kind: "attempt", recipient, attempt: number, type, outcome, time, dsn: "4.0.0", text: "words" };
}

describe("a journal folded", () => {
  test("leaves every recipient waiting when it is empty", () => {
    const state = foldJournal(envelope, []);
    expect(state.recipients.map((one) => one.status)).toEqual(["waiting", "waiting"]);
    expect(state.firstDeferred).toBeUndefined();
  });

  test("counts the lifetime from the first deferral, whatever comes later", () => {
    const state = foldJournal(envelope, [
      attempt(0, 1, "deferred", 5000),
      { kind: "hold", time: 6000, reason: "x" },
      { kind: "release", time: 7000 },
      attempt(0, 2, "deferred", 8000),
      { kind: "requeue", time: 9000 },
    ]);
    expect(state.firstDeferred).toBe(5000);
    expect(state.recipients[0]?.attempts).toBe(2);
    expect(state.held).toBeUndefined();
  });

  test("keeps a decided recipient decided", () => {
    const state = foldJournal(envelope, [attempt(0, 1, "sent", 1), attempt(0, 2, "bounced", 2)]);
    expect(state.recipients[0]?.status).toBe("sent");
    expect(state.attempts).toHaveLength(2);
  });

  test("passes over records that name no recipient of the envelope", () => {
    const state = foldJournal(envelope, [
      attempt(7, 1, "bounced", 1),
      { kind: "schedule", time: 1, next: 9, recipients: [9] },
    ]);
    expect(state.recipients.every((one) => one.status === "waiting" && one.next === undefined)).toBe(true);
  });

  test("is due at the earliest time of those who wait, and at once after a release", () => {
    const records = [
      attempt(0, 1, "deferred", 10),
      { kind: "schedule", time: 10, next: 500, recipients: [0] },
      { kind: "schedule", time: 10, next: 300, recipients: [1] },
    ] as const;
    expect(nextDue(foldJournal(envelope, records))).toBe(300);
    expect(nextDue(foldJournal(envelope, [...records, attempt(1, 1, "sent", 20)]))).toBe(500);
    expect(nextDue(foldJournal(envelope, [...records, { kind: "release", time: 50 }]))).toBe(50);
  });

  test("tells a report that was begun from one that was confirmed", () => {
    const begun = { kind: "reporting", time: 1, report: "R", action: "failed", recipients: [0] } as const;
    expect(foldJournal(envelope, [begun]).reporting.get("R")).toEqual({ action: "failed", recipients: [0] });
    const confirmed = foldJournal(envelope, [begun, { ...begun, kind: "reported" }]);
    expect(confirmed.reporting.size).toBe(0);
    expect(confirmed.recipients[0]?.settled).toEqual(["failed"]);
  });

  test("is no longer suspect once an attempt has ended or an administrator released it", () => {
    const dead = { kind: "suspect", time: 1, alone: true } as const;
    expect(foldJournal(envelope, [dead, { kind: "release", time: 2 }])).toMatchObject({
      isSuspect: false,
      deathsAlone: 0,
    });
    expect(foldJournal(envelope, [dead, dead])).toMatchObject({ isSuspect: true, deathsAlone: 2 });
    expect(foldJournal(envelope, [dead, attempt(0, 1, "deferred", 2)])).toMatchObject({
      isSuspect: false,
      deathsAlone: 0,
    });
  });
});
