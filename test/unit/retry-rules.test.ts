import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkTables } from "../../src/command/check/tables.ts";
import { testConfig } from "../../src/config/load.ts";
import type { Attempt } from "../../src/mail/attempt.ts";
import type { Envelope } from "../../src/mail/envelope.ts";
import type { RecipientState } from "../../src/mail/state.ts";
import { retryRules } from "../harness/retrying.ts";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

const error: Attempt = {
  kind: "attempt",
  recipient: 0,
  attempt: 1,
  type: "error",
  outcome: "deferred",
  time: 0,
  code: 450,
  status: "4.2.1",
  dsn: "4.2.1",
  text: "busy",
};

function mail(extra: Partial<Envelope> = {}): Envelope {
  const recipients = [{ address: "bob@sub.d.test" }];
  return { id: "4jXCKj2RJyz7k", arrival: 0, sender: "alice@s.test", recipients, origin: "smtpd", ...extra };
}

function state(extra: Partial<RecipientState> = {}): RecipientState {
  return {
    status: "waiting",
    attempts: 1,
    suspensions: 0,
    last: error,
    scheduled: false,
    warnedMs: 0,
    settled: [],
    ...extra,
  };
}

describe("without profiles", () => {
  const rules = retryRules({ maximal_queue_lifetime: "1d", bounce_queue_lifetime: "12h" });

  test("the last attempt is made at expiry, not after it, and then it is over", () => {
    const now = DAY - 10 * MINUTE;
    expect(rules.after(mail(), 0, state(), 0, now, 0)).toMatchObject({ isOver: false, due: DAY });
    expect(rules.after(mail(), 0, state(), 0, DAY, 0)).toEqual({ isOver: true, isEarly: false });
  });

  test("mail from the null sender has its own lifetime", () => {
    expect(rules.expiry(mail({ sender: "" }), 0, state(), 0)).toBe(DAY / 2);
  });

  test("lifetime 0 means one attempt", () => {
    const once = retryRules({ maximal_queue_lifetime: "0" });
    expect(once.after(mail(), 0, state(), 5, 5, 0)).toEqual({ isOver: true, isEarly: false });
  });

  test("a recipient that was not tried is due when the suspension ends, if not before", () => {
    const suspended = state({ suspensions: 1, last: { ...error, suspended: true, until: 20 * MINUTE } });
    expect(rules.after(mail(), 0, suspended, 0, 19 * MINUTE, 0)).toMatchObject({ due: 20 * MINUTE });
    expect(rules.after(mail(), 0, suspended, 0, MINUTE, 0)).toMatchObject({ due: 6 * MINUTE });
    // The second time in a row it follows its schedule: its destination is dead for longer.
    const again = { ...suspended, suspensions: 2 };
    expect(rules.after(mail(), 0, again, 0, 19 * MINUTE, 0)).toMatchObject({ due: 38 * MINUTE });
  });

  test("with expire_early it is over when the next attempt would come too late", () => {
    const early = retryRules({ expire_early: "yes" });
    expect(early.after(mail(), 0, state(), 0, DAY - 10 * MINUTE, 0)).toEqual({ isOver: true, isEarly: true });
  });
});

describe("retry_profile_maps", () => {
  const profiles = "{ one: 1m } { two: 2m } { three: 3m; lifetime 2d }";
  const waitBy = (rows: string, extra: Partial<Envelope> = {}, settings: Record<string, string> = {}) => {
    const path = join(mkdtempSync(join(tmpdir(), "sces-retry-")), "table");
    writeFileSync(path, rows);
    const warnings: string[] = [];
    const maps = { retry_profiles: profiles, retry_profile_maps: `texthash:${path}`, ...settings };
    const retry = retryRules(maps, (text) => warnings.push(text)).after(mail(extra), 0, state(), 0, 0, 0);
    rmSync(dirname(path), { recursive: true });
    return { minutes: retry.isOver ? undefined : retry.waitMs / MINUTE, warnings };
  };

  test.each([
    ["the backoff times, where nothing fits", "other.test one", 5],
    ["the recipient before its domain", "sub.d.test one\nbob@sub.d.test two", 2],
    ["the domain before its parents", ".d.test one\nsub.d.test two", 2],
    ["a domain with an error before one without", "sub.d.test one\nsub.d.test,code=450 two", 2],
    ["the recipient before the sender", "from=alice@s.test one\n.d.test two", 2],
    ["the sender before the error", "status=4.2.1 one\nfrom=s.test two", 2],
    ["the whole status before its subject", "status=4.2.* one\nstatus=4.2.1 two", 2],
    ["the status before the code, the code before the type", "type=error one\ncode=450 two", 2],
    ["all that nothing else names", "* two", 2],
    ["default, where that is named", "* two\nsub.d.test default", 5],
  ])("chooses %s", (_, rows, minutes) => {
    expect(waitBy(rows)).toEqual({ minutes, warnings: [] });
  });

  test("patterns see recipient, sender and error in one line", () => {
    const tables = "inline:{x=one}";
    const rows = "/^to=.*@sub\\.d\\.test from=alice@.* type=error code=450 status=4\\.2\\.1$/ two";
    expect(waitBy(rows, {}, {}).minutes).toBe(5); // not as a hash table
    const path = join(mkdtempSync(join(tmpdir(), "sces-retry-")), "table");
    writeFileSync(path, rows);
    const rules = retryRules({ retry_profiles: profiles, retry_profile_maps: `${tables}, regexp:${path}` });
    expect(rules.after(mail(), 0, state(), 0, 0, 0)).toMatchObject({ waitMs: 2 * MINUTE });
    rmSync(dirname(path), { recursive: true });
  });

  test("a profile that is not there, and a table that is not, are said, and the backoff times hold", () => {
    expect(waitBy("* none")).toMatchObject({
      minutes: 5,
      warnings: [expect.stringContaining("no such retry profile")],
    });
    const gone = waitBy("", {}, { retry_profile_maps: "texthash:/nowhere/table" });
    expect(gone.minutes).toBe(5);
    expect(gone.warnings.join()).toContain("/nowhere/table");
  });

  test("sces check finds a profile that is not there", () => {
    const config = testConfig({ retry_profile_maps: "inline:{ d.test=spamexperts e.test=patience *=default }" });
    expect(checkTables(config, undefined)).toEqual([
      {
        severity: "error",
        text: expect.stringContaining("no such retry profile: patience (there are: spamexperts, default)"),
      },
    ]);
  });

  test("the profile's lifetime goes before maximal_queue_lifetime", () => {
    const rules = retryRules({ retry_profiles: profiles, retry_profile_maps: "static:three" });
    expect(rules.expiry(mail(), 0, state(), 0)).toBe(2 * DAY);
    expect(rules.expiry(mail({ sender: "" }), 0, state(), 0)).toBe(DAY);
  });
});

describe("a message's own wishes", () => {
  const rules = retryRules({ retry_profiles: "{ one: 1m }", retry_profile_maps: "static:one" });
  const json = (retry: Envelope["retry"]) => mail({ dialect: "mailerq", ...(retry === undefined ? {} : { retry }) });

  test("retries go before every profile", () => {
    const retries = json({ retries: [60, 600] });
    const waits = [1, 2, 3].map((attempts) => rules.after(retries, 0, state({ attempts }), 0, 0, 0));
    expect(waits).toMatchObject([{ due: MINUTE }, { due: 10 * MINUTE }, { due: 10 * MINUTE }]);
  });

  test("after maxattempts, and when the next attempt would come after maxdelivertime, its last error is the end", () => {
    const end = { isOver: true, isEarly: true };
    expect(rules.after(json({ maxAttempts: 2 }), 0, state({ attempts: 1 }), 0, 0, 0)).toMatchObject({ isOver: false });
    expect(rules.after(json({ maxAttempts: 2 }), 0, state({ attempts: 2 }), 0, 0, 0)).toEqual(end);
    expect(rules.after(json({ maxDeliverTime: MINUTE }), 0, state(), 0, 0, 0)).toMatchObject({ isOver: false });
    expect(rules.after(json({ maxDeliverTime: MINUTE - 1 }), 0, state(), 0, 0, 0)).toEqual(end);
  });

  test("it is over before an attempt when its time or its attempts are, and only for mail in MailerQ's form", () => {
    const isOver = (envelope: Envelope, first?: number) => rules.isOverBefore(envelope, 0, state(), first, DAY);
    expect(isOver(json({ maxDeliverTime: DAY }))).toBe(true);
    expect(isOver(json({ maxDeliverTime: DAY + 1 }))).toBe(false);
    expect(isOver(json({ maxAttempts: 1 }))).toBe(true);
    expect(isOver(json(undefined))).toBe(false); // it has never been put off
    expect(isOver(json(undefined), 0)).toBe(true);
    expect(isOver(mail(), 0)).toBe(false);
  });
});
