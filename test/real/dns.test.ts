/** A real resolver that validates, with zones of our own, and a real server behind them. */
import { createHash, X509Certificate } from "node:crypto";
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from "vitest";
import { type Authority, authority } from "../harness/certificate.ts";
import { type Agent, agent } from "../harness/delivering.ts";
import { type Destination, destination } from "../harness/destination.ts";
import { whyNoServers } from "./debian.ts";
import { startPostfix } from "./postfix.ts";
import type { RealServer } from "./server.ts";
import { startUnbound, type Unbound } from "./unbound.ts";

const DOMAIN = "dns.test"; // Postfix takes mail for all below
const [PLAIN, SIGNED, FORGED] = [`plain.${DOMAIN}`, `signed.${DOMAIN}`, `forged.${DOMAIN}`];

describe.skipIf(whyNoServers() !== undefined)("unbound", () => {
  let ca: Authority;
  let sink: Destination;
  let server: RealServer;
  let dns: Unbound;
  const agents = new Map<string, Agent>();

  beforeAll(async () => {
    ca = authority();
    const certificate = ca.issue([`mx.${DOMAIN}`]);
    const key = new X509Certificate(certificate.cert).publicKey.export({ type: "spki", format: "der" });
    const hash = createHash("sha256").update(key).digest("hex");
    sink = await destination();
    server = await startPostfix({ domain: DOMAIN, certificate, sinkPort: sink.port });
    dns = await startUnbound([
      {
        name: PLAIN,
        records: [
          "@ MX 10 mx",
          "mx A 127.0.0.1",
          "null MX 0 .",
          "dangling MX 10 nothing",
          "empty TXT nothing",
          "address A 127.0.0.1",
          "alias CNAME @",
          "round CNAME about",
          "about CNAME round",
          `_${server.port}._tcp.mx TLSA 3 1 1 ${hash.replaceAll(/./g, "0")}`, // nobody vouches for it
        ].join("\n"),
      },
      {
        name: SIGNED,
        isSigned: true,
        records: [
          "@ MX 10 mx",
          "mx A 127.0.0.1",
          `_${server.port}._tcp.mx TLSA 3 1 1 ${hash}`,
          "other MX 10 othermx",
          "othermx A 127.0.0.1",
          `_${server.port}._tcp.othermx TLSA 3 1 1 ${hash.replaceAll(/./g, "0")}`,
          "none MX 10 nonemx",
          "nonemx A 127.0.0.1",
          "alias CNAME @",
        ].join("\n"),
      },
      {
        name: FORGED,
        isSigned: true,
        records: "@ MX 10 mx\nmx A 127.0.0.2\n",
        forge: (text) => text.replaceAll("127.0.0.2", "127.0.0.1"),
      },
    ]);
  });

  afterAll(async () => {
    for (const one of agents.values()) await one[Symbol.asyncDispose]();
    await dns?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    await sink?.close();
    ca?.[Symbol.dispose]();
  });

  /** What becomes of mail for the domain. */
  async function sendTo(domain: string, level = "may") {
    onTestFailed(() => console.error(`${dns.report()}\n--- the server\n${server.report()}`));
    const smtp =
      agents.get(level) ??
      agent({
        dns_servers: `127.0.0.1:${dns.port}`,
        smtp_tcp_port: String(server.port),
        smtp_dns_support_level: "dnssec",
        smtp_tls_security_level: level,
      });
    agents.set(level, smtp);
    return (await smtp.send(domain, { to: [`x@${domain}`] })).attempts;
  }

  test.each([
    [PLAIN, `mx.${PLAIN}`],
    [`address.${PLAIN}`, `address.${PLAIN}`],
    [`alias.${PLAIN}`, `mx.${PLAIN}`],
    [`alias.${SIGNED}`, `mx.${SIGNED}`],
  ])("mail for %s goes to %s", async (domain, host) => {
    expect(await sendTo(domain)).toMatchObject([{ outcome: "sent", host, tls: expect.stringContaining("TLSv1.3") }]);
  });

  test.each([
    ["does not exist", `nothing.${PLAIN}`, "5.1.2", /type=A: Host not found$/],
    ["has neither MX nor address", `empty.${PLAIN}`, "5.4.4", /no data record of requested type$/],
    ["has an MX that does not exist", `dangling.${PLAIN}`, "5.4.4", /name=nothing\.plain/],
    ["wants no mail", `null.${PLAIN}`, "5.1.10", /does not accept mail \(nullMX\)$/],
  ])("mail for a domain that %s is returned", async (_, domain, dsn, text) => {
    expect(await sendTo(domain)).toMatchObject([
      { type: "nohosts", outcome: "bounced", dsn, text: expect.stringMatching(text) },
    ]);
  });

  test.each([
    ["an alias of itself", `round.${PLAIN}`],
    ["a name whose signature is wrong", FORGED],
  ])("mail for %s waits", async (_, domain) => {
    expect(await sendTo(domain)).toMatchObject([{ type: "nohosts", outcome: "deferred", dsn: "4.4.3" }]);
  });

  test("DANE: a signed TLSA record vouches for the server's key", async () => {
    expect(await sendTo(SIGNED, "dane")).toMatchObject([{ outcome: "sent", tlsPolicy: "dane", tlsPeer: "Verified" }]);
    expect(await sendTo(SIGNED, "dane-only")).toMatchObject([{ outcome: "sent", tlsPeer: "Verified" }]);
  });

  test("DANE: mail waits where the record is of another key", async () => {
    expect(await sendTo(`other.${SIGNED}`, "dane")).toMatchObject([{ type: "tls", outcome: "deferred", dsn: "4.7.5" }]);
  });

  test("DANE: without a signed record TLS is as may be, or mail waits if nothing else will do", async () => {
    for (const domain of [PLAIN, `none.${SIGNED}`]) {
      const [attempt] = await sendTo(domain, "dane");
      expect(attempt).toMatchObject({ outcome: "sent", tls: expect.stringContaining("TLSv1.3") });
      expect(attempt?.tlsPeer).not.toBe("Verified");
      expect(await sendTo(domain, "dane-only")).toMatchObject([{ type: "tls", outcome: "deferred" }]);
    }
  });
});
