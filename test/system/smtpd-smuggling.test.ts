/** Nothing but CR LF . CR LF ends a message, however the bytes come, and no byte of it is ever a command. */
import { describe, expect, test } from "vitest";
import { behindReceived, smtpd, type TestSmtpd } from "../harness/smtpd.ts";
import type { Dialogue } from "../harness/smtp-dialogue.ts";

const SECOND = "MAIL FROM:<evil@sender.test>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nSmuggled.";

/** Hazards A1 to A8: what some servers take for the end. What becomes of it, as lines of the message. */
const FALSE_ENDS: readonly {
  readonly row: string;
  readonly name: string;
  readonly bytes: string;
  readonly stored: string;
}[] = [
  { row: "[A1]", name: "LF . LF", bytes: "\n.\n", stored: "\r\n.\r\n" },
  { row: "[A2]", name: "LF . CRLF", bytes: "\n.\r\n", stored: "\r\n.\r\n" },
  { row: "[A3]", name: "CRLF . LF", bytes: "\r\n.\n", stored: "\r\n\r\n" }, // dot-stuffed by the client's own account: one dot goes
  { row: "[A4]", name: "LF . CR", bytes: "\n.\r", stored: "\r\n.\r\n" },
  { row: "[A5]", name: "CR . CR", bytes: "\r.\r", stored: "\r\n.\r\n" },
  { row: "[A6]", name: "CR . CRLF", bytes: "\r.\r\n", stored: "\r\n.\r\n" },
  { row: "[A7]", name: "CRLF . CR", bytes: "\r\n.\r", stored: "\r\n\r\n" },
  { row: "[A8]", name: "CR . LF", bytes: "\r.\n", stored: "\r\n.\r\n" },
];

async function toData(server: TestSmtpd): Promise<Dialogue> {
  const client = await server.open();
  await client.ask("MAIL FROM:<a@sender.test>", "250");
  await client.ask("RCPT TO:<b@example.org>", "250");
  await client.ask("DATA", "354");
  return client;
}

describe("what is not the end of a message", () => {
  for (const { row, name, bytes, stored } of FALSE_ENDS) {
    test(`${row} ${name} is content, sent on as line ends, and what follows is no command`, async () => {
      await using server = await smtpd();
      await using client = await toData(server);
      await client.send(`Subject: x\r\n\r\nfirst${bytes}${SECOND}\r\n.\r\n`);
      await client.expect("250 2.0.0 Ok: queued as ");
      const messages = server.stored();
      expect(messages).toHaveLength(1);
      expect(behindReceived(messages[0]?.content ?? "")).toBe(`Subject: x\r\n\r\nfirst${stored}${SECOND}\r\n`);
    });
  }

  for (const { row, name, bytes } of FALSE_ENDS) {
    test(`${row} ${name} is refused, and the session ended, where bare line feeds are forbidden`, async () => {
      await using server = await smtpd({ smtpd_forbid_bare_newline: "reject" });
      await using client = await toData(server);
      await client.send(`Subject: x\r\n\r\nfirst${bytes}${SECOND}\r\n.\r\n`);
      // A bare CR alone is no bare LF: Postfix, too, takes that.
      const hasBareLf = /(^|[^\r])\n/.test(bytes);
      await client.expect(hasBareLf ? "550 5.5.2 mail.sces.test Error: bare <LF> received" : "250 ");
      if (hasBareLf) expect(await client.expectClose()).toBe("");
      expect(server.stored()).toHaveLength(hasBareLf ? 0 : 1);
    });
  }

  for (const [row, bytes] of [
    ["[A9]", "\r\n\0.\r\n"],
    ["[A10]", "\r\n.\0\r\n"],
  ] as const) {
    test(`${row} ${JSON.stringify(bytes)} is content, and the NUL makes it unacceptable`, async () => {
      await using server = await smtpd();
      await using client = await toData(server);
      await client.send(`Subject: x\r\n\r\nfirst${bytes}${SECOND}\r\n.\r\n`);
      await client.expect("550 5.6.0 Error: message content contains a NUL character");
      await client.ask("NOOP", "250");
      expect(server.stored()).toHaveLength(0);
      expect(server.unfinished()).toHaveLength(0);
      expect(
        server.logged(
          /NOQUEUE: reject: END-OF-MESSAGE from localhost\[127.0.0.1\]: 550 5.6.0 .*; from=<a@sender.test> to=<b@example.org> proto=ESMTP helo=<client.test>$/,
        ),
      ).toHaveLength(1);
    });
  }

  test("[A11] segments make no difference, wherever they are cut", async () => {
    await using server = await smtpd();
    for (const { bytes, stored } of FALSE_ENDS) {
      const all = `Subject: x\r\n\r\nfirst${bytes}${SECOND}\r\n.\r\nNOOP\r\n`;
      const from = all.indexOf("first") + 4;
      const cuts = [...bytes].map((_, index) => from + 1 + index);
      for (const cut of [...cuts, all.length - 7, all.length - 8, all.length - 9, all.length - 10]) {
        await using client = await toData(server);
        await client.sendInPieces([all.slice(0, cut), all.slice(cut)], 2);
        await client.expect("250 2.0.0 Ok: queued as ");
        await client.expect("250 2.0.0 Ok");
        const last = server.stored().at(-1);
        expect(behindReceived(last?.content ?? "")).toBe(`Subject: x\r\n\r\nfirst${stored}${SECOND}\r\n`);
      }
    }
    const before = server.stored().length;
    for (const bytes of ["\r\n\0.\r\n", "\r\n.\0\r\n"]) {
      const all = `Subject: x\r\n\r\nfirst${bytes}${SECOND}\r\n.\r\nNOOP\r\n`;
      const from = all.indexOf("first") + 5;
      for (let cut = from; cut <= from + bytes.length; cut++) {
        await using client = await toData(server);
        await client.sendInPieces([all.slice(0, cut), all.slice(cut)], 2);
        await client.expect("550 5.6.0 ");
        await client.expect("250 2.0.0 Ok");
      }
    }
    expect(server.stored()).toHaveLength(before);
  });

  test("[A12] a stuffed dot in segments of its own is a dot", async () => {
    await using server = await smtpd();
    await using client = await toData(server);
    await client.sendInPieces([".", ".", "\r\n", ".", "\r", "\n", "NOOP\r\n"]);
    await client.expect("250 2.0.0 Ok: queued as ");
    await client.expect("250 2.0.0 Ok");
    expect(behindReceived(server.stored()[0]?.content ?? "")).toBe("\r\n.\r\n");
  });
});

describe("what is not a command", () => {
  test("[A13] a line that ends with LF alone is an error and counts as one", async () => {
    await using server = await smtpd({ smtpd_hard_error_limit: "3" });
    await using client = await server.open();
    await client.send("MAIL FROM:<a@sender.test>\nRCPT TO:<b@example.org>\n");
    await client.expect("500 5.5.2 Error: bare <LF> received");
    await client.expect("500 5.5.2 Error: bare <LF> received");
    await client.ask("RCPT TO:<b@example.org>", "503 5.5.1 ");
    await client.expect("421 4.7.0 mail.sces.test Error: too many errors");
    await client.expectClose();
  });

  test("a line that ends with LF alone is taken where the administrator says so, and refused for good where forbidden", async () => {
    await using lenient = await smtpd({ smtpd_forbid_bare_newline: "no" });
    await using one = await lenient.open();
    await one.send("NOOP\n");
    await one.expect("250 2.0.0 Ok");
  });

  test("a line that ends with LF alone ends the session where bare line feeds are forbidden", async () => {
    await using server = await smtpd({ smtpd_forbid_bare_newline: "reject" });
    await using client = await server.open();
    await client.send("NOOP\nNOOP\r\n");
    await client.expect("550 5.5.2 mail.sces.test Error: bare <LF> received");
    expect(await client.expectClose()).toBe("");
  });

  test("[A16] a message sent together with DATA is not waited for: the session ends", async () => {
    await using server = await smtpd();
    await using client = await server.open();
    await client.ask("MAIL FROM:<a@sender.test>", "250");
    await client.ask("RCPT TO:<b@example.org>", "250");
    await client.send(`DATA\r\nSubject: x\r\n\r\nbody\r\n.\r\n${SECOND}\r\n.\r\n`);
    await client.expect("554 5.5.0 Error: SMTP protocol synchronization");
    expect(await client.expectClose()).toBe("");
    expect(server.stored()).toHaveLength(0);
    expect(server.logged(/^improper command pipelining after DATA from localhost\[127.0.0.1\]$/)).toHaveLength(1);
    expect(server.logged(/^disconnect .* data=0\/1 commands=3\/4$/)).toHaveLength(1);
  });

  test("commands sent ahead are read where pipelining rules are off", async () => {
    await using server = await smtpd({ smtpd_forbid_unauth_pipelining: "no" });
    await using client = await server.connect();
    await client.expect("220");
    await client.send(
      "HELO client.test\r\nMAIL FROM:<a@sender.test>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n.\r\nQUIT\r\n",
    );
    for (const code of ["250", "250", "250", "354", "250", "221"]) await client.expect(code);
  });

  test("[A17] a chunk that nobody asked for does not run as commands", async () => {
    await using server = await smtpd();
    await using client = await server.open();
    await client.send("BDAT 10 LAST\r\n0123456789QUIT\r\n");
    await client.expect("502 5.5.1 Error: command not implemented");
    expect(await client.expectClose()).toBe("");
  });
});
