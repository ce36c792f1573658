/** Which recipients strangers and our own may name, and in which form an address is stored. */
import { describe, expect, test } from "vitest";
import { smtpd } from "../harness/smtpd.ts";

const DENIED = "554 5.7.1 ";
const SYNTAX = "501 5.1.3 Bad recipient address syntax";
const OK = "250 2.1.5 Ok";

async function verdicts(
  paths: readonly string[],
  values: Record<string, string> = {},
): Promise<Record<string, string>> {
  await using server = await smtpd({ smtpd_hard_error_limit: "1000", ...values });
  await using client = await server.open();
  await client.ask("MAIL FROM:<a@sender.test>", "250");
  const found: Record<string, string> = {};
  for (const path of paths) {
    await client.send(Buffer.concat([Buffer.from("RCPT TO:"), Buffer.from(path, "latin1"), Buffer.from("\r\n")]));
    found[path] = (await client.reply()).slice(0, 9);
  }
  return found;
}

async function expectVerdicts(expected: Record<string, string>, values: Record<string, string> = {}): Promise<void> {
  const short = Object.fromEntries(Object.entries(expected).map(([path, reply]) => [path, reply.slice(0, 9)]));
  expect(await verdicts(Object.keys(expected), values)).toEqual(short);
}

describe("strangers", () => {
  test("[C8] may send to our domains and no further", async () => {
    await expectVerdicts({
      "<u@example.org>": OK,
      "<u@EXAMPLE.ORG>": OK,
      "<u@sub.example.org>": DENIED, // mydestination is exact
      "<u@relay.test>": OK,
      "<u@sub.relay.test>": OK, // relay_domains is not, as in Postfix
      "<u@elsewhere.test>": DENIED,
      "<u@localhost>": DENIED,
      "<u@example.org.>": SYNTAX,
    });
  });

  test("[C1 C2 C3 C4 C5] cannot route through us", async () => {
    await expectVerdicts({
      "<u%evil.com@example.org>": DENIED,
      "<evil.com!u@example.org>": DENIED,
      '<"u%evil.com"@example.org>': DENIED,
      "<@example.org:u@evil.com>": DENIED,
      "<@evil.com:u@example.org>": OK, // the route is ignored, RFC 5321 appendix C
      '<"u@evil.com"@example.org>': OK, // one quoted local part, never split
      '<"u@evil.com">': SYNTAX,
      "<u@evil.com@example.org>": SYNTAX,
    });
  });

  test("[C6 C7] cannot name hosts by number", async () => {
    await expectVerdicts({
      "<u@[127.0.0.1]>": DENIED,
      "<u@[IPv6:::1]>": DENIED,
      "<u@127.0.0.1>": SYNTAX,
      "<u@2130706433>": SYNTAX,
      "<u@0x7f.1>": SYNTAX,
    });
    await expectVerdicts({ "<u@[127.0.0.1]>": OK, "<u@[127.0.0.2]>": DENIED }, { mydestination: "[127.0.0.1]" });
  });

  test("[C17] must give a domain, except to the postmaster", async () => {
    await expectVerdicts({
      "<>": SYNTAX,
      "<postmaster>": OK,
      "<PostMaster>": OK,
      "<user>": SYNTAX,
      "": "501 5.5.4 ",
      "<u@example.org": SYNTAX,
    });
  });

  test("[C13 C14] say addresses as they are written, or not at all", async () => {
    await expectVerdicts({
      '<"\\"@example.org>': SYNTAX,
      "<u@-e.example.org>": SYNTAX,
      "<u@e..example.org>": SYNTAX,
      "<.u@example.org>": SYNTAX,
      [`<${"l".repeat(64)}@example.org>`]: OK,
      [`<${"l".repeat(65)}@example.org>`]: SYNTAX,
      [`<u@${"d".repeat(64)}.example.org>`]: SYNTAX,
      [`<u@${`${"d".repeat(60)}.`.repeat(5)}example.org>`]: SYNTAX,
    });
  });

  test("[C15] get no other answer for what a shell would run", async () => {
    await expectVerdicts({
      "<-oQ/tmp@example.org>": OK,
      "<|/bin/sh@example.org>": OK,
      "</etc/passwd@example.org>": OK,
      "<${run{id}}@example.org>": OK,
      "<;touch x;@example.org>": SYNTAX,
      '<";touch x;"@example.org>': OK,
    });
  });

  test("[C11 C16] cannot hide characters in an address", async () => {
    await expectVerdicts({
      "<u\u001b[0m@example.org>": SYNTAX,
      "<u\tx@example.org>": SYNTAX,
      "<u\0x@example.org>": SYNTAX,
      "<u\u007f@example.org>": SYNTAX,
      "<a\u00ff@example.org>": SYNTAX, // the bare byte: no UTF-8
    });
  });
});

describe("addresses beyond ASCII", () => {
  const utf8 = (text: string) => Buffer.from(text).toString("latin1");

  test("[C10] need SMTPUTF8", async () => {
    await expectVerdicts({
      [utf8("<ü@example.org>")]: "553 5.6.7",
      [utf8("<u@bücher.example>")]: "553 5.6.7",
    });
    await using server = await smtpd();
    await using client = await server.open();
    await client.ask("MAIL FROM:<ü@sender.test>", "553 5.6.7 Must declare SMTPUTF8 to send unicode address");
    await client.ask("MAIL FROM:<ü@sender.test> SMTPUTF8", "250");
    await client.ask("RCPT TO:<ü@example.org>", "250");
    await client.ask("DATA", "354");
    await client.send(".\r\n");
    await client.expect("250");
    expect(server.stored()[0]?.envelope).toMatchObject({
      sender: "ü@sender.test",
      recipients: [{ address: "ü@example.org" }],
      smtputf8: true,
    });
  });

  test("[C9] have one form of their domain, whatever it was written as", async () => {
    await using server = await smtpd({ mydestination: "xn--bcher-kva.example" });
    await using client = await server.open();
    await client.ask("MAIL FROM:<a@sender.test> SMTPUTF8", "250");
    for (const path of ["u@xn--bcher-kva.example", "u@XN--BCHER-KVA.example", "u@bücher.example", "u@BÜCHER.example"]) {
      await client.ask(`RCPT TO:<${path}>`, OK);
    }
    await client.ask("DATA", "354");
    await client.send(".\r\n");
    await client.expect("250");
    expect(server.stored()[0]?.envelope.recipients).toEqual([{ address: "u@xn--bcher-kva.example" }]);
  });

  test("[C16 C18] are refused where UTS 46 or a reader would be fooled", async () => {
    await using server = await smtpd();
    await using client = await server.open();
    await client.ask("MAIL FROM:<a@sender.test> SMTPUTF8", "250");
    for (const path of [
      "u\u200b@example.org",
      "u\u0085@example.org",
      "u@exam\u202eple.org",
      "u@ex\u200bample.org",
      "u@a\u200db.example",
    ]) {
      await client.ask(`RCPT TO:<${path}>`, SYNTAX);
    }
    await client.ask("RCPT TO:<u@ехаmple.org>", "554 5.7.1 <u@xn--"); // Cyrillic е and х: another domain, shown as such
    expect(
      server.logged(
        /Relay access denied; from=<a@sender\.test> to=<u@xn--[a-z0-9-]+\.org> proto=ESMTP helo=<client\.test>$/,
      ),
    ).toHaveLength(1);
  });
});

describe("recipients", () => {
  test("[C12] that differ in the case of the local part are two, and the same one counts once", async () => {
    await using server = await smtpd();
    await using client = await server.open();
    await client.ask("MAIL FROM:<a@sender.test>", "250");
    for (const rest of [
      "<Bob@example.org> NOTIFY=NEVER",
      "<bob@example.org> NOTIFY=SUCCESS",
      "<bob@EXAMPLE.org> NOTIFY=SUCCESS",
      "<bob@example.org> NOTIFY=NEVER",
      "<bob@example.org>",
    ]) {
      await client.ask(`RCPT TO:${rest}`, OK);
    }
    await client.ask("DATA", "354");
    await client.send(".\r\n");
    await client.expect("250");
    expect(server.stored()[0]?.envelope.recipients).toEqual([
      { address: "Bob@example.org", notify: ["NEVER"] },
      { address: "bob@example.org", notify: ["SUCCESS"] },
      { address: "bob@example.org", notify: ["NEVER"] },
      { address: "bob@example.org" },
    ]);
  });

  test("of our own hosts may be anywhere, and get our domain where they have none", async () => {
    await using server = await smtpd({ mynetworks: "127.0.0.0/8", myorigin: "Origin.test" });
    await using client = await server.open();
    await client.ask("MAIL FROM:<root>", "250");
    for (const path of [
      "<u@anywhere.test>",
      "<u%host@anywhere.test>",
      "<cron>",
      "bare@anywhere.test",
      "<u@[127.0.0.1]>",
      "<postmaster>",
    ]) {
      await client.ask(`RCPT TO:${path}`, OK);
    }
    await client.ask("DATA", "354");
    await client.send(".\r\n");
    await client.expect("250");
    const { envelope } = server.stored()[0] ?? {};
    expect(envelope?.sender).toBe("root@origin.test");
    expect(envelope?.recipients.map((one) => one.address)).toEqual([
      "u@anywhere.test",
      "u%host@anywhere.test",
      "cron@origin.test",
      "bare@anywhere.test",
      "u@[127.0.0.1]",
      "postmaster@origin.test",
    ]);
  });

  test("a refused one is in the log as Postfix writes it", async () => {
    await using server = await smtpd();
    await using client = await server.open();
    await client.ask("MAIL FROM:<a@b.test>", "250");
    await client.ask("RCPT TO:<x@e.example>", "554 5.7.1 <x@e.example>: Relay access denied");
    expect(server.log.lines.at(-1)).toBe(
      "NOQUEUE: reject: RCPT from localhost[127.0.0.1]: 554 5.7.1 <x@e.example>: Relay access denied; " +
        "from=<a@b.test> to=<x@e.example> proto=ESMTP helo=<client.test>",
    );
  });
});

describe("parameters", () => {
  for (const [line, reply, row = ""] of [
    ["MAIL FROM:<a@sender.test> SIZE=99999999999", "552 5.3.4 Message size exceeds fixed limit", "[D1] "],
    ["MAIL FROM:<a@sender.test> SIZE=99999999999999999999", "552 5.3.4 ", "[D1] "],
    ["MAIL FROM:<a@sender.test> SIZE=999999999999999999999", "501 5.5.4 Bad message size syntax", "[D2] "],
    ["MAIL FROM:<a@sender.test> SIZE=-1", "501 5.5.4 ", "[D2] "],
    ["MAIL FROM:<a@sender.test> SIZE=1e9", "501 5.5.4 ", "[D2] "],
    ["MAIL FROM:<a@sender.test> SIZE=+31", "501 5.5.4 ", "[D2] "],
    ["MAIL FROM:<a@sender.test> SIZE", "501 5.5.4 ", "[D2] "],
    ["MAIL FROM:<a@sender.test> SIZE=1 SIZE=1", "501 5.5.4 ", "[D7] "],
    ["MAIL FROM:<a@sender.test> BODY=BINARYMIME", "555 5.5.4 Unsupported option: BODY=BINARYMIME", "[D3] "],
    ["MAIL FROM:<a@sender.test> BODY=x", "555 5.5.4 ", "[D3] "],
    ["MAIL FROM:<a@sender.test> BODY=7bit", "250 2.1.0 Ok"],
    ["MAIL FROM:<a@sender.test> FOO=bar", "555 5.5.4 Unsupported option: FOO=bar", "[D4] "],
    ["MAIL FROM:<a@sender.test> AUTH=<x y>", "555 5.5.4 ", "[D4] "],
    ["MAIL FROM:<a@sender.test> SMTPUTF8=yes", "555 5.5.4 ", "[D4] "],
    ["MAIL FROM:<a@sender.test> NOTIFY=NEVER", "555 5.5.4 ", "[D4] "],
    ["MAIL FROM:<a@sender.test> ENVID=a+0D+0AX:y", "501 5.5.4 Bad ENVID parameter syntax", "[D5] "],
    ["MAIL FROM:<a@sender.test> ENVID=", "501 5.5.4 ", "[D7] "],
    [`MAIL FROM:<a@sender.test> ENVID=${"x".repeat(100)}`, "250", "[D6] "],
    [`MAIL FROM:<a@sender.test> ENVID=${"x".repeat(101)}`, "501 5.5.4 ", "[D6] "],
    ["MAIL FROM:<a@sender.test> RET=FULL RET=HDRS", "501 5.5.4 Bad RET parameter syntax", "[D7] "],
    ["MAIL FROM:<a@sender.test> RET=SOME", "501 5.5.4 "],
    ["MAIL FROM:<a@sender.test>SIZE=1", "501 5.5.4 Syntax: MAIL FROM:<address>"],
    ["MAIL FROM <a@sender.test>", "501 5.5.4 Syntax: MAIL FROM:<address>"],
    ["MAIL FROM:", "501 5.5.4 "],
    ["MAIL FROM:<user>", "501 5.1.7 Bad sender address syntax"],
    ["MAIL FROM:<>", "250"],
  ] as const) {
    test(`${row}${line.length > 80 ? `${line.slice(0, 60)}... of ${line.length}` : line} is answered ${reply}`, async () => {
      await using server = await smtpd();
      await using client = await server.open();
      await client.ask(line, reply);
    });
  }

  for (const [rest, reply, row = ""] of [
    ["NOTIFY=SUCCESS,FAILURE,DELAY", OK],
    ["NOTIFY=never", OK],
    ["NOTIFY=SUCCESS,SUCCESS", "501 5.5.4 Error: Bad NOTIFY parameter syntax", "[D6] "],
    ["NOTIFY=NEVER,FAILURE", "501 5.5.4 ", "[D6] "],
    ["NOTIFY=", "501 5.5.4 ", "[D7] "],
    ["NOTIFY=NEVER NOTIFY=NEVER", "501 5.5.4 ", "[D7] "],
    ["ORCPT=rfc822;a+0D+0Ab", "501 5.5.4 Error: Bad ORCPT parameter syntax", "[D5] "],
    ["ORCPT=rfc822", "501 5.5.4 "],
    ["ORCPT=;a", "501 5.5.4 "],
    [`ORCPT=rfc822;${"x".repeat(493)}`, OK, "[D6] "],
    [`ORCPT=rfc822;${"x".repeat(494)}`, "501 5.5.4 ", "[D6] "],
    ["ORCPT=utf-8;\\x{FC}@example.org", OK],
    ["RET=FULL", "555 5.5.4 Unsupported option: RET=FULL"],
  ] as const) {
    test(`${row}RCPT with ${rest.length > 60 ? `${rest.slice(0, 40)}... of ${rest.length}` : rest} is answered ${reply}`, async () => {
      await using server = await smtpd();
      await using client = await server.open();
      await client.ask("MAIL FROM:<a@sender.test>", "250");
      await client.ask(`RCPT TO:<b@example.org> ${rest}`, reply);
    });
  }
});
