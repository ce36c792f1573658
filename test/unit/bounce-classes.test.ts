import { readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { parseBounceClasses } from "../../src/config/bounce-classes.ts";
import type { Attempt } from "../../src/mail/attempt.ts";
import { defaultStatus, parseReply } from "../../src/mail/reply.ts";
import { classifier } from "../../src/service/bounce-classes.ts";

const SHIPPED = resolve(import.meta.dirname, "../../etc/bounce_classes");
const shipped = parseBounceClasses(readFileSync(SHIPPED, "utf8"));

function failure(raw: string) {
  const reply = parseReply(raw);
  if (reply === undefined) throw new Error(raw);
  return { type: "error", dsn: reply.status ?? defaultStatus(reply.code), ...reply };
}

function fail(raw: string): Attempt {
  const { dsn, code, status, text } = failure(raw);
  const outcome = code < 500 ? "deferred" : "bounced";
  const known = { kind: "attempt", recipient: 0, attempt: 1, type: "error", time: 0, state: "rcpt to" } as const;
  return {
    ...known,
    outcome,
    dsn,
    code,
    ...(status === undefined ? {} : { status }),
    description: text,
    text: `said: ${raw}`,
  };
}

describe("the table that ships", () => {
  test("has no mistakes, and a row for all that can be said", () => {
    expect(shipped.problems).toEqual([]);
    expect(shipped.rows.length).toBeGreaterThan(250);
    for (const code of [421, 450, 451, 452, 500, 501, 550, 551, 552, 553, 554]) {
      expect(shipped.find(failure(`${code} x`))?.category, String(code)).toBeDefined();
    }
    for (const type of ["nohosts", "refused", "connect", "timeout", "lost", "tls", "bind", "noaccess", "overflow"]) {
      expect(shipped.find({ type, dsn: "4.4.1", text: "" })?.category, type).toBeDefined();
    }
  });

  test("lets no row stand behind one that takes all of it", () => {
    const seen = new Set<string>();
    for (const { pattern } of shipped.rows) {
      expect(seen.has(pattern), pattern).toBe(false);
      seen.add(pattern);
    }
  });

  test.each([
    [
      "550-5.1.1 The email account that you tried to reach does not exist. Please try\n550 5.1.1 double-checking",
      "recipient",
      undefined,
    ],
    [
      "452-4.2.2 The recipient's inbox is out of storage space. Please direct the\n452 4.2.2 recipient to",
      "quota",
      undefined,
    ],
    [
      "421-4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your\n421 4.7.28 SPF domain",
      "rate",
      undefined,
    ],
    [
      "550-5.7.1 [192.0.2.1] Our system has detected an unusual rate of unsolicited mail originating\n550 5.7.1 from",
      "block",
      "defer",
    ],
    [
      "550-5.7.26 This mail has been blocked because the sender is unauthenticated.\n550 5.7.26 Gmail requires",
      "auth",
      undefined,
    ],
    [
      "450-4.2.1 The user you are trying to contact is receiving mail at a rate that\n450 4.2.1 prevents",
      "rate",
      "defer",
    ],
    [
      "552-5.7.0 This message was blocked because its content presents a potential\n552 5.7.0 security issue.",
      "virus",
      undefined,
    ],
    [
      "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140).",
      "block",
      "defer",
    ],
    [
      "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation.",
      "rate",
      undefined,
    ],
    ["550 5.7.606 Access denied, banned sending IP [192.0.2.1]", "block", "defer"],
    [
      "550 5.7.515 Access denied, sending domain x.test doesn't meet the required authentication level.",
      "auth",
      undefined,
    ],
    [
      "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient x@y.test not found by SMTP address lookup",
      "recipient",
      undefined,
    ],
    ["550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required", "policy", undefined],
    [
      "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1",
      "rate",
      undefined,
    ],
    [
      "421 4.7.1 [TS03] All messages from 192.0.2.1 will be permanently deferred; Retrying will NOT succeed.",
      "block",
      "defer",
    ],
    ["554 5.7.9 Message not accepted for policy reasons.", "policy", undefined],
    ["552 1 Requested mail action aborted, mailbox not found", "recipient", undefined],
    [
      "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.1",
      "blacklist",
      "defer",
    ],
    ["550 5.7.1 Error: open resolver; https://www.spamhaus.org/returnc/pub/; 127.255.255.254", "config", "defer"],
    [
      "554 Your access to this mail system has been rejected due to the sending MTA's poor reputation.",
      "block",
      "defer",
    ],
    [
      "421 mwinf5c04 ME Trop de connexions, veuillez verifier votre configuration. Too many connections, slow down. OFR004_104 [104]",
      "rate",
      undefined,
    ],
    ["550 5.2.0 Mail rejete. Mail rejected. OFR_506 [506]", "spam", undefined],
    ["550 spam message rejected. Please visit http://help.mail.ru/notspam-support/id?c=abc", "spam", undefined],
    ["554 5.7.1 [1] Message rejected under suspicion of SPAM; https://ya.cc/1IrBc", "spam", undefined],
    ["550 Ip frequency limited. http://service.mail.qq.com/", "rate", "defer"],
    ["554 DT:SPM 163 smtp10,x,1 http://mail.163.com/help/help_spam_16.htm", "spam", undefined],
    [
      "554-gmx.net (mxgmx015) Nemesis ESMTP Service not available\n554-No SMTP service\n554-IP address is black listed.\n554 For explanation visit",
      "block",
      "defer",
    ],
    [
      "554 IP=192.0.2.1 - None/bad reputation. Ask your postmaster for help or to contact tobr@rx.t-online.de for reset. (NOWL)",
      "block",
      "defer",
    ],
    [
      "554 imta07.comcast.net 192.0.2.1 found on one or more DNSBLs, see http://postmaster.comcast.net/smtp-error-codes.php#BL000001",
      "block",
      "defer",
    ],
    ["550 5.1.1 <x@y.test>: Recipient address rejected: User unknown in virtual mailbox table", "recipient", undefined],
    [
      "450 4.2.0 <x@y.test>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/",
      "greylist",
      "defer",
    ],
    ["450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]", "dns", undefined],
    ["554 5.7.1 <x@y.test>: Relay access denied", "config", undefined],
    ["550 relay not permitted", "config", undefined],
    ["552 5.3.4 Message size exceeds fixed limit", "message", undefined],
    ["452 4.3.1 Insufficient system storage", "capacity", undefined],
    ["550 5.7.1 Message contains a virus (Eicar-Test-Signature)", "virus", undefined],
    ["530 5.7.0 Must issue a STARTTLS command first", "tls", undefined],
    ["550 5.7.1 x@y.test: SPF check failed: 192.0.2.1 is not allowed to send for y.test", "auth", undefined],
    ["550 5.7.23 something", "auth", undefined],
    ["550 5.7.1 something of which nobody has heard", "policy", undefined],
  ])("takes %j for %s", (raw, category, outcome) => {
    const row = shipped.find(failure(raw));
    expect(row).toMatchObject({ category });
    expect(row?.outcome).toBe(outcome);
  });

  test("is asked in less than a millisecond, even by a text that was made to be slow", () => {
    const texts = ["a ".repeat(5000), "spam ip from sender address domain blocked ".repeat(200), "no such user"];
    for (const text of texts) {
      const before = performance.now();
      for (let count = 0; count < 20; count += 1) shipped.find(failure(`550 5.9.9 ${text}`));
      expect((performance.now() - before) / 20).toBeLessThan(10); // far below on a quiet machine
    }
  });
});

test("the first row that fits decides, by expression, status, code or type", () => {
  const { find, problems } = parseBounceClasses(`
# a comment
/^550 .*full/   defer,pause=5m   quota   Make room,
    and try again.
4.7.*           none             rate
45*             slow=10m         capacity
type=timeout    none             network
`);
  expect(problems).toEqual([]);
  expect(find(failure("550 5.2.2 Mailbox Full"))).toEqual({
    line: 3,
    pattern: "/^550 .*full/",
    outcome: "defer",
    pauseMs: 300_000,
    category: "quota",
    advice: "Make room, and try again.",
  });
  expect(find(failure("451 4.7.1 x"))?.category).toBe("rate");
  expect(find(failure("451 4.3.0 x"))).toMatchObject({ category: "capacity", slowMs: 600_000 });
  expect(find({ type: "timeout", dsn: "4.4.2", text: "" })?.category).toBe("network");
  expect(find(failure("551 5.1.6 x"))).toBeUndefined();
});

test.each([
  ["/a(/ none spam", /bad expression/],
  ["/(a+)+$/ none spam", /may be slow.*group is repeated/],
  ["/(a)\\1/ none spam", /references back/],
  ["/a.*b.*c.*d/ none spam", /more than two/],
  ["/a*a*a*b/ none spam", /more than two/],
  ["abc none spam", /bad pattern/],
  ["550 explode spam", /bad action/],
  ["550 slow spam", /bad action/],
  ["550 none nonsense", /bad category/],
  ["550", /bad row/],
])("%s is a problem of its line, and the others hold", (row, problem) => {
  const table = parseBounceClasses(`${row}\n551 none spam\n`);
  expect(table.problems).toEqual([{ line: 1, text: expect.stringMatching(problem) }]);
  expect(table.rows).toHaveLength(1);
});

describe("an attempt that failed", () => {
  const inFile = (rows: string) => {
    const path = join(mkdtempSync(join(tmpdir(), "sces-classes-")), "bounce_classes");
    writeFileSync(path, rows);
    return path;
  };

  test("gets category and advice; a row may put it off or return it, and say how to treat the destination", () => {
    const path = inFile("/blocked/ defer,slow=5m block Ask us.\n/never/ bounce,pause=1m policy\n");
    const classify = classifier(path, () => {});
    expect(classify(fail("550 5.7.1 blocked"))).toMatchObject({
      attempt: { outcome: "deferred", dsn: "4.7.1", code: 550, category: "block", advice: "Ask us." },
      restraint: { action: "slow", forMs: 300_000 },
    });
    expect(classify(fail("450 4.2.0 never"))).toMatchObject({
      attempt: { outcome: "bounced", dsn: "5.2.0", category: "policy" },
      restraint: { action: "pause", forMs: 60_000, why: "said: 450 4.2.0 never" },
    });
    const sent: Attempt = { ...fail("550 blocked"), outcome: "sent" };
    expect(classify(sent)).toEqual({ attempt: sent });
    rmSync(path);
  });

  test("is judged by the file as it is now; a mistake in it, or its loss, is said", () => {
    const warnings: string[] = [];
    const path = inFile("550 none spam\nnonsense\n");
    const classify = classifier(path, (text) => warnings.push(text));
    expect(classify(fail("550 x")).attempt.category).toBe("spam");
    expect(warnings).toEqual([expect.stringContaining("line 2: bad row")]);
    const gone = classifier("/nowhere/at/all", (text) => warnings.push(text));
    expect(gone(fail("550 x"))).toEqual({ attempt: fail("550 x") });
    expect(gone(fail("550 x"))).toEqual({ attempt: fail("550 x") });
    expect(warnings.slice(1)).toEqual([expect.stringContaining("/nowhere/at/all")]);
    utimesSync(path, 1, 1);
    rmSync(path);
  });
});
