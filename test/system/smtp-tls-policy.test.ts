import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { authority } from "../harness/certificate.ts";
import { agent } from "../harness/delivering.ts";
import { destination, type DestinationOptions } from "../harness/destination.ts";
import { nameServer } from "../harness/dns.ts";

const ca = authority();
const directory = mkdtempSync(join(tmpdir(), "sces-tls-"));
afterAll(() => {
  ca[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

/** mx.e.org, where mail for e.org and sub.e.org goes, with a certificate for these names; our authority is trusted. */
async function world(options: DestinationOptions, settings: Readonly<Record<string, string>>) {
  const stack = new AsyncDisposableStack();
  const sink = stack.use(await destination({ tls: true, ...options }));
  const mx = { mx: [[10, "mx.e.org"]] } as const;
  const dns = stack.use(await nameServer({ "e.org": mx, "sub.e.org": mx, "mx.e.org": { a: ["127.0.0.1"] } }));
  const smtp = stack.use(
    agent({
      dns_servers: `127.0.0.1:${dns.port}`,
      smtp_tcp_port: String(sink.port),
      smtp_tls_CAfile: ca.file,
      smtp_tls_loglevel: "1",
      ...settings,
    }),
  );
  return { sink, smtp, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

const named = (...names: string[]): DestinationOptions => ({ tlsOptions: ca.issue(names) });
const level = (smtp_tls_security_level: string, more = {}) => ({ smtp_tls_security_level, ...more });

describe("who answered is", () => {
  test.each([
    ["Verified", "one of the names that were asked for", named("mx.e.org"), level("verify")],
    ["Trusted", "vouched for", named("other.test"), level("encrypt")],
    ["Untrusted", "vouched for by nobody", {}, level("may")],
  ])("%s: %s", async (peer, _, options, settings) => {
    await using it = await world(options, settings);
    const { attempts } = await it.smtp.send("e.org");
    expect(attempts).toMatchObject([
      { outcome: "sent", tlsPeer: peer, tlsPolicy: settings.smtp_tls_security_level, tls: expect.any(String) },
    ]);
    const line = `${peer} TLS connection established to mx.e.org[127.0.0.1]:${it.sink.port}: TLSv1.3 with cipher `;
    expect(it.smtp.log.lines).toEqual([`${line}TLS_AES_256_GCM_SHA384 (256/256 bits)`]);
  });

  test("nobody's business in the clear, where a record has the policy alone", async () => {
    await using it = await world({ tls: false }, level("may"));
    const { attempts } = await it.smtp.send("e.org");
    expect(attempts).toMatchObject([{ outcome: "sent", tlsPolicy: "may" }]);
    expect(attempts[0]).not.toHaveProperty("tlsPeer");
    expect(it.smtp.log.lines).toEqual([]);
  });
});

const VERIFIED = { outcome: "sent", tlsPeer: "Verified" };
const NOT_TRUSTED = { type: "tls", outcome: "deferred", dsn: "4.7.5", text: "Server certificate not trusted" };
const NOT_VERIFIED = { ...NOT_TRUSTED, text: "Server certificate not verified" };

describe("a certificate", () => {
  const secure = (match: string) => level("secure", { smtp_tls_secure_cert_match: match });
  test.each([
    ["verify", "of the host's name", named("mx.e.org"), level("verify"), VERIFIED],
    ["verify", "of another name", named("e.org"), level("verify"), NOT_VERIFIED],
    ["verify", "with a wildcard", named("*.e.org"), level("verify"), VERIFIED],
    ["verify", "with a wildcard for one level more", named("*.org"), level("verify"), NOT_VERIFIED],
    [
      "verify",
      "with the common name alone",
      { tlsOptions: ca.issue(["mx.e.org"], { onlyCommonName: true }) },
      level("verify"),
      VERIFIED,
    ],
    [
      "verify",
      "that is over",
      { tlsOptions: ca.issue(["mx.e.org"], { isExpired: true }) },
      level("verify"),
      NOT_TRUSTED,
    ],
    ["verify", "that nobody vouches for", {}, level("verify"), NOT_TRUSTED],
    ["secure", "of the domain", named("e.org"), level("secure"), VERIFIED],
    ["secure", "of a name below the domain", named("mx.e.org"), level("secure"), VERIFIED],
    ["secure", "of a name that only the DNS gave", named("mx.other.test"), level("secure"), NOT_VERIFIED],
    ["secure", "of a name that was asked for", named("mx.other.test"), secure("mail.test:.other.test"), VERIFIED],
    ["secure", "of the host, if that is enough", named("mx.e.org"), secure("hostname"), VERIFIED],
  ] as [string, string, DestinationOptions, Record<string, string>, object][])(
    "at level %s, %s",
    async (_, __, options, settings, expected) => {
      await using it = await world(options, settings);
      const { attempts, fault } = await it.smtp.send("e.org");
      expect(attempts).toMatchObject([expected]);
      expect(attempts[0]?.tlsPolicy).toBe(settings["smtp_tls_security_level"]);
      if (expected === VERIFIED) return;
      expect(fault).toBe(attempts[0]?.text);
      expect(it.sink.commands).toEqual(["EHLO sces.test", "STARTTLS"]);
      expect(it.sink.connections).toBe(1);
    },
  );

  test.each([
    ["that is another's", named("a.test", "b.test"), "it is for DNS:a.test, DNS:b.test, not for mx.e.org"],
    ["that is over", { tlsOptions: ca.issue(["mx.e.org"], { isExpired: true }) }, "CERT_HAS_EXPIRED"],
  ])("%s: the log and the transcript say why", async (_, options, why) => {
    await using it = await world(options, level("verify"));
    const { attempts, transcript } = await it.smtp.send("e.org");
    const line = `certificate verification failed for mx.e.org[127.0.0.1]:${it.sink.port}: ${why}`;
    expect(it.smtp.log.lines).toEqual([line]);
    expect(attempts).toMatchObject([{ outcome: "deferred", tls: expect.any(String), tlsPeer: expect.any(String) }]);
    expect(JSON.stringify(transcript)).toContain(`certificate: ${why}`);
  });

  test("of ours is shown to a server that asks for one", async () => {
    const own = ca.issue(["sces.test"]);
    writeFileSync(join(directory, "own.pem"), own.key + own.cert, { mode: 0o600 });
    const tlsOptions = { ...ca.issue(["mx.e.org"]), requestCert: true, rejectUnauthorized: true, ca: ca.cert };
    await using it = await world({ tlsOptions }, level("encrypt", { smtp_tls_cert_file: join(directory, "own.pem") }));
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([{ outcome: "sent" }]);
    await using without = await world({ tlsOptions }, level("encrypt"));
    expect((await without.smtp.send("e.org")).attempts).toMatchObject([{ outcome: "deferred" }]);
  });

  test("of ours that cannot be read stops mail that must be encrypted, and no other", async () => {
    const files = { smtp_tls_cert_file: join(directory, "gone.pem") };
    await using strict = await world({}, level("encrypt", files));
    expect((await strict.smtp.send("e.org")).attempts).toMatchObject([
      { type: "tls", outcome: "deferred", dsn: "4.7.5", text: "TLS is required, but our TLS engine is unavailable" },
    ]);
    expect(strict.sink.connections).toBe(0);
    await using lax = await world({}, level("may", files));
    expect((await lax.smtp.send("e.org")).attempts).toMatchObject([{ outcome: "sent" }]);
    expect(lax.smtp.log.lines).toEqual([expect.stringContaining("cannot use the files of smtp_tls_CAfile")]);
  });
});

describe("smtp_tls_policy_maps", () => {
  const table = (lines: string) => {
    const path = join(directory, `policy-${lines.length}`);
    writeFileSync(path, lines);
    return { smtp_tls_policy_maps: `texthash:${path}` };
  };

  test("the domain has a policy of its own, or that of a parent with a dot", async () => {
    await using it = await world(named("mx.e.org"), table("e.org verify\n.e.org encrypt\n"));
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([{ tlsPolicy: "verify", tlsPeer: "Verified" }]);
    expect((await it.smtp.send("sub.e.org")).attempts).toMatchObject([{ tlsPolicy: "encrypt", tlsPeer: "Trusted" }]);
  });

  test("a next hop with a port or in brackets is looked for as it is written", async () => {
    await using it = await world(named("mx.e.org"), table(`[mx.e.org] verify\n.e.org none\n`));
    expect((await it.smtp.send("[mx.e.org]")).attempts).toMatchObject([{ tlsPolicy: "verify" }]);
    expect((await it.smtp.send(`[mx.e.org]:${it.sink.port}`)).attempts).toMatchObject([{ tlsPolicy: "may" }]);
  });

  test("a line names the certificate and the protocols", async () => {
    const options = { tlsOptions: { ...ca.issue(["mx.other.test"]), maxVersion: "TLSv1.2" as const } };
    await using it = await world(options, table("e.org secure match=nexthop:.other.test protocols=TLSv1.2\n"));
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([
      { tlsPeer: "Verified", tls: expect.stringMatching(/^TLSv1\.2 /) },
    ]);
    await using strict = await world(options, table("e.org encrypt protocols=>=TLSv1.3\n"));
    expect((await strict.smtp.send("e.org")).attempts).toMatchObject([
      { outcome: "deferred", dsn: "4.7.5", text: expect.stringMatching(/^Cannot start TLS: handshake failure/) },
    ]);
  });

  test.each([
    ["e.org strict\n", "unknown TLS level: strict (one of: none, may, encrypt, dane, dane-only, verify, secure)"],
    ["e.org dane\n", "level dane needs validated answers: smtp_dns_support_level = dnssec and smtp_host_lookup = dns"],
    ["e.org may match=e.org\n", "match has no meaning at level may (verify and secure look at names)"],
    ["e.org verify tafile=/x\n", "unknown attribute: tafile=/x (match=name:name, protocols=version:version)"],
    [
      "e.org encrypt protocols=TLSv9\n",
      "unknown protocol: TLSv9 (TLSv1, TLSv1.1, TLSv1.2, TLSv1.3; with >=, <= or ! before it)",
    ],
  ])("a line that makes no sense lets nothing out: %s", async (lines, why) => {
    await using it = await world({}, table(lines));
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([
      { type: "tls", outcome: "deferred", dsn: "4.7.5", text: "client TLS configuration problem" },
    ]);
    expect(it.smtp.log.lines).toEqual([expect.stringContaining(`smtp_tls_policy_maps: e.org: ${why}`)]);
    expect(it.sink.connections).toBe(0);
  });
});

describe("the handshake", () => {
  test.each(["hang", "close"] as const)(
    "of a server that begins and then does not go on (%s) ends in time, and the next is in the clear",
    async (tls) => {
      await using it = await world({ tls }, level("may", { smtp_starttls_timeout: "80ms" }));
      expect((await it.smtp.send("e.org")).attempts).toMatchObject([{ outcome: "sent" }]);
      expect(it.sink.messages).toMatchObject([{ secure: false, connection: 2 }]);
    },
  );

  test("comes first with smtp_tls_wrappermode, and STARTTLS is not asked for", async () => {
    const settings = level("verify", { smtp_tls_wrappermode: "yes" });
    await using it = await world({ ...named("mx.e.org"), tlsFromStart: true }, settings);
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([VERIFIED]);
    expect(it.sink.commands.slice(0, 2)).toEqual(["EHLO sces.test", "MAIL FROM:<alice@example.com> SIZE=25"]);
    await using other = await world({ ...named("other.test"), tlsFromStart: true }, settings);
    expect((await other.smtp.send("e.org")).attempts).toMatchObject([NOT_VERIFIED]);
    await using plain = await world({}, settings);
    expect((await plain.smtp.send("e.org")).attempts).toMatchObject([{ type: "tls", outcome: "deferred" }]);
    expect(plain.sink.commands).toEqual([]);
  });

  test("works with old servers at level may, where they are better than nothing", async () => {
    const tlsOptions = { ...ca.issue(["mx.e.org"]), minVersion: "TLSv1" as const, maxVersion: "TLSv1" as const };
    const options = { tlsOptions: { ...tlsOptions, ciphers: "DEFAULT:@SECLEVEL=0" } };
    await using it = await world(options, level("may"));
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([
      { outcome: "sent", tls: expect.stringMatching(/^TLSv1 /) },
    ]);
    await using strict = await world(options, level("encrypt"));
    expect((await strict.smtp.send("e.org")).attempts).toMatchObject([{ outcome: "deferred", dsn: "4.7.5" }]);
  });
});

test("an offer of TLS that is not used is noted if that is wanted", async () => {
  await using it = await world({}, level("none", { smtp_tls_note_starttls_offer: "yes" }));
  await it.smtp.send("e.org");
  expect(it.smtp.log.lines).toEqual(["Host offered STARTTLS: [mx.e.org]"]);
});

test.each(["[mx.e.org]", "mx.e.org"])(
  "secure: the name of the next hop %s, without a port, is the host's",
  async (nexthop) => {
    await using it = await world(named("mx.e.org"), level("secure"));
    expect((await it.smtp.send(nexthop)).attempts).toMatchObject([{ outcome: "sent", tlsPeer: "Verified" }]);
  },
);
