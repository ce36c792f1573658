import { describe, expect, test } from "vitest";
import type { LedgerEntry } from "../crash/ledger.ts";
import type { Delivery, Returned } from "../crash/recorder.ts";
import { type Evidence, judge, type Kill } from "../crash/verdict.ts";

const entry = (more: Partial<LedgerEntry> = {}): LedgerEntry => ({
  token: "t1",
  door: "smtp",
  sender: "sender.t1@origin.test",
  recipients: ["ok.t1.0@d1.test"],
  digest: "abc",
  bytes: 100,
  triedAt: 1000,
  acknowledgedAt: 1010,
  id: "ID1",
  ...more,
});
const delivery = (more: Partial<Delivery> = {}): Delivery => ({
  token: "t1",
  recipient: "ok.t1.0@d1.test",
  digest: "abc",
  id: "ID1",
  at: 2000,
  ...more,
});
const report = (more: Partial<Returned> = {}): Returned => ({
  token: "t1",
  recipients: ["hard.t1.1@d1.test"],
  messageId: "<n1@sces.test>",
  at: 2000,
  ...more,
});
const kill = (name: string, at: number): Kill => ({ name, at, doneAt: at + 10 });
const evidence = (more: Partial<Evidence>): Evidence => ({
  ledger: [entry()],
  deliveries: [delivery()],
  returns: [],
  strangers: [],
  queued: new Set(),
  leftovers: [],
  corrupt: [],
  rubbish: new Set(),
  kills: [],
  duplicateWindowMs: 500,
  lateMs: 100,
  ...more,
});

describe("the verdict of the crash run", () => {
  test("is content with a message that arrived once", () => {
    expect(judge(evidence({}))).toMatchObject({ violations: [], promised: 1, delivered: 1, duplicates: 0 });
  });

  test("misses a message that was promised", () => {
    expect(judge(evidence({ deliveries: [] })).violations).toEqual([expect.stringContaining("lost: t1")]);
  });

  test("misses nothing that was not promised, and counts it if it comes", () => {
    const { acknowledgedAt: _, ...tried } = entry();
    expect(judge(evidence({ ledger: [tried], deliveries: [] })).violations).toEqual([]);
    expect(judge(evidence({ ledger: [tried] }))).toMatchObject({ violations: [], unpromised: 1 });
  });

  test("takes what is still queued for kept", () => {
    const verdict = judge(evidence({ deliveries: [], queued: new Set(["t1"]) }));
    expect(verdict).toMatchObject({ violations: [], queued: 1 });
  });

  test("wants every recipient, returned or delivered", () => {
    const ledger = [entry({ recipients: ["ok.t1.0@d1.test", "hard.t1.1@d1.test"] })];
    expect(judge(evidence({ ledger })).violations).toEqual([expect.stringContaining("hard.t1.1@d1.test")]);
    expect(judge(evidence({ ledger, returns: [report()] }))).toMatchObject({ violations: [], returned: 1 });
  });

  test("objects to half a message", () => {
    const { violations } = judge(evidence({ deliveries: [delivery({ digest: "ab" })] }));
    expect(violations).toEqual([expect.stringContaining("not as it was sent")]);
  });

  test("forgives a duplicate only beside the death of a process that delivers", () => {
    const deliveries = [delivery({ at: 2000 }), delivery({ at: 3000 })];
    expect(judge(evidence({ deliveries })).violations).toHaveLength(1);
    expect(judge(evidence({ deliveries, kills: [kill("smtpd", 2100)] })).violations).toHaveLength(1);
    expect(judge(evidence({ deliveries, kills: [kill("smtp", 2900)] })).violations).toHaveLength(1);
    const verdict = judge(evidence({ deliveries, kills: [kill("smtp", 2100)] }));
    expect(verdict).toMatchObject({ violations: [], duplicates: 1 });
  });

  test("objects to a message that was taken in twice", () => {
    const deliveries = [delivery(), delivery({ id: "ID2", at: 2100 })];
    const { violations } = judge(evidence({ deliveries, kills: [kill("smtp", 2050)] }));
    expect(violations).toEqual([expect.stringContaining("taken in 2 times")]);
  });

  test("objects to returns that are wrong or repeated, not to one report that arrives twice", () => {
    const ledger = [entry({ recipients: ["ok.t1.0@d1.test", "hard.t1.1@d1.test"] })];
    expect(judge(evidence({ ledger, returns: [report(), report()] })).violations).toEqual([]);
    const twice = [report(), report({ messageId: "<n2@sces.test>" })];
    expect(judge(evidence({ ledger, returns: twice })).violations).toEqual([
      expect.stringContaining("returned 2 times"),
    ]);
    const wrong = judge(evidence({ returns: [report({ recipients: ["ok.t1.0@d1.test"] })] })).violations;
    expect(wrong).toEqual([
      expect.stringContaining("returned wrongly"),
      expect.stringContaining("delivered and returned"),
    ]);
  });

  test("wants every unreadable file in quarantine, once", () => {
    const rubbish = new Set(["t5"]);
    expect(judge(evidence({ rubbish })).violations).toEqual(["rubbish is in quarantine 0 times: t5"]);
    const object = { name: "f1.t5.json", rubbish: "t5" };
    expect(judge(evidence({ rubbish, corrupt: [object] })).violations).toEqual([]);
    expect(judge(evidence({ rubbish, corrupt: [object, object] })).violations).toHaveLength(1);
  });

  test("objects to what is left in the spool", () => {
    const { violations } = judge(
      evidence({
        leftovers: ["incoming/.tmp.1"],
        corrupt: [{ name: "ID1", rubbish: undefined }],
        strangers: ["from <>"],
      }),
    );
    expect(violations).toHaveLength(3);
  });
});
