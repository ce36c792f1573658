/** Access tables and recipient tables, as clients, the log and the queue see them (access(5)). */
import { writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Dialogue } from "../harness/smtp-dialogue.ts";
import { behindReceived, smtpd, type TestSmtpd } from "../harness/smtpd.ts";

type Values = Readonly<Record<string, string>>;
const CONTEXT = "from=<a@s.test> to=<b@example.org> proto=ESMTP helo=<client.test>";
const MESSAGE = "Subject: x\r\n\r\nbody";

/** `action`: what the table has for the recipient. */
const table = (action: string, more: Values = {}): Values => ({
  smtpd_recipient_restrictions: `check_recipient_access inline:{{b@example.org=${action}}}`,
  ...more,
});

async function open(mta: TestSmtpd, from = "a@s.test"): Promise<Dialogue> {
  const client = await mta.open();
  await client.ask(`MAIL FROM:<${from}>`, "250");
  return client;
}

const rejected = (rest: string) => `${rest.slice(0, 9)} <b@example.org>: Recipient address rejected: ${rest.slice(10)}`;

const REPLIES: Readonly<Record<string, string>> = {
  OK: "250 2.1.5 Ok",
  "1234567": "250 2.1.5 Ok",
  "DUNNO whatever": "250 2.1.5 Ok",
  REJECT: rejected("554 5.7.1 Access denied"),
  "REJECT no thanks": rejected("554 5.7.1 no thanks"),
  "REJECT 5.1.8 of senders": rejected("554 5.1.2 of senders"),
  DEFER: rejected("450 4.7.1 Access denied"),
  "550 gone": rejected("550 5.7.1 gone"),
  "550 5.1.1 gone": rejected("550 5.1.1 gone"),
  "421 not now": rejected("421 4.7.1 not now"),
  DEFER_IF_PERMIT: rejected("450 4.7.1 Service unavailable"),
  "DEFER_IF_PERMIT later": rejected("450 4.7.1 later"),
  "DEFER_IF_REJECT later": "250 2.1.5 Ok",
  reject_multi_recipient_bounce: "250 2.1.5 Ok",
  "permit_mynetworks, reject": rejected("554 5.7.1 Access denied"),
  FILTER: "451 4.3.5 Server configuration error",
  "check_sender_access inline:{x=OK}": "451 4.3.5 Server configuration error",
};

describe("what a table says", () => {
  for (const [action, reply] of Object.entries(REPLIES)) {
    test(`${action} answers ${reply.slice(0, 9)}`, async () => {
      await using mta = await smtpd(table(action));
      await using client = await open(mta);
      expect(await client.ask("RCPT TO:<b@example.org>", "")).toBe(reply);
      const lines = mta.logged(/^NOQUEUE: reject: /);
      expect(lines).toEqual(
        reply.startsWith("2") ? [] : [`NOQUEUE: reject: RCPT from localhost[127.0.0.1]: ${reply}; ${CONTEXT}`],
      );
      if (reply.startsWith("421")) await client.expectClose();
    });
  }

  test("WARN and INFO are lines of the log", async () => {
    await using mta = await smtpd({
      smtpd_recipient_restrictions:
        "check_recipient_access inline:{{example.org=WARN look here}}, check_sender_access inline:{{s.test=INFO or here}}",
    });
    await using client = await open(mta);
    await client.ask("RCPT TO:<b@example.org>", "250");
    expect(mta.logged(/^NOQUEUE/)).toEqual([
      `NOQUEUE: warn: RCPT from localhost[127.0.0.1]: look here; ${CONTEXT}`,
      `NOQUEUE: info: RCPT from localhost[127.0.0.1]: or here; ${CONTEXT}`,
    ]);
  });
});

describe("the message", () => {
  test("of HOLD says in its envelope that it waits, and why", async () => {
    await using mta = await smtpd(table("HOLD look at it"));
    await using client = await mta.open();
    await client.mail("a@s.test", ["b@example.org"], MESSAGE);
    expect(mta.stored()[0]?.envelope.hold).toBe("look at it");
    expect(mta.logged(/^NOQUEUE: hold/)).toEqual([
      `NOQUEUE: hold: RCPT from localhost[127.0.0.1]: <b@example.org>: Recipient address look at it; ${CONTEXT}`,
    ]);
  });

  test("of DISCARD is taken and is nowhere", async () => {
    await using mta = await smtpd(table("DISCARD", { spool_memory_limit: "64k" }));
    await using client = await mta.open();
    await client.mail(
      "a@s.test",
      ["b@example.org", "c@example.org"],
      `${MESSAGE}\r\n${`${"x".repeat(70)}\r\n`.repeat(2000)}`,
    );
    expect(mta.stored()).toEqual([]);
    expect(mta.unfinished()).toEqual([]);
    expect(mta.accepted).toEqual([]);
    const why = "<b@example.org>: Recipient address triggers DISCARD action";
    expect(mta.logged(/^NOQUEUE/)).toEqual([`NOQUEUE: discard: RCPT from localhost[127.0.0.1]: ${why}; ${CONTEXT}`]);
  });

  test("of REDIRECT goes to somebody else alone, of BCC also to somebody else", async () => {
    await using one = await smtpd(table("REDIRECT boss@Example.NET"));
    await using client = await one.open();
    await client.mail("a@s.test", ["b@example.org", "c@example.org"], MESSAGE);
    expect(one.stored()[0]?.envelope.recipients).toEqual([{ address: "boss@example.net" }]);
    await one[Symbol.asyncDispose]();
    await using other = await smtpd(table("BCC archive@example.net"));
    await using second = await other.open();
    await second.mail("a@s.test", ["b@example.org"], MESSAGE);
    expect(other.stored()[0]?.envelope.recipients).toEqual([
      { address: "b@example.org" },
      { address: "archive@example.net", notify: ["NEVER"] },
    ]);
  });

  test("of PREPEND has the field on top", async () => {
    await using mta = await smtpd(table("PREPEND X-Seen: yes"));
    await using client = await mta.open();
    await client.mail("a@s.test", ["b@example.org"], MESSAGE);
    const content = mta.stored()[0]?.content ?? "";
    expect(content).toMatch(/^X-Seen: yes\r\nReceived: from client\.test /);
    expect(behindReceived(content.slice("X-Seen: yes\r\n".length))).toBe(`${MESSAGE}\r\n`);
  });

  test("is what it was before if what the table says makes no sense", async () => {
    await using mta = await smtpd(table("REDIRECT nobody"));
    await using client = await mta.open();
    await client.mail("a@s.test", ["b@example.org"], MESSAGE);
    expect(mta.stored()[0]?.envelope.recipients).toEqual([{ address: "b@example.org" }]);
    expect(mta.logged(/REDIRECT needs an address, not "nobody"/)).toHaveLength(1);
  });
});

describe("a table", () => {
  test("that is not there puts mail off until it is", async () => {
    await using mta = await smtpd({});
    mta.reload({ smtpd_recipient_restrictions: `check_recipient_access texthash:${mta.path("access")}` });
    await using client = await open(mta);
    await client.ask("RCPT TO:<b@example.org>", "451 4.3.0 <b@example.org>: Temporary lookup failure");
    writeFileSync(mta.path("access"), "example.org REJECT\n");
    await client.ask("RCPT TO:<b@example.org>", "554 5.7.1 <b@example.org>: Recipient address rejected: Access denied");
  });

  test("finds clients by network, senders by domain and the null sender, HELO by its parents", async () => {
    const refuse = async (restriction: string, from: string, to: string) => {
      await using mta = await smtpd({ smtpd_recipient_restrictions: restriction });
      await using client = await open(mta, from);
      return (await client.ask(`RCPT TO:<${to}>`, "")).slice(0, 3);
    };
    const b = "b@example.org";
    expect(await refuse("check_client_access inline:{127=REJECT}", "a@s.test", b)).toBe("554");
    expect(
      await refuse("check_client_access cidr:/dev/null, check_client_access inline:{localhost=REJECT}", "", b),
    ).toBe("554");
    expect(await refuse("check_helo_access inline:{test=REJECT}", "a@s.test", b)).toBe("554");
    expect(await refuse("check_sender_access inline:{s.test=REJECT}", "a@sub.s.test", b)).toBe("554");
    expect(await refuse("check_sender_access inline:{a@=REJECT}", "A@other.test", b)).toBe("554");
    expect(await refuse("check_sender_access inline:{<>=REJECT}", "", b)).toBe("554");
    expect(await refuse("check_sender_access inline:{<>=REJECT}", "a@s.test", b)).toBe("250");
    expect(await refuse("inline:{b@example.org=REJECT}", "a@s.test", b)).toBe("554");
  });

  test("cannot open the relay by what a client says of itself", async () => {
    await using mta = await smtpd({
      smtpd_relay_restrictions: "check_reverse_client_hostname_access inline:{localhost=OK}, reject_unauth_destination",
    });
    await using client = await open(mta);
    await client.ask("RCPT TO:<b@elsewhere.test>", "451 4.3.5 Server configuration error");
  });

  test("does not permit a route through us", async () => {
    await using mta = await smtpd({
      smtpd_relay_restrictions: "check_recipient_access inline:{example.org=OK}, reject_unauth_destination",
    });
    await using client = await open(mta);
    await client.ask("RCPT TO:<b%elsewhere.test@example.org>", "554 5.7.1 ");
    await client.ask("RCPT TO:<b@example.org>", "250");
  });
});

describe("recipients", () => {
  const maps = {
    local_recipient_maps: "inline:{bob=x, carol@example.org=x}",
    relay_recipient_maps: "inline:{dave@relay.test=x}",
    virtual_alias_domains: "alias.test",
    recipient_delimiter: "+",
  };
  const unknown = (address: string, where: string) =>
    `550 5.1.1 <${address}>: Recipient address rejected: User unknown in ${where} recipient table`;

  test("[F14] that no table knows are refused, and nothing is taken to be returned", async () => {
    await using mta = await smtpd(maps);
    await using client = await open(mta);
    for (const address of ["bob@example.org", "Bob+x@example.org", "carol@example.org", "dave@relay.test"]) {
      await client.ask(`RCPT TO:<${address}>`, "250 2.1.5 Ok");
    }
    for (const address of [
      "postmaster",
      "Postmaster@example.org",
      "postmaster@relay.test",
      "mailer-daemon@example.org",
    ]) {
      await client.ask(`RCPT TO:<${address}>`, "250 2.1.5 Ok");
    }
    await client.ask("RCPT TO:<eve@example.org>", unknown("eve@example.org", "local"));
    await client.ask("RCPT TO:<eve@relay.test>", unknown("eve@relay.test", "relay"));
    const alias = "550 5.1.1 <x@alias.test>: Recipient address rejected: User unknown in virtual alias table";
    await client.ask("RCPT TO:<x@alias.test>", alias);
    await client.ask("RCPT TO:<x@elsewhere.test>", "554 5.7.1 ");
  });

  test("that are aliases are there as long as the alias leads anywhere", async () => {
    await using mta = await smtpd({
      ...maps,
      myorigin: "example.org",
      alias_maps: "inline:{root=bob, {prog=|/bin/x}, {lost=nobody}}",
      virtual_alias_maps:
        "inline:{{info@alias.test=x@elsewhere.test}, {dead@alias.test=no@alias.test}, {b@alias.test=bob}}",
    });
    await using client = await open(mta);
    for (const address of ["root@example.org", "info@alias.test", "b+x@alias.test"]) {
      await client.ask(`RCPT TO:<${address}>`, "250 2.1.5 Ok");
    }
    const alias = (address: string) => `550 5.1.1 <${address}>: Recipient address rejected: User unknown in virtual`;
    await client.ask("RCPT TO:<x@alias.test>", alias("x@alias.test"));
    await client.ask("RCPT TO:<dead@alias.test>", alias("dead@alias.test"));
    await client.ask("RCPT TO:<lost@example.org>", unknown("lost@example.org", "local"));
    await client.ask("RCPT TO:<prog@example.org>", "550 5.7.1 <prog@example.org>: Recipient address rejected: mail to");
  });

  test("whose mail would only be returned by the transport error are refused with its words", async () => {
    await using mta = await smtpd({
      mynetworks: "127.0.0.1",
      virtual_alias_maps: "inline:{old@example.org=x@gone.test}",
      transport_maps:
        "inline:{{gone.test=error:5.1.6 they have moved}, {later.test=retry:5.1.6 not now}, {soon.test=error:4.3.2 wait}}",
    });
    await using client = await open(mta);
    const moved = (address: string) => `550 5.1.6 <${address}>: Recipient address rejected: they have moved`;
    await client.ask("RCPT TO:<x@gone.test>", moved("x@gone.test"));
    await client.ask("RCPT TO:<old@example.org>", moved("old@example.org"));
    for (const address of ["x@later.test", "x@soon.test", "x@elsewhere.test", "bob@example.org"]) {
      await client.ask(`RCPT TO:<${address}>`, "250 2.1.5 Ok");
    }
  });

  test("of a trusted client are looked up too, and not where that is not wanted", async () => {
    await using mta = await smtpd({ ...maps, mynetworks: "127.0.0.1" });
    await using client = await open(mta);
    await client.ask("RCPT TO:<eve@example.org>", unknown("eve@example.org", "local"));
    await client.ask("RCPT TO:<x@elsewhere.test>", "250 2.1.5 Ok");
    await client.ask("RSET", "250");
    mta.reload({ smtpd_reject_unlisted_recipient: "no" });
    await client.ask("MAIL FROM:<a@s.test>", "250");
    await client.ask("RCPT TO:<eve@example.org>", "250 2.1.5 Ok");
  });

  test("and senders of our own domains, where that is wanted", async () => {
    await using mta = await smtpd({ ...maps, smtpd_reject_unlisted_sender: "yes" });
    await using client = await open(mta, "eve@example.org");
    await client.ask(
      "RCPT TO:<bob@example.org>",
      "550 5.1.0 <eve@example.org>: Sender address rejected: User unknown in local recipient table",
    );
  });
});

describe("early and late", () => {
  const early = { smtpd_delay_reject: "no" };

  test("a client that is refused at once hears so in place of the greeting", async () => {
    await using mta = await smtpd({ ...early, smtpd_client_restrictions: "reject" });
    await using client = await mta.connect();
    await client.expect("554 5.7.1 <localhost[127.0.0.1]>: Client host rejected: Access denied");
    await client.ask("EHLO x", "503 5.7.0 Error: access denied for localhost[127.0.0.1]");
    await client.ask("QUIT", "221");
    expect(mta.logged(/^NOQUEUE/)).toEqual([
      "NOQUEUE: reject: CONNECT from localhost[127.0.0.1]: 554 5.7.1 <localhost[127.0.0.1]>: Client host rejected: Access denied; proto=SMTP",
    ]);
  });

  test("HELO and MAIL are refused where they are said", async () => {
    await using mta = await smtpd({
      ...early,
      smtpd_helo_restrictions: "reject_non_fqdn_helo_hostname",
      smtpd_sender_restrictions: "inline:{{bad.test=REJECT}}",
    });
    await using client = await mta.connect();
    await client.expect("220 ");
    await client.ask("EHLO x", "504 5.5.2 <x>: Helo command rejected: need fully-qualified hostname");
    await client.ask("MAIL FROM:<a@s.test>", "503 5.5.1 Error: send HELO/EHLO first");
    await client.ask("EHLO x.test", "250");
    await client.ask("MAIL FROM:<a@bad.test>", "554 5.7.1 <a@bad.test>: Sender address rejected: Access denied");
    await client.ask("MAIL FROM:<a@s.test>", "250");
  });

  test("DATA and the end of the message have restrictions of their own", async () => {
    await using mta = await smtpd({ smtpd_data_restrictions: "reject_multi_recipient_bounce" });
    await using client = await open(mta, "");
    await client.ask("RCPT TO:<b@example.org>", "250");
    await client.ask("RCPT TO:<c@example.org>", "250");
    await client.ask("DATA", "550 5.5.3 <DATA>: Data command rejected: Multi-recipient bounce");
    await client.ask("RSET", "250");
    mta.reload({ smtpd_end_of_data_restrictions: "check_sender_access inline:{{s.test=REJECT too late}}" });
    await client.ask("MAIL FROM:<a@s.test>", "250");
    await client.ask("RCPT TO:<b@example.org>", "250");
    await client.ask("DATA", "354");
    await client.send(`${MESSAGE}\r\n.\r\n`);
    await client.expect("554 5.7.1 <a@s.test>: Sender address rejected: too late");
    expect(mta.stored()).toEqual([]);
    expect(mta.logged(/END-OF-MESSAGE/)).toHaveLength(1);
  });

  test("pipelined commands are answered in their order", async () => {
    await using mta = await smtpd({ smtpd_recipient_restrictions: "sleep 1, inline:{{c@example.org=REJECT}}" });
    await using client = await mta.open();
    await client.send("MAIL FROM:<a@s.test>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r\nDATA\r\n");
    await client.expect("250 2.1.0");
    await client.expect("250 2.1.5");
    await client.expect("554 5.7.1 <c@example.org>");
    await client.expect("354");
    await client.send(`${MESSAGE}\r\n.\r\n`);
    await client.expect("250 2.0.0 Ok: queued as");
    expect(mta.stored()[0]?.envelope.recipients).toEqual([{ address: "b@example.org" }]);
  });

  test("MAIL without HELO is taken where that is allowed", async () => {
    await using mta = await smtpd({ smtpd_helo_required: "no", smtpd_helo_restrictions: "reject" });
    await using client = await mta.connect();
    await client.expect("220 ");
    await client.ask("MAIL FROM:<a@s.test>", "250");
    await client.ask("RCPT TO:<b@example.org>", "250");
  });
});

describe("refusals", () => {
  test("are temporary with soft_bounce, in the log too", async () => {
    await using mta = await smtpd({ ...table("REJECT"), soft_bounce: "yes" });
    await using client = await open(mta);
    await client.ask("RCPT TO:<b@example.org>", "454 4.7.1 <b@example.org>: Recipient address rejected: Access denied");
    await client.ask("RCPT TO:<b@elsewhere.test>", "454 4.7.1 <b@elsewhere.test>: Relay access denied");
    await client.ask("FOO", "400 4.5.2 Error: command not recognized");
    expect(mta.logged(/^NOQUEUE: reject: RCPT .*: 454 4\.7\.1 /)).toHaveLength(2);
  });

  test("have the administrator's words behind them", async () => {
    await using mta = await smtpd({ smtpd_reject_footer: "For help call $client_address\\nor $$" });
    await using client = await open(mta);
    const reply = await client.ask("RCPT TO:<b@elsewhere.test>", "554-5.7.1 <b@elsewhere.test>: Relay access denied");
    expect(reply.split("\n").slice(1)).toEqual(["554-5.7.1 For help call 127.0.0.1", "554 5.7.1 or $"]);
    await client.ask("RCPT TO:<b@example.org>", "250 2.1.5 Ok");
    mta.reload({ smtpd_reject_footer: "\\c. So there" });
    await using other = await mta.open();
    await other.ask("FOO", "500 5.5.2 Error: command not recognized . So there");
  });
});
