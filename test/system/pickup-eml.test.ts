import { describe, expect, test } from "vitest";
import { partsOf, pick } from "../harness/picking.ts";
import { useSpool } from "../harness/spool.ts";

useSpool();

const addresses = (message: Awaited<ReturnType<typeof pick>>["message"]) =>
  message?.envelope.recipients.map((recipient) => recipient.address);

describe("an .eml file in drop/", () => {
  test("becomes a message with CRLF, our Received first, and a log line as pickup's", async () => {
    const { message, log } = await pick("a.eml", "From: a@one.test\nTo: b@two.test\nSubject: Hello\n\nHi\n.\nthere");
    const { received, header, body } = partsOf(message?.text ?? "");
    const id = message?.envelope.id;
    expect(received.replaceAll(/\r\n\s+/g, " ")).toMatch(
      new RegExp(`^Received: by mail.sces.test \\(sces, from userid ${process.getuid?.()}\\) id ${id}; \\w{3}, `),
    );
    expect(header).toMatch(
      /^From: a@one.test\r\nTo: b@two.test\r\nSubject: Hello\r\nMessage-ID: <\S+>\r\nDate: .+\r\n$/,
    );
    expect(body).toBe("Hi\r\n.\r\nthere\r\n");
    expect(log).toContain(`${id}: uid=${process.getuid?.()} from=<a@one.test>`);
    expect(message?.envelope).toMatchObject({
      sender: "a@one.test",
      origin: "pickup",
      subject: "Hello",
      messageId: `<${id}@mail.sces.test>`,
      hops: 0,
    });
  });

  test("keeps the Message-ID and Date that it has", async () => {
    const header =
      "From: a@one.test\r\nTo: b@two.test\r\nmessage-id: <x@y>\r\nDATE: Sun, 22 Nov 2026 02:13:16 +0100\r\n";
    const { message } = await pick("a.eml", `${header}\r\nHi\r\n`);
    expect(partsOf(message?.text ?? "")).toMatchObject({ header, body: "Hi\r\n" });
    expect(message?.envelope.messageId).toBe("<x@y>");
  });

  test("takes its envelope from X-Sender and X-Receiver, which are not sent", async () => {
    const { message } = await pick(
      "a.eml",
      "X-Sender: <bounces@one.test>\nX-Receiver: <b@two.test>\nX-Receiver: C@TWO.test\nx-receiver: <b@two.test>\nFrom: a@one.test\nTo: z@nine.test\nBcc: secret@x.test\n\nHi\n",
    );
    expect(message?.envelope.sender).toBe("bounces@one.test");
    expect(addresses(message)).toEqual(["b@two.test", "C@two.test"]);
    expect(partsOf(message?.text ?? "").header).toMatch(/^From: a@one.test\r\nTo: z@nine.test\r\nMessage-ID/);
    expect(message?.text).not.toContain("secret");
  });

  test.each([
    [
      "X-Sender",
      "X-Sender: <a@x.test>\nx-mq-envelope: b@x.test\nReturn-Path: <c@x.test>\nSender: d@x.test\nFrom: e@x.test\n",
      "a@x.test",
    ],
    [
      "x-mq-envelope",
      "From: e@x.test\nSender: d@x.test\nReturn-Path: <c@x.test>\nX-MQ-Envelope: b@x.test\n",
      "b@x.test",
    ],
    ["Return-Path", "From: e@x.test\nSender: d@x.test\nReturn-Path: <c@x.test>\n", "c@x.test"],
    ["Sender", "From: e@x.test, f@x.test\nSender: D <d@x.test>\n", "d@x.test"],
    ["From", 'From: "E, F" <e@x.test>, f@x.test\n', "e@x.test"],
    ["an empty X-Sender, the null sender", "X-Sender: <>\nFrom: e@x.test\n", ""],
    ["an empty Return-Path, the null sender", "Return-Path: <>\nFrom: e@x.test\n", ""],
  ])("has the sender of %s", async (_what, fields, sender) => {
    const { message } = await pick("a.eml", `${fields}To: b@two.test\n\nHi\n`);
    expect(message?.envelope.sender).toBe(sender);
    expect(message?.text).not.toMatch(/return-path|x-mq|x-sender/i);
  });

  test("goes to everybody in To, Cc and Bcc once, and Bcc is not sent", async () => {
    const { message } = await pick(
      "a.eml",
      "From: a@one.test\nTo: B <b@two.test>,\n c@two.test\nCc: Team: d@two.test, b@two.test;\nBcc: e@two.test,\n\tf@two.test\nTo: undisclosed-recipients:;\nResent-Bcc: g@two.test\n\nHi\n",
    );
    expect(addresses(message)).toEqual(["b@two.test", "c@two.test", "d@two.test", "e@two.test", "f@two.test"]);
    expect(message?.text).not.toMatch(/[efg]@two/);
    expect(message?.text).toContain("To: B <b@two.test>,\r\n c@two.test\r\n");
  });

  test("adds the domain of this host where an address has none", async () => {
    const { message } = await pick("a.eml", "From: root\nTo: postmaster, bob\n\nHi\n", { myorigin: "Home.test" });
    expect(message?.envelope.sender).toBe("root@home.test");
    expect(addresses(message)).toEqual(["postmaster@home.test", "bob@home.test"]);
  });

  test("honours the x-mq-dsn fields and sends no x-mq field at all", async () => {
    const { message } = await pick(
      "a.eml",
      "From: a@one.test\nTo: b@two.test\nx-mq-dsn-notify: success, Failure\nX-MQ-DSN-RET: hdrs\nx-mq-dsn-envid: job 7\nx-mq-dsn-orcpt: rfc822;old@two.test\nx-mq-tag: x\nx-mq-custom: y\n\nHi\n",
    );
    expect(message?.envelope).toMatchObject({
      ret: "HDRS",
      envid: "job 7",
      recipients: [{ address: "b@two.test", notify: ["SUCCESS", "FAILURE"], orcpt: "rfc822;old@two.test" }],
    });
    expect(message?.text).not.toMatch(/x-mq/i);
  });

  test("keeps UTF-8 addresses and 8-bit text, and says so in the envelope", async () => {
    const { message } = await pick("a.eml", "From: ä@one.test\nTo: b@bücher.example\n\nGrüße\n");
    expect(message?.envelope).toMatchObject({
      sender: "ä@one.test",
      smtputf8: true,
      body: "8BITMIME",
      recipients: [{ address: "b@xn--bcher-kva.example" }],
    });
    expect(Buffer.from(message?.text ?? "", "latin1").toString()).toContain("\r\n\r\nGrüße\r\n");
  });

  test("may start as editors and mailboxes have it, and have no body", async () => {
    const { message } = await pick(
      "A.EML",
      "\ufeffFrom a@one.test Sun Nov 22 02:13:16 2026\nFrom: a@one.test\nTo: b@two.test\n",
    );
    const { header, body } = partsOf(message?.text ?? "");
    expect(header).toMatch(/^From: a@one.test\r\nTo: b@two.test\r\nMessage-ID/);
    expect(body).toBe("");
  });

  test("may have no header but the envelope, as what scripts give to sendmail", async () => {
    const { message } = await pick(
      "a.eml",
      "X-Sender: <a@one.test>\nX-Receiver: <b@two.test>\nhello: world without end\nhello world\n",
    );
    expect(partsOf(message?.text ?? "")).toMatchObject({
      header: expect.stringMatching(/^hello: world without end\r\nMessage-ID/),
      body: "hello world\r\n",
    });
  });

  // Nothing in a body may look like the end of the data, now or to the next server.
  test.each([
    "\n.\n",
    "\n.\r\n",
    "\r\n.\n",
    "\n.\r",
    "\r.\r",
    "\r.\r\n",
    "\r\n.\r",
    "\r.\n",
    "\r\r\n.\r\n",
    "\n\r.\n\r",
  ])("has only CRLF line ends where it had %j", async (ends) => {
    const body = `before${ends}MAIL FROM:<x@y>`;
    const { message } = await pick("a.eml", `From: a@one.test\nTo: b@two.test\n\n${body}`);
    const sent = partsOf(message?.text ?? "").body;
    expect(sent).toBe(`${body.replaceAll(/\r\n?|\n/g, "\r\n")}\r\n`);
    expect(sent.replaceAll("\r\n", "")).not.toMatch(/[\r\n]/);
  });

  test("has the same verdict and bytes when it is too large for one piece", async () => {
    const text = `\ufeffFrom: a@one.test\nTo: b@two.test\nBcc: c@two.test\n\n${"line\r of text\n".repeat(3000)}.\r\nä`;
    const { message: whole } = await pick("a.eml", text, { spool_memory_limit: "1m" });
    for (const limit of ["4096", "20k"]) {
      const { message, refused } = await pick("b.eml", text, { spool_memory_limit: limit, header_size_limit: "1024" });
      expect(refused).toBeUndefined();
      const last = message as NonNullable<typeof message>;
      expect(partsOf(last.text).body).toBe(partsOf(whole?.text ?? "").body);
      expect(last.envelope).toMatchObject({ body: "8BITMIME" });
    }
    // A line that looks like a mailbox's and is longer than any header is none: it took the place of the header.
    const postmark = `From someone ${"once ".repeat(4000)}\nFrom: a@one.test\nTo: b@two.test\n\nHi\n`;
    for (const limit of ["1m", "4096"]) {
      const { refused } = await pick("c.eml", postmark, { spool_memory_limit: limit, header_size_limit: "1024" });
      expect(refused?.reason).toMatch(/no header field in line 1|header/);
    }
  });
});
