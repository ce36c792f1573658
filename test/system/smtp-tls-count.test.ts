import { afterAll, expect, test } from "vitest";
import type { TlsOutcome } from "../../src/mail/tls-report.ts";
import { authority, type Certificate } from "../harness/certificate.ts";
import { agent } from "../harness/delivering.ts";
import { destination, type DestinationOptions } from "../harness/destination.ts";
import { nameServer, type Zones } from "../harness/dns.ts";
import { policyServer } from "../harness/policy-server.ts";

const ca = authority();
const web = ca.issue(["mta-sts.e.org"]);
afterAll(() => ca[Symbol.dispose]());

interface World {
  readonly server?: DestinationOptions;
  readonly zones?: Zones;
  readonly tlsa?: Zones[string]; // at mx.e.org
  readonly sts?: string; // mode
  readonly status?: number; // of the policy server
  readonly web?: Certificate; // of the policy server
  readonly settings?: Readonly<Record<string, string>>;
}

/** What is counted when one message goes to e.org, by MX to mx.e.org; all that the DNS says of it is validated. */
async function counted(what: World): Promise<TlsOutcome[]> {
  await using stack = new AsyncDisposableStack();
  const body = `version: STSv1\nmode: ${what.sts}\nmx: mx.e.org\nmax_age: 100\n`;
  const https = stack.use(await policyServer(what.web ?? web, { body, status: what.status ?? 200 }));
  const sink = stack.use(await destination({ tls: true, tlsOptions: ca.issue(["mx.e.org"]), ...what.server }));
  const zones: Zones = {
    "e.org": { mx: [[10, "mx.e.org"]], secure: true },
    "mx.e.org": { a: ["127.0.0.1"], secure: true },
    "mta-sts.e.org": { a: ["127.0.0.1"] },
    ...(what.sts === undefined ? {} : { "_mta-sts.e.org": { txt: ["v=STSv1; id=1"] } }),
    ...(what.tlsa === undefined ? {} : { [`_${sink.port}._tcp.mx.e.org`]: what.tlsa }),
    ...what.zones,
  };
  const dns = stack.use(await nameServer(zones));
  const outcomes: TlsOutcome[] = [];
  const settings = {
    dns_servers: `127.0.0.1:${dns.port}`,
    smtp_dns_support_level: "dnssec",
    smtp_dns_timeout: "5s",
    smtp_tcp_port: String(sink.port),
    smtp_tls_CAfile: ca.file,
    smtp_mta_sts: "yes",
    smtp_mta_sts_port: String(https.port),
    smtp_mta_sts_CAfile: ca.file,
    smtp_tlsrpt_enable: "yes",
    ...what.settings,
  };
  const smtp = stack.use(agent(settings, { countTls: (outcome) => outcomes.push(outcome) }));
  await smtp.send("e.org");
  return outcomes;
}

const dane = { smtp_tls_security_level: "dane" };
const daneOnly = { smtp_tls_security_level: "dane-only" };
const wrongKey = { tlsa: [[3, 1, 1, Buffer.alloc(32)] as const], secure: true };
const wrongName = { tlsOptions: ca.issue(["mx.f.org"]) };
const expired = { tlsOptions: ca.issue(["mx.e.org"], { isExpired: true }) };

test.each([
  ["TLS", {}, "no-policy-found", undefined],
  ["no TLS", { server: { tls: false } }, "no-policy-found", "starttls-not-supported"],
  ["TLS that does not work", { server: { tls: "garbage" } }, "no-policy-found", "validation-failure"],
  ["TLS as MTA-STS wants it", { sts: "enforce" }, "sts", undefined],
  ["MTA-STS, and no TLS", { sts: "enforce", server: { tls: false } }, "sts", "starttls-not-supported"],
  ["MTA-STS, and another name", { sts: "enforce", server: wrongName }, "sts", "certificate-host-mismatch"],
  [
    "MTA-STS that is tested, and another name",
    { sts: "testing", server: wrongName },
    "sts",
    "certificate-host-mismatch",
  ],
  [
    "MTA-STS that is tested, and a certificate that is over",
    { sts: "testing", server: expired },
    "sts",
    "certificate-expired",
  ],
  ["MTA-STS, and nobody vouches", { sts: "enforce", server: { tlsOptions: {} } }, "sts", "certificate-not-trusted"],
  [
    "MTA-STS, and another host",
    { sts: "enforce", zones: { "e.org": { mx: [[10, "mx2.e.org"]] }, "mx2.e.org": { a: ["127.0.0.1"] } } },
    "sts",
    "validation-failure",
  ],
  ["MTA-STS of mode none", { sts: "none" }, "no-policy-found", undefined],
  ["another key than DANE wants", { settings: dane, tlsa: wrongKey }, "tlsa", "certificate-not-trusted"],
  ["records that cannot be looked up", { settings: dane, tlsa: "servfail" }, "tlsa", "dnssec-invalid"],
  ["no records where they must be", { settings: daneOnly }, "tlsa", "dane-required"],
] as [string, World, string, string | undefined][])("counted is %s", async (_, what, type, failure) => {
  const outcomes = await counted(what);
  expect(outcomes).toHaveLength(1);
  expect(outcomes[0]?.policy).toMatchObject({ domain: "e.org", type });
  expect(outcomes[0]?.failure?.type).toBe(failure);
});

test("counted is a policy that cannot be had, besides how it went without", async () => {
  expect(await counted({ sts: "enforce", status: 404 })).toMatchObject([
    { policy: { type: "sts" }, failure: { type: "sts-policy-fetch-error" } },
    { policy: { type: "no-policy-found" } },
  ]);
  const certificate = ca.issue(["mta-sts.f.org"]);
  expect(await counted({ sts: "enforce", web: certificate })).toMatchObject([
    { failure: { type: "sts-webpki-invalid" } },
    {},
  ]);
  expect(await counted({ sts: "strict" })).toMatchObject([{ failure: { type: "sts-policy-invalid" } }, {}]);
});

test("counted are records that cannot be used, besides how it went without", async () => {
  const tlsa = { tlsa: [[0, 0, 1, Buffer.alloc(32)] as const], secure: true };
  expect(await counted({ settings: dane, tlsa })).toMatchObject([
    { policy: { type: "tlsa" }, failure: { type: "tlsa-invalid" } },
    { policy: { type: "no-policy-found" } },
  ]);
});

test.each([
  ["what an administrator's line decides", { smtp_tls_policy_maps: "inline:{e.org=encrypt}" }],
  ["what goes in the clear by our own level", { smtp_tls_security_level: "none" }],
  ["anything when no reports are wanted", { smtp_tlsrpt_enable: "no" }],
])("not counted is %s", async (_, settings) => {
  expect(await counted({ settings })).toEqual([]);
});

test("a report goes out though the domain's own policies are not kept to", async () => {
  await using sink = await destination({ tls: true, ...wrongName });
  const zones: Zones = {
    "e.org": { mx: [[10, "mx.e.org"]], secure: true },
    "mx.e.org": { a: ["127.0.0.1"], secure: true },
    [`_${sink.port}._tcp.mx.e.org`]: wrongKey,
  };
  await using dns = await nameServer(zones);
  await using smtp = agent({
    dns_servers: `127.0.0.1:${dns.port}`,
    smtp_dns_support_level: "dnssec",
    smtp_tcp_port: String(sink.port),
    ...dane,
  });
  expect((await smtp.send("e.org")).attempts).toMatchObject([{ outcome: "deferred" }]);
  expect((await smtp.send("e.org", { envelope: { tlsOptional: true } })).attempts).toMatchObject([{ outcome: "sent" }]);
});
