/** What a client hears in an ordinary session, what is stored, and what the log says. */
import { describe, expect, test } from "vitest";
import { behindReceived, smtpd } from "../harness/smtpd.ts";

const MAIL = "Subject: hello\r\nMessage-ID: <m1@sender.test>\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\n\r\nHello.";

describe("an ordinary session", () => {
  test("greets with its name and offers what it can", async () => {
    await using server = await smtpd();
    await using client = await server.connect();
    expect(await client.reply()).toBe("220 mail.sces.test ESMTP sces");
    expect((await client.ask("EHLO client.test", "250")).split("\n")).toEqual([
      "250-mail.sces.test",
      "250-PIPELINING",
      "250-SIZE 10240000",
      "250-VRFY",
      "250-ENHANCEDSTATUSCODES",
      "250-8BITMIME",
      "250-DSN",
      "250 SMTPUTF8",
    ]);
  });

  test("takes a message, stores it as it was sent behind a Received field, and tells cleanup", async () => {
    await using server = await smtpd();
    await using client = await server.open();
    const reply = await client.mail("alice@sender.test", ["bob@example.org"], MAIL);
    const id = /queued as (\S+)$/.exec(reply)?.[1] ?? "";
    await client.ask("QUIT", "221 2.0.0 Bye");
    const [stored] = server.stored();
    expect(stored?.envelope).toMatchObject({
      id,
      sender: "alice@sender.test",
      recipients: [{ address: "bob@example.org" }],
      origin: "smtpd",
      client: { name: "localhost", address: "127.0.0.1", helo: "client.test", proto: "ESMTP" },
      messageId: "<m1@sender.test>",
      subject: "hello",
      hops: 0,
    });
    expect(stored?.content).toMatch(
      new RegExp(
        "^Received: from client\\.test \\(localhost \\[127\\.0\\.0\\.1\\]\\)\\r\\n" +
          `\\tby mail\\.sces\\.test \\(sces\\) with ESMTP id ${id}\\r\\n` +
          "\\tfor <bob@example\\.org>; \\w{3}, \\d+ \\w{3} \\d{4} \\d\\d:\\d\\d:\\d\\d [+-]\\d{4}\\r\\n",
      ),
    );
    expect(behindReceived(stored?.content ?? "")).toBe(`${MAIL}\r\n`);
    expect(server.accepted).toEqual([
      { envelope: stored?.envelope, offset: expect.any(Number), length: stored?.content.length },
    ]);
  });

  test("logs connect, client and disconnect as Postfix does", async () => {
    await using server = await smtpd();
    await using client = await server.open();
    await client.ask("RCPT TO:<early@example.org>", "503 5.5.1 Error: need MAIL command");
    const reply = await client.mail("alice@sender.test", ["bob@example.org"], MAIL);
    await client.ask("FOO", "500 5.5.2 Error: command not recognized");
    await client.ask("QUIT", "221 2.0.0 Bye");
    await client.expectClose();
    const id = /queued as (\S+)$/.exec(reply)?.[1];
    expect(server.log.lines).toEqual([
      "connect from localhost[127.0.0.1]",
      `${id}: client=localhost[127.0.0.1]`,
      "disconnect from localhost[127.0.0.1] ehlo=1 mail=1 rcpt=1/2 data=1 quit=1 unknown=0/1 commands=5/7",
    ]);
  });

  test("names no recipient in the Received field of a message to several", async () => {
    await using server = await smtpd();
    await using client = await server.open();
    await client.mail("", ["a@example.org", "b@example.org"], MAIL);
    const content = server.stored()[0]?.content ?? "";
    expect(content.split("\r\n\t")[1]).toMatch(/ with ESMTP id \w+;$/);
    expect(content).not.toContain("for <");
  });

  test("answers pipelined commands in order, and again after the message", async () => {
    await using server = await smtpd();
    await using client = await server.open();
    const envelope = "MAIL FROM:<a@sender.test>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<c@elsewhere.test>\r\nDATA\r\n";
    await client.send(envelope);
    await client.expect("250 2.1.0 Ok");
    await client.expect("250 2.1.5 Ok");
    await client.expect("554 5.7.1 <c@elsewhere.test>: Relay access denied");
    await client.expect("354 End data with <CR><LF>.<CR><LF>");
    // RFC 2920 3.1: the next envelope may go with the end of the message.
    await client.send(`${MAIL}\r\n.\r\n${envelope}`);
    await client.expect("250 2.0.0 Ok: queued as ");
    await client.expect("250 2.1.0 Ok");
    await client.expect("250 2.1.5 Ok");
    await client.expect("554 5.7.1 ");
    await client.expect("354 ");
    await client.send(".\r\nQUIT\r\n");
    await client.expect("250 2.0.0 Ok: queued as ");
    await client.expect("221 2.0.0 Bye");
    expect(server.stored()).toHaveLength(2);
  });

  test("answers what came before the client closed its side", async () => {
    await using server = await smtpd();
    await using client = await server.open();
    await client.ask("MAIL FROM:<a@sender.test>", "250");
    await client.ask("RCPT TO:<b@example.org>", "250");
    await client.ask("DATA", "354");
    await client.send(`${MAIL}\r\n.\r\nQUIT\r\n`);
    client.end();
    await client.expect("250 2.0.0 Ok: queued as ");
    await client.expect("221 2.0.0 Bye");
  });

  test("answers RSET, NOOP, HELP, VRFY and what it does not know", async () => {
    await using server = await smtpd();
    await using client = await server.open();
    await client.ask("NOOP whatever", "250 2.0.0 Ok");
    await client.ask("RSET", "250 2.0.0 Ok");
    await client.ask("RSET now", "501 5.5.4 Syntax: RSET");
    await client.ask("VRFY bob@example.org", "252 2.0.0 bob@example.org");
    await client.ask("VRFY bob@elsewhere.test", "554 5.7.1 <bob@elsewhere.test>: Relay access denied");
    await client.ask("HELP", "214 2.0.0 Commands: ");
    await client.ask("EXPN staff", "500 5.5.2 Error: command not recognized");
    await client.ask("ETRN example.org", "502 5.5.1 Error: command not implemented");
    await client.ask("", "500 5.5.2 Error: bad syntax");
    await client.ask("EHLO", "501 Syntax: EHLO hostname");
    await client.ask("helo", "501 Syntax: HELO hostname");
    await client.ask("mail from:<a@sender.test>", "250 2.1.0 Ok");
    await client.ask("DATA", "554 5.5.1 Error: no valid recipients");
    await client.ask("rcpt to: <b@example.org>", "250 2.1.5 Ok");
    await client.ask("DATA now", "501 5.5.4 Syntax: DATA");
    await client.ask("quit", "221 2.0.0 Bye");
  });

  test("[D4] a client that only says HELO speaks SMTP without extensions", async () => {
    await using server = await smtpd();
    await using client = await server.connect();
    await client.expect("220");
    expect(await client.ask("HELO client.test", "250")).toBe("250 mail.sces.test");
    await client.ask("MAIL FROM:<a@sender.test> SIZE=10", "555 5.5.4 Unsupported option: SIZE=10");
    await client.ask("MAIL FROM:<a@sender.test> RET=FULL", "555 5.5.4 Unsupported option: RET=FULL");
    await client.ask("MAIL FROM:<a@sender.test>", "250");
    await client.ask("RCPT TO:<b@example.org> NOTIFY=NEVER", "555 5.5.4 Unsupported option: NOTIFY=NEVER");
    await client.ask("RSET", "250");
    await client.mail("a@sender.test", ["b@example.org"], MAIL);
    expect(server.stored()[0]?.envelope.client?.proto).toBe("SMTP");
    expect(server.stored()[0]?.content).toContain(" with SMTP id ");
  });

  test("[G12] makes the client's name for itself harmless", async () => {
    await using server = await smtpd();
    await using client = await server.connect();
    await client.expect("220");
    await client.ask('EHLO <script>(x)@"y";\\z two words', "250");
    await client.mail("a@sender.test", ["b@example.org"], MAIL);
    expect(server.stored()[0]?.envelope.client?.helo).toBe("?script??x???y???z?two?words");
    expect(server.stored()[0]?.content).toMatch(/^Received: from \?script\?\?x\?\?\?y\?\?\?z\?two\?words \(/);
  });

  test("adds Message-ID and Date for our own hosts where they are missing, not for strangers", async () => {
    await using server = await smtpd({ mynetworks: "127.0.0.1" });
    await using own = await server.open();
    await own.mail("a@sender.test", ["b@anywhere.test"], "Subject: x\r\n\r\nbody");
    await own.mail("a@sender.test", ["b@anywhere.test"], MAIL);
    await using stranger = await server.open({ localAddress: "127.0.0.2" });
    await stranger.mail("a@sender.test", ["b@example.org"], "Subject: x\r\n\r\nbody");
    const [added, complete, foreign] = server.stored();
    const id = added?.envelope.id;
    expect(behindReceived(added?.content ?? "")).toMatch(
      new RegExp(`^Subject: x\\r\\nMessage-Id: <${id}@mail\\.sces\\.test>\\r\\nDate: .*\\r\\n\\r\\nbody\\r\\n$`),
    );
    expect(added?.envelope.messageId).toBe(`<${id}@mail.sces.test>`); // for the log and for reports
    expect(behindReceived(complete?.content ?? "")).toBe(`${MAIL}\r\n`);
    expect(behindReceived(foreign?.content ?? "")).toBe("Subject: x\r\n\r\nbody\r\n");
  });

  test("keeps header and body apart where the client did not", async () => {
    await using server = await smtpd();
    await using client = await server.open();
    for (const content of [
      "no header at all",
      " starts with a blank",
      "From alice Sun\r\nSubject: x\r\n\r\nbody",
      "",
      "Subject: x\r\nbody",
    ]) {
      await client.mail("a@sender.test", ["b@example.org"], content);
    }
    expect(server.stored().map((one) => behindReceived(one.content))).toEqual([
      "\r\nno header at all\r\n",
      "\r\n starts with a blank\r\n",
      "X-Mailbox-Line: From alice Sun\r\nSubject: x\r\n\r\nbody\r\n",
      "\r\n",
      "Subject: x\r\n\r\nbody\r\n",
    ]);
  });
});
