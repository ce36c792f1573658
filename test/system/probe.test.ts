import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { run } from "../../src/command/probe.ts";
import { authority } from "../harness/certificate.ts";
import { type Destination, destination, type DestinationOptions } from "../harness/destination.ts";
import { nameServer } from "../harness/dns.ts";
import { runHere } from "../harness/temp-spool.ts";

interface World {
  readonly sink: Destination;
  probe(...args: string[]): ReturnType<typeof runHere>;
  steps(...args: string[]): Promise<readonly Record<string, unknown>[]>;
}

/** e.org with two hosts, the better one on 127.0.0.1, where nobody listens on the other one's port; null.org. */
async function world(answers: DestinationOptions = {}, settings: Readonly<Record<string, string>> = {}) {
  const sink = await destination({ host: "127.0.0.2", ...answers });
  const dns = await nameServer({
    "e.org": {
      mx: [
        [20, "mx2.e.org"],
        [10, "mx1.e.org"],
      ],
    },
    "mx1.e.org": { a: ["127.0.0.1"] },
    "mx2.e.org": { a: ["127.0.0.2"] },
    "null.org": { mx: [[0, "."]] },
  });
  const directory = mkdtempSync(join(tmpdir(), "sces-probe-"));
  onTestFinished(async () => {
    await sink.close();
    await dns.close();
    rmSync(directory, { recursive: true });
  });
  const lines = Object.entries({
    queue_directory: join(directory, "spool"),
    myhostname: "sces.test",
    mydestination: "here.test",
    transport_maps: "inline:{ {gone.test=error:5.7.1 we do not}, {later.test=error:4.3.0 wait} }",
    dns_servers: `127.0.0.1:${dns.port}`,
    smtp_tcp_port: String(sink.port),
    ...settings,
  }).map(([name, value]) => `${name} = ${value}\n`);
  writeFileSync(join(directory, "main.cf"), lines.join(""));
  const probe = (...args: string[]) => runHere(run, args, { SCES_CONFIG_DIRECTORY: directory });
  const made: World = {
    sink,
    probe,
    async steps(...args) {
      const { stdout } = await probe(...args, "--json");
      return stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line));
    },
  };
  return made;
}

test("tells the way, the hosts, what each said, and what would become of the mail", async () => {
  const { sink, probe } = await world();
  const { stdout, stderr, status } = await probe("bob@e.org", "--from", "me@sces.test");
  expect(stderr).toBe("");
  expect(status).toBe(0);
  const text = stdout
    .replaceAll(/\d\.\d{3}/g, "0.000")
    .replaceAll(/begun .*/g, "begun")
    .replaceAll(`:${sink.port}`, ":P");
  expect(text.split("\n").filter((line) => !line.includes("S: 250-"))).toEqual([
    "<bob@e.org> from <me@sces.test>: transport smtp, next hop e.org",
    "e.org: TLS policy may; looked up in 0.000 s",
    "  MX 10 mx1.e.org",
    "  MX 20 mx2.e.org",
    "  to try: mx1.e.org[127.0.0.1]:P",
    "  to try: mx2.e.org[127.0.0.2]:P",
    "  mx1.e.org[127.0.0.1]:P, begun",
    "      0.000     connect to mx1.e.org[127.0.0.1]:P: Connection refused",
    "  put off (4.4.1): connect to mx1.e.org[127.0.0.1]:P: Connection refused",
    "  mx2.e.org[127.0.0.2]:P, begun",
    "      0.000     connected from 127.0.0.1",
    "      0.000  S: 220 destination.test ESMTP",
    "      0.000  C: EHLO sces.test",
    "      0.000  S: 250 DSN",
    "      0.000  C: MAIL FROM:<me@sces.test> SIZE=1024",
    "      0.000  S: 250 2.1.0 Ok",
    "      0.000  C: RCPT TO:<bob@e.org>",
    "      0.000  S: 250 2.1.5 Ok",
    "      0.000  C: RSET",
    "      0.000  S: 250 2.0.0 Ok",
    "  in the clear (TLS policy may)",
    "  accepted (2.1.5): 250 2.1.5 Ok",
    "Result: accepted (2.1.5): 250 2.1.5 Ok",
    "",
  ]);
  expect(sink.commands.map((line) => line.split(" ")[0])).toEqual(["EHLO", "MAIL", "RCPT", "RSET", "QUIT"]);
});

describe("the exit status tells", () => {
  test.each([
    ["accepted", 0, {}, "bob@e.org"],
    ["not now", 75, { rcpt: "450 4.2.0 greylisted" }, "bob@e.org"],
    ["refused in reply to RCPT", 67, { rcpt: "550 5.1.1 no such user" }, "bob@e.org"],
    ["refused in reply to MAIL", 69, { mail: "550 5.7.1 not you" }, "bob@e.org"],
    ["a greeting that is none", 75, { greeting: "554 5.7.1 no" }, "bob@e.org"],
    ["no such domain", 68, {}, "bob@nothing.org"],
    ["a domain that takes no mail", 68, {}, "bob@null.org"],
    ["returned by the settings", 69, {}, "bob@gone.test"],
    ["put off by the settings", 75, {}, "bob@later.test"],
    ["delivered here", 0, {}, "bob@here.test"],
  ] as const)("%s: %i", async (_, expected, answers, address) => {
    const { probe } = await world(answers);
    const { status, stdout } = await probe(address);
    expect(stdout).toMatch(/\nResult: .*\n$/);
    expect(status).toBe(expected);
  });
});

test("a certificate is shown, who vouches for it, and why nobody does", async () => {
  using ca = authority("Good Authority");
  const tlsOptions = ca.issue(["mx2.e.org", "mx3.e.org"]);
  const nexthop = "[mx2.e.org]";
  const own = await world({ tls: true }, { relayhost: nexthop });
  expect((await own.steps("bob@e.org")).find(({ step }) => step === "session")).toMatchObject({
    tls: expect.stringContaining("TLSv1.3"),
    tlsPeer: "Untrusted",
    certificate: { subject: "CN=destination.test", problem: "DEPTH_ZERO_SELF_SIGNED_CERT" },
    outcome: "sent",
  });
  const secure = { relayhost: nexthop, smtp_tls_security_level: "secure", smtp_tls_CAfile: ca.file };
  const good = await world({ tls: true, tlsOptions }, secure);
  expect((await good.steps("bob@e.org")).find(({ step }) => step === "session")).toMatchObject({
    tlsPolicy: "secure",
    tlsPeer: "Verified",
    certificate: {
      names: "DNS:mx2.e.org, DNS:mx3.e.org",
      issuer: "CN=Good Authority",
      valid_until_ms: expect.any(Number),
    },
    outcome: "sent",
  });
  const bad = await world({ tls: true }, secure);
  expect((await bad.steps("bob@e.org")).slice(-2)).toMatchObject([
    { tlsPeer: "Untrusted", certificate: { names: "DNS:destination.test, DNS:localhost" }, outcome: "deferred" },
    { step: "result", type: "tls", outcome: "deferred", dsn: "4.7.5" },
  ]);
  expect(bad.sink.commands.filter((line) => line.startsWith("MAIL"))).toEqual([]);
});

test("no step takes longer than --timeout", async () => {
  const { probe } = await world({ rcpt: { reply: "", end: "hang" } });
  const { status, stdout } = await probe("bob@e.org", "--timeout", "300ms");
  expect(status).toBe(75);
  expect(stdout).toMatch(
    /\nResult: put off \(4\.4\.2\): conversation with mx2\.e\.org\[127\.0\.0\.2\] timed out while/,
  );
});

test("what a server says cannot leave its line", async () => {
  const { probe } = await world({ rcpt: "550 5.1.1 \x1b[31mno\x07" });
  const { stdout } = await probe("bob@e.org");
  expect(stdout).toContain("S: 550 5.1.1 \\x1b[31mno\\x07\n");
});

test.each([
  [[], 64],
  [["a@e.org", "b@e.org"], 64],
  [["bob@e.org", "--timeout", "soon"], 64],
  [["bob@e.org", "--form", "x@y"], 64],
  [["bob"], 65],
  [["bob@e.org", "--from", "a b@c"], 65],
] as const)("%j is a mistake that is explained", async (args, expected) => {
  const { probe } = await world();
  const { status, stdout, stderr } = await probe(...args);
  expect(status).toBe(expected);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/^(test|sces probe): .+\n$/);
});

test("an alias is named, since its mail does not go the way of its own address", async () => {
  const { probe } = await world({}, { virtual_alias_maps: "inline:{ {team@e.org=a@null.org, b@null.org} }" });
  expect((await probe("team@e.org")).stderr).toContain("team@e.org is an alias of a@null.org, b@null.org: probe that");
  expect((await probe("bob@null.org")).stderr).toBe("");
});
