import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import fc from "fast-check";
// @ts-expect-error: it has no types of its own
import { simpleParser } from "mailparser";
import { describe, expect, test } from "vitest";
import { adviceFor } from "../../src/mail/advice.ts";
import type { Attempt } from "../../src/mail/attempt.ts";
import type { Envelope } from "../../src/mail/envelope.ts";
import { splitHeader } from "../../src/mail/header.ts";
import type { OwedReport } from "../../src/mail/owed.ts";
import { buildReport, type ReportInput, returnsWhole } from "../../src/mail/report.ts";
import { foldJournal } from "../../src/mail/state.ts";
import { wrap } from "../../src/mail/wrap.ts";

const ARRIVAL = Date.UTC(2026, 10, 22, 12, 0, 0);
const ORIGINAL = Buffer.from(
  "Received: from a by b\r\nSubject: Hi\r\nMessage-ID: <m1@sender.test>\r\nReferences: <m0@sender.test>\r\n\r\nbody\r\n",
);

const envelope: Envelope = {
  id: "4jXCKj2RJyz7k",
  arrival: ARRIVAL,
  sender: "alice@sender.test",
  recipients: [
    { address: "bob@e.test", orcpt: "rfc822;robert@e.test" },
    { address: "carol@f.test", original: "team@here.test" },
  ],
  origin: "smtpd",
  envid: "QQ314159",
  messageId: "<m1@sender.test>",
  subject: "Hi",
};
const refused: Attempt = {
  kind: "attempt",
  recipient: 0,
  attempt: 1,
  type: "error",
  outcome: "bounced",
  time: ARRIVAL + 1000,
  to: "192.0.2.1",
  port: 25,
  host: "mx.e.test",
  code: 550,
  status: "5.1.1",
  description: "No such user here",
  state: "rcpt to",
  dsn: "5.1.1",
  text: "host mx.e.test[192.0.2.1] said: 550 5.1.1 No such user here (in reply to RCPT TO command)",
};
const expired: Attempt = {
  kind: "attempt",
  recipient: 1,
  attempt: 7,
  type: "connect",
  outcome: "expired",
  time: ARRIVAL + 86_400_000,
  dsn: "4.4.1",
  text: "connect to mx.f.test[192.0.2.2]:25: Connection timed out",
};
const failed: OwedReport = { action: "failed", to: "sender", recipients: [0, 1] };

function input(changes: Partial<ReportInput> = {}): ReportInput {
  let counter = 0;
  const message = changes.envelope ?? envelope;
  return {
    envelope: message,
    state: foldJournal(message, [refused, { ...expired, outcome: "deferred", attempt: 1 }, expired]),
    owed: failed,
    original: { bytes: ORIGINAL, isWhole: true },
    id: "4jXCKj2RJyz8m",
    time: ARRIVAL + 90_000_000,
    sender: "",
    reader: message.sender,
    hostname: "mx.here.test",
    mailName: "sces",
    contact: "postmaster@here.test",
    boundary: () => createHash("md5").update(String(counter++)).digest("hex"),
    ...changes,
  };
}

function bytesOf(changes: Partial<ReportInput> = {}): Buffer {
  return Buffer.concat(buildReport(input(changes)).content);
}

interface Part {
  readonly header: Record<string, string>;
  readonly body: Buffer;
}

/** A strict reading of our own reports: exactly three parts, nothing behind the last boundary. */
function parts(report: Buffer): { readonly header: Record<string, string>; readonly parts: readonly Part[] } {
  const read = (bytes: Buffer): Part => {
    const header = splitHeader(bytes);
    expect(header.ending).toBe("blank");
    const names = header.fields.map((field) => field.name);
    expect(new Set(names).size, `each field once: ${names}`).toBe(names.length);
    return {
      header: Object.fromEntries(header.fields.map((field) => [field.name, field.value])),
      body: bytes.subarray(header.bodyStart),
    };
  };
  const outer = read(report);
  const boundary = /boundary="([0-9a-f]{32})"/.exec(outer.header["content-type"] ?? "")?.[1];
  const pieces = outer.body.toString("latin1").split(`\r\n--${boundary}`);
  expect(pieces).toHaveLength(5);
  expect(pieces[4]).toBe("--\r\n");
  return {
    header: outer.header,
    parts: pieces.slice(1, 4).map((piece) => read(Buffer.from(piece.slice(2), "latin1"))),
  };
}

function groups(part: Part | undefined): Record<string, string>[] {
  const found: Record<string, string>[] = [];
  for (let rest = part?.body ?? Buffer.alloc(0); rest.length > 0; ) {
    const header = splitHeader(rest);
    found.push(Object.fromEntries(header.fields.map((field) => [field.name, field.value])));
    if (header.bodyStart === 0) throw new Error(`no fields in ${rest}`);
    rest = rest.subarray(header.bodyStart);
  }
  return found;
}

describe("buildReport", () => {
  test("writes what RFC 3464 asks for", () => {
    const report = parts(bytesOf());
    expect(report.header).toMatchObject({
      from: "Mail Delivery System <MAILER-DAEMON@mx.here.test>",
      to: "alice@sender.test",
      subject: "Undelivered Mail Returned to Sender",
      "auto-submitted": "auto-replied",
      "mime-version": "1.0",
      "message-id": "<4jXCKj2RJyz8m@mx.here.test>",
      "in-reply-to": "<m1@sender.test>",
      references: "<m0@sender.test> <m1@sender.test>",
    });
    expect(report.header["content-type"]).toMatch(
      /^multipart\/report; report-type=delivery-status;\s+boundary="[0-9a-f]{32}"$/,
    );
    expect(report.parts.map((part) => part.header["content-description"])).toEqual([
      "Notification",
      "Delivery report",
      "Undelivered Message",
    ]);
    expect(report.parts.map((part) => part.header["content-type"])).toEqual([
      "text/plain; charset=us-ascii",
      "message/delivery-status",
      "message/rfc822",
    ]);
    const [message, bob, carol] = groups(report.parts[1]);
    expect(message).toMatchObject({
      "reporting-mta": "dns; mx.here.test",
      "original-envelope-id": "QQ314159",
      "x-sces-queue-id": "4jXCKj2RJyz7k",
      "x-sces-sender": "rfc822; alice@sender.test",
    });
    expect(Date.parse(message?.["arrival-date"] ?? "")).toBe(ARRIVAL);
    expect(bob).toMatchObject({
      "final-recipient": "rfc822; bob@e.test",
      "original-recipient": "rfc822;robert@e.test",
      action: "failed",
      status: "5.1.1",
      "remote-mta": "dns; mx.e.test",
      "diagnostic-code": "smtp; 550 5.1.1 No such user here",
    });
    expect(carol).toMatchObject({
      "final-recipient": "rfc822; carol@f.test",
      "original-recipient": "rfc822; team@here.test",
      action: "failed",
      status: "4.4.1",
      "diagnostic-code": "X-SCES; connect to mx.f.test[192.0.2.2]:25: Connection timed out",
    });
    expect(carol).not.toHaveProperty("remote-mta");
    expect(report.parts[2]?.body.toString()).toBe(`Return-Path: <alice@sender.test>\r\n${ORIGINAL}`);
  });

  test("tells people what happened, what was answered and what to do", () => {
    const text = parts(bytesOf()).parts[0]?.body.toString() ?? "";
    expect(text).toContain("could not be delivered to the 2 addresses");
    expect(text).toContain("<bob@e.test>\r\n    There is no such address");
    expect(text).toContain("        550 5.1.1 No such user here\r\n");
    expect(text).toContain("mail server mx.e.test [192.0.2.1]");
    expect(text).toContain("What to do: Look for typing errors");
    expect(text).toContain("<carol@f.test> (expanded from <team@here.test>)");
    expect(text).toContain("tried 7 times");
    expect(text).toContain("4jXCKj2RJyz7k");
    for (const line of text.split("\r\n")) expect(line.length).toBeLessThanOrEqual(78);
  });

  test("[F13] goes from the null sender to the sender, marked as a report", () => {
    expect(buildReport(input()).draft).toEqual({
      sender: "",
      recipients: [{ address: "alice@sender.test" }],
      origin: "bounce",
      notice: "4jXCKj2RJyz7k",
      messageId: "<4jXCKj2RJyz8m@mx.here.test>",
      subject: "Undelivered Mail Returned to Sender",
    });
  });

  test("warns of a delay with the time until which it is tried", () => {
    const owed: OwedReport = { action: "delayed", to: "sender", recipients: [1] };
    const state = foldJournal(envelope, [{ ...expired, outcome: "deferred" }]);
    const report = parts(
      bytesOf({ owed, state, retryUntil: ARRIVAL + 2 * 86_400_000, original: { bytes: ORIGINAL, isWhole: false } }),
    );
    expect(report.header["subject"]).toBe("Delayed Mail (still being retried)");
    const [, carol] = groups(report.parts[1]);
    expect(carol).toMatchObject({ action: "delayed", status: "4.4.1" });
    expect(Date.parse(carol?.["will-retry-until"] ?? "")).toBe(ARRIVAL + 2 * 86_400_000);
    expect(report.parts[2]?.header["content-type"]).toBe("text/rfc822-headers");
    expect(report.parts[2]?.body.toString()).not.toContain("body");
    expect(report.parts[0]?.body.toString()).toContain("need not send it again");
  });

  test("reports success as relayed where the next hop does not report, as delivered where it is in a mailbox", () => {
    const sent: Attempt = { ...refused, outcome: "sent", code: 250, status: "2.0.0", dsn: "2.0.0", description: "Ok" };
    const { to: _, code: __, ...rest } = { ...sent, recipient: 1, text: "delivered to maildir" };
    const local = { ...rest, host: "local" };
    const report = parts(
      bytesOf({
        owed: { action: "delivered", to: "sender", recipients: [0, 1] },
        state: foldJournal(envelope, [sent, local]),
        original: { bytes: ORIGINAL, isWhole: false },
      }),
    );
    expect(report.header["subject"]).toBe("Successful Mail Delivery Report");
    const [, bob, carol] = groups(report.parts[1]);
    expect(bob).toMatchObject({ action: "relayed", status: "2.0.0" });
    expect(carol).toMatchObject({ action: "delivered", status: "2.0.0" });
    expect(report.parts[0]?.body.toString()).toContain("It is in the mailbox of the recipient.");
    const toCommand = bytesOf({
      owed: { action: "delivered", to: "sender", recipients: [1] },
      state: foldJournal(envelope, [{ ...local, host: "store" }]),
      original: { bytes: ORIGINAL, isWhole: false },
    });
    expect(parts(toCommand).parts[0]?.body.toString()).not.toContain("mailbox");
    expect(report.parts[2]?.header["content-description"]).toBe("Message Headers");
  });

  test("writes to the postmaster as a program that was not asked", () => {
    const message: Envelope = { ...envelope, sender: "" };
    const owed: OwedReport = { action: "failed", to: "postmaster", recipients: [0] };
    const changes = { envelope: message, owed, reader: "postmaster@here.test", sender: "double-bounce@here.test" };
    const report = parts(bytesOf(changes));
    expect(report.header).toMatchObject({
      to: "postmaster@here.test",
      subject: "Postmaster Copy: Undelivered Mail",
      "auto-submitted": "auto-generated",
    });
    expect(groups(report.parts[1])[0]).not.toHaveProperty("x-sces-sender");
    expect(report.parts[2]?.body.toString()).toMatch(/^Return-Path: <>\r\n/);
    expect(buildReport(input(changes)).draft.sender).toBe("double-bounce@here.test");
  });

  test("uses RFC 6533 where addresses are beyond ASCII", () => {
    const message: Envelope = {
      ...envelope,
      sender: "jürgen@sender.test",
      smtputf8: true,
      recipients: [{ address: "bøb@e.test", orcpt: "utf-8;bøb@e.test" }, { address: "carol@f.test" }],
    };
    const built = buildReport(input({ envelope: message }));
    expect(built.draft).toMatchObject({ smtputf8: true, body: "8BITMIME" });
    const report = parts(Buffer.concat(built.content));
    expect(report.header["to"]).toBe("jürgen@sender.test");
    expect(report.parts.map((part) => part.header["content-type"])).toEqual([
      "text/plain; charset=utf-8",
      "message/global-delivery-status",
      "message/global",
    ]);
    const [about, bob, carol] = groups(report.parts[1]);
    expect(about?.["x-sces-sender"]).toBe("utf-8; jürgen@sender.test");
    expect(bob).toMatchObject({ "final-recipient": "utf-8; bøb@e.test", "original-recipient": "utf-8;bøb@e.test" });
    expect(carol).toMatchObject({ "final-recipient": "rfc822; carol@f.test" });
  });

  test("keeps the machine's part ASCII otherwise", () => {
    const state = foldJournal(envelope, [{ ...refused, description: "Unbekannter Empfänger 😀" }, expired]);
    const report = parts(bytesOf({ state }));
    expect(groups(report.parts[1])[1]?.["diagnostic-code"]).toBe(
      "smtp; 550 5.1.1 Unbekannter Empf\\x{E4}nger \\x{1F600}",
    );
    expect(report.parts[0]?.body.toString()).toContain("Unbekannter Empfänger 😀");
    expect(report.header["content-transfer-encoding"]).toBe("8bit");
  });

  test("[F11] takes no boundary that the message contains", () => {
    const taken = createHash("md5").update("0").digest("hex");
    const bytes = Buffer.from(`Subject: x\r\n\r\n--${taken}--\r\n`);
    const report = bytesOf({ original: { bytes, isWhole: true } });
    expect(parts(report).header["content-type"]).not.toContain(taken);
  });

  test("[F10] lets nothing from outside add a field or a part", () => {
    const evil = fc.string({
      unit: fc.constantFrom(
        "\r\n",
        "\n",
        "\r",
        "\u0000",
        "\u001b",
        ":",
        "--",
        " ",
        "a",
        "<",
        ">",
        "\u2028",
        "\u0085",
        "é",
        "\u202e",
      ),
      maxLength: 60,
    });
    const baseline = Object.keys(parts(bytesOf()).header).filter((name) => name !== "content-transfer-encoding");
    fc.assert(
      fc.property(evil, evil, evil, evil, (a, b, c, d) => {
        const message: Envelope = {
          ...envelope,
          subject: `Re: ${a}`,
          envid: `x${b}`,
          messageId: `<${c}@x>`,
          recipients: [{ address: "bob@e.test", orcpt: `rfc822;${d}` }, { address: "carol@f.test" }],
        };
        const attempts = [
          { ...refused, description: `no${a}`, text: `no${b}`, host: `h${c}` },
          { ...expired, text: `no${d}` },
        ];
        const report = parts(bytesOf({ envelope: message, state: foldJournal(message, attempts) }));
        expect(Object.keys(report.header).filter((name) => name !== "content-transfer-encoding")).toEqual(baseline);
        const read = groups(report.parts[1]);
        expect(read).toHaveLength(3);
        expect(Object.keys(read[1] ?? {})).toEqual([
          "final-recipient",
          "original-recipient",
          "action",
          "status",
          "remote-mta",
          "diagnostic-code",
          "last-attempt-date",
        ]);
        expect(report.parts[0]?.body.toString().replaceAll("\r\n", "")).not.toMatch(/[\p{Cc}\u2028\u202e]/u);
      }),
      { numRuns: 200 },
    );
  });

  test("stays within the line length of mail whatever was answered", () => {
    for (const text of ["x".repeat(5000), "é".repeat(5000), "😀".repeat(3000), `${"x ".repeat(3000)}`]) {
      const state = foldJournal(envelope, [
        { ...refused, description: text },
        { ...expired, text },
      ]);
      const report = bytesOf({ state, envelope: { ...envelope, subject: text.slice(0, 200) } });
      for (const line of report.toString("latin1").split("\r\n")) expect(line.length).toBeLessThanOrEqual(998);
      expect(report.includes("\ufffd")).toBe(false);
    }
  });

  test("explains a hundred recipients and lists them all", () => {
    const recipients = Array.from({ length: 1000 }, (_, index) => ({ address: `r${index}@e.test` }));
    const message = { ...envelope, recipients };
    const state = foldJournal(
      message,
      recipients.map((_, index) => ({ ...refused, recipient: index })),
    );
    const owed: OwedReport = { action: "failed", to: "sender", recipients: recipients.map((_, index) => index) };
    const report = parts(bytesOf({ envelope: message, state, owed }));
    expect(groups(report.parts[1])).toHaveLength(1001);
    expect(report.parts[0]?.body.toString()).toContain("900 more recipients");
  });

  test("[F10] is understood by mailparser and by Python", async () => {
    const report = bytesOf();
    const parsed = await simpleParser(report);
    expect(parsed.subject).toBe("Undelivered Mail Returned to Sender");
    expect(parsed.text).toContain("bob@e.test");
    const script = `
import sys, json, email, email.policy
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
status = m.get_payload(1)
print(json.dumps({
  "type": m.get_content_type(), "report": m.get_param("report-type"), "count": len(m.get_payload()),
  "defects": [str(d) for p in m.walk() for d in p.defects],
  "groups": [dict(g.items()) for g in status.get_payload()],
  "original": m.get_payload(2).get_payload(0)["message-id"]}))`;
    let python: string;
    try {
      python = execFileSync("python3", ["-c", script], { input: report, encoding: "utf8" });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return; // no Python here
      throw error;
    }
    const read = JSON.parse(python) as { groups: Record<string, string>[] };
    expect(read).toMatchObject({
      type: "multipart/report",
      report: "delivery-status",
      count: 3,
      defects: [],
      original: "<m1@sender.test>",
    });
    expect(read.groups.map((group) => group["Final-Recipient"])).toEqual([
      undefined,
      "rfc822; bob@e.test",
      "rfc822; carol@f.test",
    ]);
  });
});

describe("what goes back", () => {
  test("is the message only with a failure, up to the limit, unless headers were asked for", () => {
    expect(returnsWhole(envelope, "failed", 50_000, 50_000)).toBe(true);
    expect(returnsWhole(envelope, "failed", 50_001, 50_000)).toBe(false);
    expect(returnsWhole({ ...envelope, ret: "HDRS" }, "failed", 1, 50_000)).toBe(false);
    expect(returnsWhole({ ...envelope, ret: "FULL" }, "delivered", 1, 50_000)).toBe(false);
    expect(returnsWhole(envelope, "delayed", 1, 50_000)).toBe(false);
  });
  test("comes with advice for every status", () => {
    for (const status of ["5.0.0", "5.1.1", "5.2.2", "5.7.1", "4.4.1", "5.99.99", "nonsense"]) {
      const { meaning, next } = adviceFor(status);
      expect(meaning).toMatch(/\.$/);
      expect(next).toMatch(/\.$/);
    }
    expect(adviceFor("5.2.2").meaning).toContain("full");
    expect(adviceFor("4.7.26")).toBe(adviceFor("5.7.26"));
  });
  test("is wrapped without losing a word", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme-ascii", maxLength: 20 })), (words) => {
        const text = words.join(" ");
        const lines = wrap(text, "  ");
        expect(
          lines
            .map((line) => line.slice(2))
            .join(" ")
            .split(/ +/)
            .join(" ")
            .trim(),
        ).toBe(text.split(/ +/).join(" ").trim());
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(76);
      }),
    );
  });
});
