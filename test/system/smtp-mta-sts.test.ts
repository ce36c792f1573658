import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { authority } from "../harness/certificate.ts";
import { agent } from "../harness/delivering.ts";
import { destination, type DestinationOptions } from "../harness/destination.ts";
import { nameServer, type Zones } from "../harness/dns.ts";
import { type PolicyAnswer, policyServer } from "../harness/policy-server.ts";

const ca = authority();
const web = ca.issue(["mta-sts.e.org"]);
const mx = { tlsOptions: ca.issue(["mx.e.org"]) };
const wrong = { tlsOptions: ca.issue(["mx.f.org"]) };
const directory = mkdtempSync(join(tmpdir(), "sces-sts-"));
afterAll(() => {
  ca[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

const policy = (mode: string, host = "mx.e.org", maxAge = 86_400) =>
  `version: STSv1\r\nmode: ${mode}\r\nmx: ${host}\r\nmax_age: ${maxAge}\r\n`;

interface World {
  readonly web?: PolicyAnswer;
  readonly certificate?: typeof web;
  readonly server?: DestinationOptions;
  readonly zones?: Zones;
  readonly settings?: Readonly<Record<string, string>>;
  readonly store?: string;
}

/** e.org with mx.e.org, and a policy; its https server has a certificate that is trusted. */
async function world(what: World = {}) {
  const stack = new AsyncDisposableStack();
  const https = stack.use(await policyServer(what.certificate ?? web, what.web ?? { body: policy("enforce") }));
  const sink = stack.use(await destination({ tls: true, ...mx, ...what.server }));
  const zones: Zones = {
    "e.org": { mx: [[10, "mx.e.org"]] },
    "mx.e.org": { a: ["127.0.0.1"] },
    "mta-sts.e.org": { a: ["127.0.0.1"] },
    "_mta-sts.e.org": { txt: ["v=STSv1; id=1"], ttl: 0 },
    ...what.zones,
  };
  const dns = stack.use(await nameServer(zones));
  const start = () =>
    stack.use(
      agent(
        {
          dns_servers: `127.0.0.1:${dns.port}`,
          smtp_tcp_port: String(sink.port),
          smtp_tls_CAfile: ca.file,
          smtp_mta_sts: "yes",
          smtp_mta_sts_port: String(https.port),
          smtp_mta_sts_CAfile: ca.file,
          smtp_mta_sts_timeout: "20s",
          smtp_connection_cache_time_limit: "0",
          ...what.settings,
        },
        { ...(what.store === undefined ? {} : { stsDirectory: what.store }) },
      ),
    );
  return { https, sink, dns, zones, smtp: start(), start, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

const ENFORCED = { outcome: "sent", tlsPolicy: "sts", tlsPeer: "Verified" };
const AS_IT_MAY_BE = { outcome: "sent", tlsPolicy: "may" };
const WAITS = { type: "tls", outcome: "deferred" };

describe("a policy that is enforced", () => {
  test("asks for TLS and a certificate of the MX host", async () => {
    await using it = await world();
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([ENFORCED]);
    expect(it.https.requests.map(({ line }) => line)).toEqual(["GET mta-sts.e.org/.well-known/mta-sts.txt"]);
  });

  test.each([
    ["no TLS is offered", { tls: false }, { dsn: "4.7.4" }],
    ["the certificate is for another host", wrong, { text: "Server certificate not verified" }],
    [
      "the certificate has the name only as its common one",
      { tlsOptions: ca.issue(["mx.e.org"], { onlyCommonName: true }) },
      { text: "Server certificate not verified" },
    ],
    ["nobody vouches for the certificate", { tlsOptions: {} }, { text: "Server certificate not trusted" }],
  ] as [string, DestinationOptions, object][])("sends nothing when %s", async (_, server, expected) => {
    await using it = await world({ server });
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([{ ...WAITS, ...expected }]);
    expect(it.sink.messages).toEqual([]);
  });

  test("sends nothing to a host that is not in it", async () => {
    await using it = await world({ web: { body: policy("enforce", "*.mx.e.org") } });
    const text = "host mx.e.org is not in the MTA-STS policy of e.org";
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([{ ...WAITS, dsn: "4.7.5", text }]);
    expect(it.sink.connections).toBe(0);
  });

  test.each([
    ["when it is only tested", { web: { body: policy("testing") } }],
    ["when it is none", { web: { body: policy("none") } }],
    ["when MTA-STS is not wanted", { settings: { smtp_mta_sts: "no" } }],
    ["when the administrator has a line for the domain", { settings: { smtp_tls_policy_maps: "inline:{e.org=may}" } }],
  ] as [string, World][])("is no hindrance %s", async (_, what) => {
    await using it = await world({ ...what, server: wrong });
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([AS_IT_MAY_BE]);
  });

  test("does not count for relay hosts in brackets", async () => {
    await using it = await world({ server: wrong });
    expect((await it.smtp.send("[mx.e.org]")).attempts).toMatchObject([AS_IT_MAY_BE]);
    expect(it.https.requests).toEqual([]);
  });
});

describe("a policy is fetched", () => {
  test("once, also for many messages, and again when its id is another", async () => {
    await using it = await world();
    await Promise.all([1, 2, 3].map(() => it.smtp.send("e.org")));
    await it.smtp.send("e.org");
    expect(it.https.requests).toHaveLength(1);
    it.https.set({ body: policy("none") });
    it.dns.set({ ...it.zones, "_mta-sts.e.org": { txt: ["v=STSv1; id=2"], ttl: 0 } });
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([AS_IT_MAY_BE]);
    expect(it.https.requests).toHaveLength(2);
  });

  test("and stays in force when the DNS says no more of it, or the next one cannot be had", async () => {
    await using it = await world();
    await it.smtp.send("e.org");
    it.dns.set({ ...it.zones, "_mta-sts.e.org": "nxdomain" });
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([ENFORCED]);
    it.dns.set({ ...it.zones, "_mta-sts.e.org": { txt: ["v=STSv1; id=2"], ttl: 0 } });
    it.https.set({ status: 404 });
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([ENFORCED]);
  });

  test("no longer than it says", async () => {
    await using it = await world({ web: { body: policy("enforce", "mx.e.org", 0) }, server: wrong });
    it.dns.set({ ...it.zones, "_mta-sts.e.org": { txt: ["v=STSv1; id=1"], ttl: 0 } });
    await it.smtp.send("e.org");
    it.dns.set({ ...it.zones, "_mta-sts.e.org": "nxdomain" });
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([AS_IT_MAY_BE]);
  });

  test.each([
    ["the server says no", { web: { status: 404 } }, "status 404"],
    ["it sends us elsewhere", { web: { status: 301, location: "https://mta-sts.f.org/x" } }, "status 301"],
    ["what comes is no text", { web: { type: "text/html", body: policy("enforce") } }, "not text/plain"],
    ["what comes is no policy", { web: { body: "hello" } }, "no policy in it"],
    ["too much comes", { web: { body: policy("enforce").padEnd(70_000, "\n") } }, "more than 65536 bytes"],
    ["nothing comes", { web: { isSilent: true }, settings: { smtp_mta_sts_timeout: "300ms" } }, "no answer in time"],
    ["the certificate is another's", { certificate: ca.issue(["mta-sts.f.org"]) }, "not for mta-sts.e.org"],
    [
      "the certificate has the name only as its common one",
      { certificate: ca.issue(["mta-sts.e.org"], { onlyCommonName: true }) },
      "not for mta-sts.e.org",
    ],
    ["there is no server", { zones: { "mta-sts.e.org": "nxdomain" } }, "no address for mta-sts.e.org"],
  ] as [string, World, string][])("in vain when %s, and then not at once again", async (_, what, why) => {
    await using it = await world({ ...what, server: wrong });
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([AS_IT_MAY_BE]);
    expect(it.smtp.log.lines).toEqual([expect.stringContaining("cannot get the MTA-STS policy of e.org: ")]);
    expect(it.smtp.log.lines[0]).toContain(why);
    await it.smtp.send("e.org");
    expect(it.smtp.log.lines).toHaveLength(1);
    expect(it.https.requests.length).toBeLessThan(2);
  });
});

test("a policy outlives the process, but not what was made of its file", async () => {
  const store = join(directory, "store");
  await using it = await world({ store });
  await it.smtp.send("e.org");
  expect(readdirSync(store)).toEqual(["e.org"]);
  it.dns.set({ ...it.zones, "_mta-sts.e.org": "nxdomain" });
  expect((await it.start().send("e.org")).attempts).toMatchObject([ENFORCED]);
  const file = join(store, "e.org");
  writeFileSync(file, readFileSync(file, "utf8").slice(0, -10));
  expect((await it.start().send("e.org")).attempts).toMatchObject([AS_IT_MAY_BE]);
  expect(it.https.requests).toHaveLength(1);
});

test("DANE goes before it", async () => {
  const zones: Zones = {
    "e.org": { mx: [[10, "mx.e.org"]], secure: true },
    "mx.e.org": { a: ["127.0.0.1"], secure: true },
  };
  await using it = await world({
    zones,
    settings: { smtp_tls_security_level: "dane", smtp_dns_support_level: "dnssec" },
  });
  const tlsa = { tlsa: [[3, 1, 1, Buffer.alloc(32)] as const], secure: true };
  it.dns.set({ ...it.zones, [`_${it.sink.port}._tcp.mx.e.org`]: tlsa });
  expect((await it.smtp.send("e.org")).attempts).toMatchObject([
    { ...WAITS, text: "Server certificate not trusted", tlsPolicy: "dane" },
  ]);
  it.dns.set(it.zones);
  expect((await it.start().send("e.org")).attempts).toMatchObject([ENFORCED]);
});
