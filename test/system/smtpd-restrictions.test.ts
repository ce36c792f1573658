/** Restrictions, as clients and the log see them. Replies and lines are Postfix's (smtpd_check.c), word for word. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type NameServer, nameServer } from "../harness/dns.ts";
import type { Dialogue } from "../harness/smtp-dialogue.ts";
import { smtpd, type TestSmtpd } from "../harness/smtpd.ts";

let dns: NameServer;
beforeAll(async () => {
  dns = await nameServer({
    "good.test": { mx: [[10, "mx.good.test"]] },
    "mx.good.test": { a: ["192.0.2.25"] },
    "addressed.test": { a: ["192.0.2.1"] },
    "null.test": { mx: [[0, "."]] },
    "broken.test": "servfail",
    "2.0.0.127.in-addr.arpa": { ptr: ["client.test"] },
    "client.test": { a: ["127.0.0.2"] },
    "3.0.0.127.in-addr.arpa": { ptr: ["liar.test"] },
    "liar.test": { a: ["127.0.0.99"] },
    "4.0.0.127.in-addr.arpa": "servfail",
    "2.0.0.127.bl.test": { a: ["127.0.0.4"], txt: ["seen $spamming, see http://bl.test/"] },
    "5.0.0.127.bl.test": "servfail",
    "bad.test.rhs.test": { a: ["127.0.0.2"] },
    "client.test.rhs.test": { a: ["127.0.0.2"] },
    "2.0.0.127.wl.test": { a: ["127.0.0.1"] },
  });
});
afterAll(() => dns.close());

type Values = Readonly<Record<string, string>>;

interface Case {
  readonly values: Values;
  readonly client?: string; // default 127.0.0.2, which is client.test
  readonly helo?: string;
  readonly from?: string;
  readonly to?: string;
  readonly reply: string; // to RCPT
  readonly log?: string; // what stands between NOQUEUE and from=; default: that it was rejected with this reply
}

async function server(values: Values): Promise<TestSmtpd> {
  return smtpd({
    smtpd_peername_lookup: "yes",
    dns_servers: `127.0.0.1:${dns.port}`,
    smtpd_dns_timeout: "1s",
    ...values,
  });
}

async function toRcpt(mta: TestSmtpd, one: Partial<Case>): Promise<Dialogue> {
  const client = await mta.connect({ localAddress: one.client ?? "127.0.0.2" });
  await client.expect("220 ");
  await client.ask(`EHLO ${one.helo ?? "helo.test"}`, "250");
  await client.ask(`MAIL FROM:<${one.from ?? "a@good.test"}>`, "250 2.1.0 Ok");
  return client;
}

const ALL = { smtpd_relay_restrictions: "reject_unauth_destination" };
const only = (name: string, list: string, more: Values = {}): Values => ({ ...ALL, [name]: list, ...more });

const CASES: Readonly<Record<string, Case>> = {
  reject_rhsbl_client: {
    values: only("smtpd_client_restrictions", "reject_rhsbl_client rhs.test"),
    reply: "554 5.7.1 Service unavailable; Client host [client.test] blocked using rhs.test",
  },
  reject_rhsbl_helo: {
    values: only("smtpd_helo_restrictions", "reject_rhsbl_helo rhs.test"),
    helo: "bad.test",
    reply: "554 5.7.1 Service unavailable; Helo command [bad.test] blocked using rhs.test",
  },
  reject_rhsbl_recipient: {
    values: only("smtpd_recipient_restrictions", "reject_rhsbl_recipient rhs.test", { relay_domains: "bad.test" }),
    to: "b@bad.test",
    reply: "554 5.7.1 Service unavailable; Recipient address [b@bad.test] blocked using rhs.test",
  },
  check_sender_mx_access: {
    values: only("smtpd_sender_restrictions", "check_sender_mx_access inline:{mx.good.test=REJECT}"),
    reply: "554 5.7.1 <a@good.test>: Sender address rejected: Access denied",
  },
  "check_recipient_mx_access by address": {
    values: only("smtpd_recipient_restrictions", "check_recipient_mx_access inline:{192.0.2=REJECT}", {
      relay_domains: "good.test",
    }),
    to: "b@good.test",
    reply: "554 5.7.1 <b@good.test>: Recipient address rejected: Access denied",
  },
  "nothing stands against it": { values: ALL, reply: "250 2.1.5 Ok" },
  "relay is refused": {
    values: ALL,
    to: "b@elsewhere.test",
    reply: "554 5.7.1 <b@elsewhere.test>: Relay access denied",
  },
  "relay is put off": {
    values: { smtpd_relay_restrictions: "defer_unauth_destination" },
    to: "b@elsewhere.test",
    reply: "454 4.7.1 <b@elsewhere.test>: Relay access denied",
  },
  "mynetworks may relay": {
    values: { smtpd_relay_restrictions: "permit_mynetworks, reject_unauth_destination", mynetworks: "127.0.0.2" },
    to: "b@elsewhere.test",
    reply: "250 2.1.5 Ok",
  },
  "a permit of the relay list is none of the recipient list": {
    values: {
      smtpd_relay_restrictions: "permit_mynetworks, reject_unauth_destination",
      smtpd_recipient_restrictions: "reject",
      mynetworks: "127.0.0.2",
    },
    reply: "554 5.7.1 <b@example.org>: Recipient address rejected: Access denied",
  },
  "reject for clients": {
    values: only("smtpd_client_restrictions", "reject"),
    reply: "554 5.7.1 <client.test[127.0.0.2]>: Client host rejected: Access denied",
  },
  "defer for senders": {
    values: only("smtpd_sender_restrictions", "defer"),
    reply: "450 4.3.2 <a@good.test>: Sender address rejected: Try again later",
  },
  "a client whose name has another address": {
    values: only("smtpd_client_restrictions", "reject_unknown_client_hostname"),
    client: "127.0.0.3",
    reply: "450 4.7.25 Client host rejected: cannot find your hostname, [127.0.0.3]",
  },
  "a client without a reverse name": {
    values: only("smtpd_client_restrictions", "reject_unknown_reverse_client_hostname", {
      unknown_client_reject_code: "550",
    }),
    client: "127.0.0.7",
    reply: "550 5.7.1 Client host rejected: cannot find your reverse hostname, [127.0.0.7]",
  },
  "a client whose name the DNS does not tell now": {
    values: only("smtpd_client_restrictions", "reject_unknown_client_hostname", { unknown_client_reject_code: "550" }),
    client: "127.0.0.4",
    reply: "450 4.7.25 Client host rejected: cannot find your hostname, [127.0.0.4]",
  },
  "a plain session": {
    values: only("smtpd_client_restrictions", "reject_plaintext_session"),
    reply: "450 4.7.1 Session encryption is required",
  },
  "a client on a list": {
    values: only("smtpd_client_restrictions", "reject_rbl_client bl.test"),
    reply:
      "554 5.7.1 Service unavailable; Client host [127.0.0.2] blocked using bl.test; seen $spamming, see http://bl.test/",
  },
  "a list whose answer does not count": {
    values: only("smtpd_client_restrictions", "reject_rbl_client bl.test=127.0.0.[2..3;10]"),
    reply: "250 2.1.5 Ok",
  },
  "a list whose answer counts": {
    values: only("smtpd_client_restrictions", "reject_rbl_client bl.test=127.0.0.[2..5]", {
      rbl_reply_maps: "inline:{{bl.test = 550 5.7.1 $$client is on $$rbl_domain}}",
    }),
    reply: "550 5.7.1 client.test[127.0.0.2] is on bl.test",
  },
  "a list that is out of order refuses nobody": {
    values: only("smtpd_client_restrictions", "reject_rbl_client bl.test"),
    client: "127.0.0.5",
    reply: "250 2.1.5 Ok",
  },
  "a list of the good ends the list of restrictions": {
    values: only("smtpd_client_restrictions", "permit_dnswl_client wl.test, reject"),
    reply: "250 2.1.5 Ok",
  },
  "a sender's domain on a list": {
    values: only("smtpd_sender_restrictions", "reject_rhsbl_sender rhs.test"),
    from: "a@bad.test",
    reply: "554 5.7.1 Service unavailable; Sender address [a@bad.test] blocked using rhs.test",
  },
  "HELO with a short name": {
    values: only("smtpd_helo_restrictions", "reject_non_fqdn_helo_hostname"),
    helo: "pc7",
    reply: "504 5.5.2 <pc7>: Helo command rejected: need fully-qualified hostname",
  },
  "HELO with no name": {
    values: only("smtpd_helo_restrictions", "reject_invalid_helo_hostname"),
    helo: "a..b",
    reply: "501 5.5.2 <a..b>: Helo command rejected: Invalid name",
  },
  "HELO with no address": {
    values: only("smtpd_helo_restrictions", "reject_invalid_helo_hostname"),
    helo: "[1.2.3]",
    reply: "501 5.5.2 <[1.2.3]>: Helo command rejected: invalid ip address",
  },
  "HELO with a name that is not there": {
    values: only("smtpd_helo_restrictions", "reject_unknown_helo_hostname"),
    helo: "nowhere.test",
    reply: "450 4.7.1 <nowhere.test>: Helo command rejected: Host not found",
  },
  "HELO with an address literal": {
    values: only("smtpd_helo_restrictions", "reject_unknown_helo_hostname, reject_non_fqdn_helo_hostname"),
    helo: "[127.0.0.2]",
    reply: "250 2.1.5 Ok",
  },
  "a sender with a short domain": {
    values: only("smtpd_sender_restrictions", "reject_non_fqdn_sender"),
    from: "a@pc7",
    reply: "504 5.5.2 <a@pc7>: Sender address rejected: need fully-qualified address",
  },
  "a sender whose domain is not there": {
    values: only("smtpd_sender_restrictions", "reject_unknown_sender_domain"),
    from: "a@nowhere.test",
    reply: "450 4.1.8 <a@nowhere.test>: Sender address rejected: Domain not found",
  },
  "a sender whose domain has but an address": {
    values: only("smtpd_sender_restrictions", "reject_unknown_sender_domain"),
    from: "a@addressed.test",
    reply: "250 2.1.5 Ok",
  },
  "the null sender has a domain": {
    values: only("smtpd_sender_restrictions", "reject_unknown_sender_domain, reject_non_fqdn_sender"),
    from: "",
    reply: "250 2.1.5 Ok",
  },
  "a sender whose domain takes no mail": {
    values: only("smtpd_sender_restrictions", "reject_unknown_sender_domain"),
    from: "a@null.test",
    reply: "550 5.7.27 <a@null.test>: Sender address rejected: Domain null.test does not accept mail (nullMX)",
  },
  "a sender whose domain the DNS does not tell now is put off": {
    values: only("smtpd_sender_restrictions", "reject_unknown_sender_domain", { unknown_address_reject_code: "550" }),
    from: "a@broken.test",
    reply: "450 4.1.8 <a@broken.test>: Sender address rejected: Domain not found",
  },
  "but refused if something else is wrong": {
    values: only("smtpd_sender_restrictions", "reject_unknown_sender_domain"),
    from: "a@broken.test",
    to: "b@elsewhere.test",
    reply: "554 5.7.1 <b@elsewhere.test>: Relay access denied",
  },
  "a recipient whose domain is not there": {
    values: {
      smtpd_relay_restrictions: "permit_mynetworks, reject_unauth_destination",
      mynetworks: "127.0.0.2",
      smtpd_recipient_restrictions: "reject_unknown_recipient_domain",
    },
    to: "b@nowhere.test",
    reply: "450 4.1.2 <b@nowhere.test>: Recipient address rejected: Domain not found",
  },
  "a warning in place of a refusal": {
    values: only("smtpd_client_restrictions", "warn_if_reject reject"),
    reply: "250 2.1.5 Ok",
    log: "reject_warning: RCPT from client.test[127.0.0.2]: 554 5.7.1 <client.test[127.0.0.2]>: Client host rejected: Access denied;",
  },
  defer_if_permit: {
    values: only("smtpd_recipient_restrictions", "defer_if_permit"),
    reply: "450 4.7.0 <b@example.org>: Recipient address rejected: defer_if_permit requested",
  },
  defer_if_reject: {
    values: only("smtpd_recipient_restrictions", "defer_if_reject, reject"),
    reply: "450 4.7.0 <b@example.org>: Recipient address rejected: defer_if_reject requested",
  },
  "a class": {
    values: only("smtpd_recipient_restrictions", "strict", {
      smtpd_restriction_classes: "strict",
      strict: "reject_non_fqdn_sender, reject",
    }),
    reply: "554 5.7.1 <b@example.org>: Recipient address rejected: Access denied",
  },
};

describe("a recipient", () => {
  for (const [name, one] of Object.entries(CASES)) {
    test(name, async () => {
      await using mta = await server(one.values);
      await using client = await toRcpt(mta, one);
      const to = one.to ?? "b@example.org";
      expect(await client.ask(`RCPT TO:<${to}>`, "")).toBe(one.reply);
      const context = `from=<${one.from ?? "a@good.test"}> to=<${to}> proto=ESMTP helo=<${one.helo ?? "helo.test"}>`;
      const lines = mta.logged(/^NOQUEUE: /);
      if (one.log !== undefined) expect(lines).toEqual([`NOQUEUE: ${one.log} ${context}`]);
      else if (one.reply.startsWith("2")) expect(lines).toEqual([]);
      else {
        expect(lines).toHaveLength(1);
        expect(lines[0]).toMatch(/^NOQUEUE: reject: RCPT from \S+\[127\.0\.0\.\d\]: /);
        expect(lines[0]?.endsWith(`]: ${one.reply}; ${context}`)).toBe(true);
      }
    });
  }
});

describe("a DNS that does not answer", () => {
  const SILENT = {
    "9.0.0.127.in-addr.arpa": "timeout",
    "6.0.0.127.silent1.test": "timeout",
    "6.0.0.127.silent2.test": "timeout",
    "6.0.0.127.silent3.test": "timeout",
    "silent.test": "timeout",
  } as const;

  test("keeps a client waiting no longer than smtpd_dns_timeout, and no other client at all", async () => {
    await using silent = await nameServer(SILENT);
    const values = only("smtpd_sender_restrictions", "reject_unknown_sender_domain");
    await using mta = await server({ ...values, dns_servers: `127.0.0.1:${silent.port}` });
    const started = performance.now();
    const nameless = mta.connect({ localAddress: "127.0.0.9" });
    await using slow = await toRcpt(mta, { client: "127.0.0.1", from: "a@silent.test" });
    await slow.say("RCPT TO:<b@example.org>");
    await using other = await toRcpt(mta, { client: "127.0.0.1", from: "" });
    await other.ask("RCPT TO:<b@example.org>", "250 2.1.5 Ok");
    expect(performance.now() - started).toBeLessThan(900);
    await slow.expect("450 4.1.8 <a@silent.test>: Sender address rejected: Domain not found");
    await using greeted = await nameless;
    await greeted.expect("220 ");
    expect(mta.logged(/^connect from unknown\[127\.0\.0\.9\]$/)).toHaveLength(1);
  });

  test("is waited for once, however many lists there are", async () => {
    await using silent = await nameServer(SILENT);
    const list = "reject_rbl_client silent1.test, reject_rbl_client silent2.test, reject_rbl_client silent3.test";
    const values = only("smtpd_client_restrictions", list, { smtpd_peername_lookup: "no" });
    await using mta = await server({ ...values, dns_servers: `127.0.0.1:${silent.port}` });
    await using client = await toRcpt(mta, { client: "127.0.0.6" });
    const started = performance.now();
    await client.ask("RCPT TO:<b@example.org>", "250 2.1.5 Ok");
    expect(performance.now() - started).toBeLessThan(2500);
    expect(mta.logged(/RBL lookup error/)).toHaveLength(3);
  });
});

test("a client's name is in every line, in the Received field and in the envelope", async () => {
  await using mta = await server({});
  await using client = await toRcpt(mta, {});
  await client.ask("RCPT TO:<b@example.org>", "250");
  await client.ask("DATA", "354");
  await client.send("Subject: x\r\n\r\nbody\r\n.\r\n");
  await client.expect("250");
  expect(mta.logged(/^connect from client\.test\[127\.0\.0\.2\]$/)).toHaveLength(1);
  expect(mta.stored()[0]?.envelope.client?.name).toBe("client.test");
  expect(mta.stored()[0]?.content).toContain("from helo.test (client.test [127.0.0.2])");
});

test("127.0.0.1 is localhost without a question", async () => {
  await using fresh = await nameServer({});
  await using mta = await server({ dns_servers: `127.0.0.1:${fresh.port}` });
  await using client = await toRcpt(mta, { client: "127.0.0.1" });
  await client.ask("RCPT TO:<b@example.org>", "250");
  expect(fresh.queries).toEqual([]);
});

describe("XCLIENT", () => {
  const values = {
    smtpd_authorized_xclient_hosts: "127.0.0.1",
    smtpd_client_restrictions: "check_client_access inline:{{192.0.2=REJECT}}, reject_unknown_client_hostname",
    smtpd_relay_restrictions: "permit_sasl_authenticated, reject_unauth_destination",
  };
  const rcpt = async (attributes: string, to: string, more: Values = {}) => {
    await using mta = await server({ ...values, ...more });
    await using client = await mta.open();
    await client.ask(`XCLIENT ${attributes}`, "220 mail.sces.test ESMTP");
    await client.ask("EHLO x.test", "250");
    await client.ask("MAIL FROM:<a@s.test>", "250");
    return await client.ask(`RCPT TO:<${to}>`, "");
  };

  test.each([
    ["ADDR=192.0.2.7", "b@example.org", "554 5.7.1 <unknown[192.0.2.7]>: Client host rejected: Access denied"],
    ["NAME=mx.one.test ADDR=198.51.100.1", "b@example.org", "250 2.1.5 Ok"],
    ["NAME=[TEMPUNAVAIL] ADDR=198.51.100.1", "b@example.org", "450 4.7.25 Client host rejected: cannot find your"],
    ["ADDR=127.0.0.2", "b@example.org", "250 2.1.5 Ok"],
    [
      "ADDR=IPV6:2001:db8::1",
      "b@example.org",
      "450 4.7.25 Client host rejected: cannot find your hostname, [2001:db8::1]",
    ],
    ["NAME=mx.one.test LOGIN=alice", "b@elsewhere.test", "250 2.1.5 Ok"],
  ])("%s to <%s> is answered %s", async (attributes, to, reply) => {
    expect((await rcpt(attributes, to)).startsWith(reply)).toBe(true);
  });

  test("is refused and not offered to others, within a transaction, and where it makes no sense", async () => {
    await using mta = await server(values);
    await using stranger = await mta.connect({ localAddress: "127.0.0.2" });
    await stranger.expect("220 ");
    expect(await stranger.ask("EHLO x.test", "250")).not.toContain("XCLIENT");
    await stranger.ask("XCLIENT ADDR=192.0.2.1", "550 5.7.0 Error: insufficient authorization");
    await using client = await mta.connect();
    await client.expect("220 ");
    expect(await client.ask("EHLO x.test", "250")).toContain("XCLIENT NAME ADDR PROTO HELO LOGIN PORT");
    await client.ask("XCLIENT", "501 5.5.4 Syntax: XCLIENT attribute=value...");
    for (const bad of ["ADDR=x", "ADDR=192.0.2.1 NAME=a..b", "FOO=x", "ADDR", "constructor=x"]) {
      await client.ask(`XCLIENT ${bad}`, "501 5.5.4 Bad XCLIENT attribute: ");
    }
    await client.ask("MAIL FROM:<a@s.test>", "250");
    await client.ask("XCLIENT ADDR=192.0.2.1", "503 5.5.1 Error: MAIL transaction in progress");
    await client.ask("RSET", "250");
    await client.ask("XCLIENT ADDR=198.51.100.1 HELO=one.test", "220 ");
    await client.ask("XCLIENT ADDR=127.0.0.1", "550 5.7.0 Error: insufficient authorization");
    expect(mta.logged(/^XCLIENT from localhost\[127\.0\.0\.1\]: goes on as unknown\[198\.51\.100\.1\]$/)).toHaveLength(
      1,
    );
  });

  test("ends with the refusal that the other client would get at once", async () => {
    await using mta = await server({ ...values, smtpd_delay_reject: "no" });
    await using client = await mta.open();
    await client.ask("XCLIENT ADDR=192.0.2.7", "554 5.7.1 <unknown[192.0.2.7]>: Client host rejected: Access denied");
    await client.ask("EHLO x.test", "503 5.7.0 Error: access denied for unknown[192.0.2.7]");
  });
});
