/** What a session remembers, what it forgets, and how it ends with clients that do not play by the rules. */
import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { smtpd } from "../harness/smtpd.ts";
import { until } from "../harness/until.ts";

const MAIL = "Subject: x\r\n\r\nbody";

describe("the order of commands", () => {
  test("[B9] MAIL needs EHLO, RCPT needs MAIL, DATA needs RCPT, MAIL is not nested", async () => {
    await using server = await smtpd();
    await using client = await server.connect();
    await client.expect("220");
    await client.ask("MAIL FROM:<a@sender.test>", "503 5.5.1 Error: send HELO/EHLO first");
    await client.ask("EHLO client.test", "250");
    await client.ask("RCPT TO:<b@example.org>", "503 5.5.1 Error: need MAIL command");
    await client.ask("DATA", "503 5.5.1 Error: need RCPT command");
    await client.ask("MAIL FROM:<a@sender.test>", "250");
    await client.ask("MAIL FROM:<a@sender.test>", "503 5.5.1 Error: nested MAIL command");
    await client.ask("DATA", "554 5.5.1 Error: no valid recipients");
    await client.ask("RCPT TO:<b@example.org>", "250");
    await client.ask("EHLO client.test", "250");
    await client.ask("RCPT TO:<b@example.org>", "503 5.5.1 Error: need MAIL command");
  });

  test("[B6] a refused MAIL leaves nothing behind for the next one", async () => {
    await using server = await smtpd();
    await using client = await server.open();
    await client.ask(
      "MAIL FROM:<a@sender.test> RET=FULL ENVID=x SMTPUTF8 BODY=8BITMIME SIZE=99999999",
      "552 5.3.4 Message size exceeds fixed limit",
    );
    await client.mail("a@sender.test", ["b@example.org"], MAIL);
    const [stored] = server.stored();
    expect(stored?.envelope).toMatchObject({ sender: "a@sender.test" });
    for (const name of ["ret", "envid", "smtputf8", "body"]) expect(stored?.envelope).not.toHaveProperty(name);
    expect(
      server.logged(
        /^NOQUEUE: reject: MAIL from localhost\[127\.0\.0\.1\]: 552 5\.3\.4 Message size exceeds fixed limit; from=<a@sender\.test> proto=ESMTP helo=<client\.test>$/,
      ),
    ).toHaveLength(1);
  });

  test("the parameters of an accepted MAIL hold for its message and not for the next", async () => {
    await using server = await smtpd();
    await using client = await server.open();
    await client.ask("MAIL FROM:<a@sender.test> RET=hdrs ENVID=q+2Bz SMTPUTF8 BODY=8BITMIME SIZE=100", "250");
    await client.ask("RCPT TO:<b@example.org> NOTIFY=success,DELAY ORCPT=rfc822;b+40x", "250");
    await client.ask("DATA", "354");
    await client.send(`${MAIL}\r\n.\r\n`);
    await client.expect("250");
    await client.mail("a@sender.test", ["b@example.org"], MAIL);
    const [first, second] = server.stored();
    expect(first?.envelope).toMatchObject({
      ret: "HDRS",
      envid: "q+z",
      smtputf8: true,
      body: "8BITMIME",
      recipients: [{ address: "b@example.org", notify: ["SUCCESS", "DELAY"], orcpt: "rfc822;b@x" }],
      client: { proto: "UTF8SMTP" },
    });
    expect(first?.content).toContain(" with UTF8SMTP id ");
    expect(Object.keys(second?.envelope ?? {})).not.toContain("ret");
    expect(second?.envelope.recipients).toEqual([{ address: "b@example.org" }]);
    expect(second?.envelope.client?.proto).toBe("ESMTP");
  });

  test("[B7] a refused message is over: RCPT and DATA need a new MAIL", async () => {
    await using server = await smtpd({ message_size_limit: "1000" });
    await using client = await server.open();
    await client.mail("a@sender.test", ["b@example.org"], "x".repeat(2000), "552 5.3.4 Error: message file too big");
    await client.ask("RCPT TO:<b@example.org>", "503 5.5.1 Error: need MAIL command");
    await client.ask("DATA", "503 5.5.1 Error: need RCPT command");
  });

  test("[B8] VRFY in the middle of a transaction leaves it as it is", async () => {
    await using server = await smtpd();
    await using client = await server.open();
    await client.ask("MAIL FROM:<a@sender.test>", "250");
    await client.ask("RCPT TO:<b@example.org>", "250");
    await client.ask("VRFY é@x", "553 5.6.7 ");
    await client.ask("VRFY é@example.org SMTPUTF8", "252 2.0.0 é@example.org");
    await client.ask("DATA", "354");
    await client.send(`${MAIL}\r\n.\r\n`);
    await client.expect("250 2.0.0 Ok: queued as ");
    expect(server.stored()[0]?.envelope.recipients).toEqual([{ address: "b@example.org" }]);
  });

  test("RSET forgets the transaction", async () => {
    await using server = await smtpd();
    await using client = await server.open();
    await client.ask("MAIL FROM:<a@sender.test>", "250");
    await client.ask("RCPT TO:<b@example.org>", "250");
    await client.ask("RSET", "250");
    await client.ask("DATA", "503");
    await client.mail("a@sender.test", ["c@example.org"], MAIL);
    expect(server.stored()[0]?.envelope.recipients).toEqual([{ address: "c@example.org" }]);
  });
});

describe("clients that are none", () => {
  test("[B13] who talks before the greeting is sent away", async () => {
    await using server = await smtpd({ smtpd_greet_pause: "10s" });
    await using client = await server.connect();
    await client.send("EHLO client.test\r\n");
    await client.expect("554 5.5.0 Error: SMTP protocol synchronization");
    expect(await client.expectClose()).toBe("");
    expect(server.logged(/^improper command pipelining after CONNECT from localhost\[127\.0\.0\.1\]$/)).toHaveLength(1);
  });

  test("the greeting waits for strangers and never for mynetworks", async () => {
    await using server = await smtpd({ smtpd_greet_pause: "100ms", mynetworks: "127.0.0.3" });
    const started = performance.now();
    await using stranger = await server.connect();
    await stranger.expect("220");
    expect(performance.now() - started).toBeGreaterThanOrEqual(95);
    await using slow = await smtpd({ smtpd_greet_pause: "60s", mynetworks: "127.0.0.3" });
    await using own = await slow.connect({ localAddress: "127.0.0.3" });
    await own.expect("220");
  });

  for (const line of ["POST / HTTP/1.1", "GET /", "Host: example.org", "\u0016x"]) {
    test(`[B14] ${JSON.stringify(line)} ends the session`, async () => {
      await using server = await smtpd();
      await using client = await server.connect();
      await client.expect("220");
      await client.send(`${line}\r\nMAIL FROM:<a@sender.test>\r\n\r\n`);
      const reply = await client.reply();
      expect(reply).toMatch(line.startsWith("\u0016") ? /^500 / : /^421 4\.7\.0 /);
      if (!line.startsWith("\u0016")) {
        expect(await client.expectClose()).toBe("");
        expect(server.logged(/^warning: non-SMTP command from localhost\[127\.0\.0\.1\]: /)).toHaveLength(1);
      }
    });
  }

  test("[B15] XCLIENT, XFORWARD and PROXY from anybody are refused and not offered", async () => {
    await using server = await smtpd({ mynetworks: "127.0.0.1" });
    await using client = await server.connect();
    await client.expect("220");
    await client.ask("PROXY TCP4 192.0.2.1 192.0.2.2 1 25", "550 5.7.0 ");
    expect(await client.ask("EHLO client.test", "250")).not.toMatch(/XCLIENT|XFORWARD/);
    await client.ask("XCLIENT ADDR=192.0.2.1", "550 5.7.0 Error: insufficient authorization");
    await client.ask("XFORWARD ADDR=192.0.2.1", "550 5.7.0 Error: insufficient authorization");
  });

  test("[B16] connections that are reset in the middle of a message harm nobody", async () => {
    await using server = await smtpd();
    for (let round = 0; round < 100; round++) {
      const client = await server.open();
      await client.ask("MAIL FROM:<a@sender.test>", "250");
      if (round % 3 > 0) await client.ask("RCPT TO:<b@example.org>", "250");
      if (round % 3 > 1) {
        await client.ask("DATA", "354");
        await client.send("Subject: x\r\n\r\nunfinish");
      }
      client.reset();
    }
    await until("all to be gone", () => server.logged(/^disconnect /).length === 100);
    expect(server.logged(/^lost connection after DATA \(\d+ bytes\) from localhost\[127\.0\.0\.1\]$/)).toHaveLength(33);
    expect(server.logged(/^lost connection after MAIL from /)).toHaveLength(34);
    await using client = await server.open();
    await client.mail("a@sender.test", ["b@example.org"], MAIL);
    expect(server.stored()).toHaveLength(1);
    expect(server.unfinished()).toHaveLength(0);
  });

  test("a message whose client went away while it was written leaves no file", async () => {
    await using server = await smtpd({ spool_memory_limit: "4096" });
    await using client = await server.open();
    await client.ask("MAIL FROM:<a@sender.test>", "250");
    await client.ask("RCPT TO:<b@example.org>", "250");
    await client.ask("DATA", "354");
    await client.send(`${MAIL}${"x".repeat(100_000)}`);
    await until("the file to be begun", () => server.unfinished().length === 1);
    client.reset();
    await until("the file to be gone", () => server.unfinished().length === 0);
    expect(server.stored()).toHaveLength(0);
  });
});

test("a client that stays behind its QUIT is let go, with the answers to all that it said", async () => {
  await using server = await smtpd();
  const client = connect({ port: server.port(), host: "127.0.0.1", allowHalfOpen: true });
  let said = "";
  let isReset = false;
  client.setEncoding("latin1").on("data", (text: string) => {
    said += text;
  });
  client.on("error", () => {
    isReset = true;
  });
  await until("the greeting", () => said.startsWith("220 "));
  client.write("EHLO client.test\r\n");
  await until("the reply to EHLO", () => said.includes("\r\n250 "));
  client.write("RSET\r\nQUIT\r\n");
  await once(client, "end");
  expect(said).toMatch(/\r\n250 2\.0\.0 Ok\r\n221 2\.0\.0 Bye\r\n$/);
  // Sooner than smtp-server would give up on it, and nothing is left of the session.
  await until(
    "a reset",
    () => {
      if (!isReset) client.write("NOOP\r\n");
      return isReset;
    },
    2_000,
  );
  expect(server.logged(/^lost connection/)).toEqual([]);
});
