import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { memoryLog } from "../../src/base/log.ts";
import { testConfig } from "../../src/config/load.ts";
import { Dns } from "../../src/dns/dns.ts";
import type { PolicyTally } from "../../src/mail/tls-report.ts";
import { Reporter } from "../../src/process/tlsrpt/reporter.ts";
import { readQueueFile } from "../../src/spool/file.ts";
import { Intake } from "../../src/spool/intake.ts";
import { daysToReport, readTallies, writeTallies } from "../../src/spool/tls-tallies.ts";
import { authority } from "../harness/certificate.ts";
import { destination } from "../harness/destination.ts";
import { nameServer, type Zones } from "../harness/dns.ts";
import { instance } from "../harness/instance.ts";
import { names } from "../harness/picking.ts";
import { policyServer } from "../harness/policy-server.ts";
import { plainMessage, sendMail } from "../harness/smtp-client.ts";
import { useSpool } from "../harness/spool.ts";

const ca = authority();
afterAll(() => ca[Symbol.dispose]());

const DAY = "2026-11-20";
const LATER = Date.parse("2026-11-21T12:00:00Z");
const tally = (domain: string): PolicyTally => ({
  policy: { domain, type: "no-policy-found", strings: [], mxHosts: [] },
  successes: 3,
  failed: 1,
  failures: [{ type: "starttls-not-supported", mxHost: `mx.${domain}`, count: 1 }],
});

describe("the reporter", () => {
  useSpool();

  async function world(zones: Zones, settings: Readonly<Record<string, string>> = {}) {
    const server = await nameServer(zones);
    const dns = new Dns({
      servers: [`127.0.0.1:${server.port}`],
      hostLookup: ["dns"],
      protocols: "ipv4",
      timeoutMs: 5000,
      dnssec: false,
    });
    const config = testConfig({ myhostname: "sces.test", postmaster_recipient: "postmaster@sces.test", ...settings });
    const log = memoryLog();
    const state = { now: LATER, isFull: false };
    const reporter = new Reporter({
      log,
      intake: new Intake(),
      dns,
      now: () => state.now,
      config: () => config,
      accepted() {},
      isFull: () => state.isFull,
    });
    return { server, reporter, log, state, [Symbol.asyncDispose]: () => server.close() };
  }
  const wants = (...uris: string[]) => ({ txt: [`v=TLSRPTv1; rua=${uris.join(",")}`], ttl: 0 });

  test("mails to each domain that wants it what is about that domain", async () => {
    writeTallies(DAY, [tally("e.org"), tally("quiet.org")]);
    await using it = await world({ "_smtp._tls.e.org": wants("mailto:tls%2Breports@e.org?subject=x") });
    await it.reporter.run();
    const [id = "", ...more] = names("incoming");
    expect(more).toEqual([]);
    const { envelope } = readQueueFile(`incoming/${id}`);
    const content = readFileSync(`incoming/${id}`);
    expect(envelope).toMatchObject({
      sender: "postmaster@sces.test",
      recipients: [{ address: "tls+reports@e.org", notify: ["NEVER"] }],
      origin: "tlsrpt",
      tlsOptional: true,
    });
    const subject = /^Subject: (.*(?:\r\n .*)*)/m.exec(content.toString())?.[1]?.replaceAll("\r\n", "");
    expect(subject).toBe(`Report Domain: e.org Submitter: sces.test Report-ID: <${DAY}.e.org@sces.test>`);
    expect(reportIn(content)).toMatchObject({
      "organization-name": "sces.test",
      "contact-info": "postmaster@sces.test",
      policies: [{ policy: { "policy-domain": "e.org" }, summary: { "total-successful-session-count": 3 } }],
    });
    expect(readdirSync("state/tlsrpt")).toEqual([]);
  });

  test("hands over by https", async () => {
    writeTallies(DAY, [tally("e.org")]);
    await using https = await policyServer(ca.issue(["r.e.org"]), { status: 201 });
    await using it = await world(
      { "_smtp._tls.e.org": wants(`https://r.e.org:${https.port}/in`), "r.e.org": { a: ["127.0.0.1"] } },
      { smtp_mta_sts_CAfile: ca.file },
    );
    await it.reporter.run();
    expect(https.requests).toMatchObject([{ line: "POST r.e.org/in", type: "application/tlsrpt+gzip" }]);
    expect(JSON.parse(gunzipSync(https.requests[0]?.body ?? "").toString())).toHaveProperty("policies");
    expect(names("incoming")).toEqual([]);
    expect(readdirSync("state/tlsrpt")).toEqual([]);
  });

  test("tries again whom it could not reach, and nobody else, for two days", async () => {
    writeTallies(DAY, [tally("e.org"), tally("f.org"), tally("quiet.org")]);
    const zones: Zones = { "_smtp._tls.e.org": wants("mailto:r@e.org"), "_smtp._tls.f.org": "servfail" };
    await using it = await world(zones);
    await it.reporter.run();
    await it.reporter.run();
    expect(names("incoming")).toHaveLength(1);
    expect(it.server.queries.filter((query) => query.includes("quiet"))).toHaveLength(1);
    it.server.set({ ...zones, "_smtp._tls.f.org": wants("mailto:r@f.org") });
    await it.reporter.run();
    expect(names("incoming")).toHaveLength(2);
    expect(existsSync(`state/tlsrpt/${DAY}.sent`)).toBe(false);

    writeTallies(DAY, [tally("f.org")]);
    it.server.set(zones);
    it.state.now = Date.parse("2026-11-23T00:00:01Z");
    await it.reporter.run();
    expect(readdirSync("state/tlsrpt")).toEqual([]);
  });

  test("waits while the mail system takes nothing, and says what it cannot send", async () => {
    writeTallies(DAY, [tally("e.org")]);
    await using it = await world({ "_smtp._tls.e.org": wants("mailto:nobody") });
    it.state.isFull = true;
    await it.reporter.run();
    expect(readTallies(DAY)).toHaveLength(1);
    it.state.isFull = false;
    await it.reporter.run();
    expect(it.log.lines).toEqual([`warning: TLS report on e.org for ${DAY}: no address in mailto:nobody`]);
    expect(readdirSync("state/tlsrpt")).toEqual([]);
  });

  test("is due in the first hours of the next day, and passes over what is no count", () => {
    writeTallies(DAY, [tally("e.org")]);
    writeFileSync(`state/tlsrpt/${DAY}.1.1`, "[{");
    writeFileSync("state/tlsrpt/other", "");
    expect(daysToReport(Date.parse("2026-11-20T23:59:59Z"), "sces.test")).toEqual([]);
    expect(daysToReport(Date.parse("2026-11-21T00:09:00Z"), "sces.test")).toEqual([]);
    expect(daysToReport(Date.parse("2026-11-21T04:10:00Z"), "sces.test")).toEqual([DAY]);
    expect(readTallies(DAY)).toEqual([tally("e.org")]);
  });
});

test("the system counts, and reports a day that is over by mail of its own", async (t) => {
  await using sink = await destination({ tls: true });
  await using dns = await nameServer({
    "e.org": { mx: [[10, "mx.e.org"]] },
    "mx.e.org": { a: ["127.0.0.1"] },
    "_smtp._tls.e.org": { txt: ["v=TLSRPTv1; rua=mailto:reports@e.org"] },
  });
  await using sces = await instance(
    {
      dns_servers: `127.0.0.1:${dns.port}`,
      smtp_tcp_port: sink.port,
      inet_protocols: "ipv4",
      smtp_tlsrpt_enable: "yes",
    },
    { test: t, start: false },
  );
  const counts = join(sces.spool, "state", "tlsrpt");
  mkdirSync(counts, { recursive: true, mode: 0o700 });
  writeFileSync(join(counts, `${DAY}.1.1`), JSON.stringify([tally("e.org")]));
  await sces.start();
  const [message] = await sink.waitFor(1);
  expect(message?.recipients).toEqual(["reports@e.org"]);
  expect(reportIn(message?.data ?? Buffer.alloc(0))).toMatchObject({
    policies: [{ "failure-details": [{ "result-type": "starttls-not-supported" }] }],
  });
  await sces.waitForLog(/sces\/tlsrpt\[\d+\]: [0-9A-Za-z]+: TLS report on e\.org for 2026-11-20/);
  await sendMail(sces.smtpPort, { from: "a@sces.test", to: ["b@e.org"], content: plainMessage("counted") });
  await sink.waitFor(2);
  await sces.stop();
  // The message was counted; the report, which goes its own way, was not.
  const [file = "", ...more] = readdirSync(counts);
  expect(more).toEqual([]);
  expect(JSON.parse(readFileSync(join(counts, file), "utf8"))).toMatchObject([
    { policy: { domain: "e.org" }, successes: 1, failed: 0 },
  ]);
});

/** The JSON of a report mail. */
function reportIn(content: Buffer): unknown {
  const base64 = /tlsrpt\+gzip\r\n[\s\S]*?\r\n\r\n([A-Za-z0-9+/=\r\n]+)\r\n--/.exec(content.toString("latin1"))?.[1];
  return JSON.parse(gunzipSync(Buffer.from(base64 ?? "", "base64")).toString()) as unknown;
}
