import { createHash, X509Certificate } from "node:crypto";
import { afterAll, describe, expect, test } from "vitest";
import { authority, type Certificate } from "../harness/certificate.ts";
import { agent } from "../harness/delivering.ts";
import { destination, type DestinationOptions } from "../harness/destination.ts";
import { type Failure, nameServer, type Zone, type Zones } from "../harness/dns.ts";

const ca = authority();
const other = authority("other.test");
afterAll(() => {
  ca[Symbol.dispose]();
  other[Symbol.dispose]();
});
const mx = ca.issue(["mx.e.org"]);
const withChain = ({ key, cert }: Certificate): Certificate => ({ key, cert: cert + ca.cert });

type Tlsa = readonly [number, number, number, Buffer];

/** A TLSA record for this certificate. */
function tlsa(usage: number, selector: number, matchingType: number, { cert }: { cert: string }): Tlsa {
  const certificate = new X509Certificate(cert);
  const bytes = selector === 0 ? certificate.raw : certificate.publicKey.export({ type: "spki", format: "der" });
  const hash = ["", "sha256", "sha512"][matchingType] ?? "";
  return [usage, selector, matchingType, hash === "" ? bytes : createHash(hash).update(bytes).digest()];
}

interface World {
  readonly records?: readonly Tlsa[] | Zone | Failure;
  readonly server?: DestinationOptions;
  readonly zones?: Zones;
  readonly settings?: Readonly<Record<string, string>>;
}

/** mx.e.org, where mail for e.org goes; all that the DNS says of it is validated. */
async function world({ records = [], server = {}, zones = {}, settings = {} }: World) {
  const stack = new AsyncDisposableStack();
  const sink = stack.use(await destination({ tls: true, tlsOptions: mx, ...server }));
  const published = Array.isArray(records) ? { tlsa: records as readonly Tlsa[], secure: true } : (records as Zone);
  const dns = stack.use(
    await nameServer({
      "e.org": { mx: [[10, "mx.e.org"]], secure: true },
      "mx.e.org": { a: ["127.0.0.1"], secure: true },
      [`_${sink.port}._tcp.mx.e.org`]: published,
      ...zones,
    }),
  );
  const smtp = stack.use(
    agent({
      dns_servers: `127.0.0.1:${dns.port}`,
      smtp_dns_support_level: "dnssec",
      smtp_tls_security_level: "dane",
      smtp_dns_timeout: "7s",
      smtp_tcp_port: String(sink.port),
      ...settings,
    }),
  );
  return { sink, dns, smtp, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

const VERIFIED = { outcome: "sent", tlsPolicy: "dane", tlsPeer: "Verified" };
const OTHER_KEY = { type: "tls", outcome: "deferred", dsn: "4.7.5", text: "Server certificate not trusted" };
const OTHER_NAME = { ...OTHER_KEY, text: "Server certificate not verified" };

describe("a server is the one of the TLSA records", () => {
  const expired = ca.issue(["nobody.test"], { isExpired: true });
  const chain = { tlsOptions: withChain(mx) };
  test.each([
    ["3 0 0, the whole certificate", [tlsa(3, 0, 0, mx)], {}, VERIFIED],
    ["3 0 1, its hash", [tlsa(3, 0, 1, mx)], {}, VERIFIED],
    ["3 1 0, the whole key", [tlsa(3, 1, 0, mx)], {}, VERIFIED],
    ["3 1 1, its hash", [tlsa(3, 1, 1, mx)], {}, VERIFIED],
    ["3 1 2, its longer hash", [tlsa(3, 1, 2, mx)], {}, VERIFIED],
    ["3, whatever else the certificate says", [tlsa(3, 1, 1, expired)], { tlsOptions: expired }, VERIFIED],
    ["not by the lesser of two hashes", [tlsa(3, 1, 2, other), tlsa(3, 1, 1, mx)], {}, OTHER_KEY],
    ["one of several", [tlsa(3, 1, 1, other), tlsa(3, 1, 1, mx)], {}, VERIFIED],
    ["2 0 1, the hash of its authority", [tlsa(2, 0, 1, ca)], chain, VERIFIED],
    ["2 1 1, the hash of its authority's key", [tlsa(2, 1, 1, ca)], chain, VERIFIED],
    ["not of another key", [tlsa(3, 1, 1, other)], {}, OTHER_KEY],
    ["not of another authority", [tlsa(2, 0, 1, other)], chain, OTHER_KEY],
    ["not of an authority that is not shown", [tlsa(2, 0, 1, ca)], {}, OTHER_KEY],
    [
      "not of the authority, with another name",
      [tlsa(2, 0, 1, ca)],
      { tlsOptions: withChain(ca.issue(["mx.f.org"])) },
      OTHER_NAME,
    ],
    [
      "of the authority, with the name of the domain",
      [tlsa(2, 0, 1, ca)],
      { tlsOptions: withChain(ca.issue(["e.org"])) },
      VERIFIED,
    ],
    [
      "not of the authority, when the certificate is over",
      [tlsa(2, 0, 1, ca)],
      { tlsOptions: withChain(ca.issue(["mx.e.org"], { isExpired: true })) },
      OTHER_KEY,
    ],
    [
      "not of the authority, shown beside a certificate that it did not sign",
      [tlsa(2, 0, 1, ca)],
      { tlsOptions: withChain(other.issue(["mx.e.org"])) },
      OTHER_KEY,
    ],
  ] as [string, Tlsa[], DestinationOptions, object][])("%s", async (_, records, server, expected) => {
    await using it = await world({ records, server });
    const { attempts } = await it.smtp.send("e.org");
    expect(attempts).toMatchObject([expected]);
    if (expected !== VERIFIED) expect(it.sink.commands).toEqual(["EHLO sces.test", "STARTTLS"]);
  });

  test("which then must offer TLS", async () => {
    await using it = await world({ records: [tlsa(3, 1, 1, mx)], server: { tls: false } });
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([
      { outcome: "deferred", dsn: "4.7.4", text: "TLS is required, but was not offered by host mx.e.org[127.0.0.1]" },
    ]);
  });

  test("behind an alias under the last name or the first, and that name is asked for", async () => {
    const zones: Zones = {
      "e.org": { mx: [[10, "alias.e.org"]], secure: true },
      "alias.e.org": { cname: "mx.e.org", secure: true },
    };
    await using it = await world({ records: [tlsa(3, 1, 1, mx)], zones });
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([VERIFIED]);
    const port = String(it.sink.port);
    it.dns.set({
      ...zones,
      "mx.e.org": { a: ["127.0.0.1"], secure: true },
      [`_${port}._tcp.alias.e.org`]: { tlsa: [tlsa(3, 1, 1, other)], secure: true },
    });
    await using again = agent({
      dns_servers: `127.0.0.1:${it.dns.port}`,
      smtp_dns_support_level: "dnssec",
      smtp_tls_security_level: "dane",
      smtp_tcp_port: port,
    });
    expect((await again.send("e.org")).attempts).toMatchObject([OTHER_KEY]);
  });

  test("a relay host named by the administrator has records too", async () => {
    await using it = await world({ records: [tlsa(3, 1, 1, mx)] });
    expect((await it.smtp.send("[mx.e.org]")).attempts).toMatchObject([VERIFIED]);
  });
});

describe("without records that count, TLS is as good as it may be", () => {
  const MAY = { outcome: "sent", tlsPolicy: "may", tlsPeer: "Untrusted" };
  const good = [tlsa(3, 1, 1, other)];
  test.each([
    ["there are none", {}, MAY, "no TLSA records found"],
    ["nobody validated them", { records: { tlsa: good } }, MAY, "no TLSA records found"],
    [
      "nobody validated the MX",
      { records: good, zones: { "e.org": { mx: [[10, "mx.e.org"]] } } },
      MAY,
      "non DNSSEC destination",
    ],
    [
      "nobody validated the address",
      { records: good, zones: { "mx.e.org": { a: ["127.0.0.1"] } } },
      MAY,
      "non DNSSEC destination",
    ],
    [
      "they are of kinds that mean nothing here",
      { records: [tlsa(1, 1, 1, mx), tlsa(3, 2, 1, mx), [3, 1, 1, Buffer.from("short")], tlsa(3, 1, 9, mx)] },
      { ...MAY, tlsPolicy: "encrypt" },
      "TLSA records unusable",
    ],
  ] as [string, World, object, string][])("when %s", async (_, what, expected, why) => {
    await using it = await world(what);
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([expected]);
    await using only = await world({ ...what, settings: { smtp_tls_security_level: "dane-only" } });
    expect((await only.smtp.send("e.org")).attempts).toMatchObject([
      { type: "tls", outcome: "deferred", dsn: "4.7.5", text: why },
    ]);
    expect(only.sink.connections).toBe(0);
  });

  test("in the clear too, unless there are some", async () => {
    await using it = await world({ server: { tls: false } });
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([{ outcome: "sent" }]);
    await using unusable = await world({ records: [tlsa(1, 1, 1, mx)], server: { tls: false } });
    expect((await unusable.smtp.send("e.org")).attempts).toMatchObject([{ outcome: "deferred", dsn: "4.7.4" }]);
  });
});

test.each(["servfail", "timeout"] as const)(
  "a host whose records cannot be found out (%s) is passed over",
  async (records) => {
    await using it = await world({ records, settings: { smtp_dns_timeout: "900ms" } });
    const text = `TLSA lookup error for mx.e.org:${it.sink.port}`;
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([
      { type: "tls", outcome: "deferred", dsn: "4.7.5", text },
    ]);
    expect(it.sink.connections).toBe(0);
    await using next = await destination({ host: "127.0.0.2", port: it.sink.port });
    const zones: Zones = {
      "f.org": {
        mx: [
          [10, "mx.e.org"],
          [20, "mx.f.org"],
        ],
        secure: true,
      },
      "mx.e.org": { a: ["127.0.0.1"], secure: true },
      "mx.f.org": { a: ["127.0.0.2"], secure: true },
      [`_${it.sink.port}._tcp.mx.e.org`]: records,
    };
    it.dns.set(zones);
    expect((await it.smtp.send("f.org")).attempts).toMatchObject([{ outcome: "sent", host: "mx.f.org" }]);
    expect(next.messages).toHaveLength(1);
  },
);

test("a domain may have a level of its own", async () => {
  const settings = { smtp_tls_security_level: "may", smtp_tls_policy_maps: "inline:{e.org=dane-only}" };
  await using it = await world({ records: [tlsa(3, 1, 1, mx)], settings });
  expect((await it.smtp.send("e.org")).attempts).toMatchObject([VERIFIED]);
});
