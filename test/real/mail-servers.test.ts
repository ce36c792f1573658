/** Mail through sces to Postfix, Exim and OpenSMTPD, which pass it on to a destination that keeps what it gets. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from "vitest";
import { type Authority, authority } from "../harness/certificate.ts";
import { type Destination, destination, type ReceivedMessage } from "../harness/destination.ts";
import { type Instance, instance } from "../harness/instance.ts";
import { plainMessage, type Mail, sendMail } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";
import { whyNoServers } from "./debian.ts";
import { startExim } from "./exim.ts";
import { startOpenSmtpd } from "./opensmtpd.ts";
import { startPostfix } from "./postfix.ts";
import { LATER, NOBODY, type RealServer, type RealServerOptions, RECIPIENT_LIMIT, SIZE_LIMIT } from "./server.ts";

interface Kind {
  readonly name: string;
  readonly domain: string;
  readonly start: (options: RealServerOptions) => Promise<RealServer>;
  readonly smtputf8: boolean;
}

const MANY = 100; // messages at once

const KINDS: readonly Kind[] = [
  { name: "Postfix", domain: "postfix.test", start: startPostfix, smtputf8: true },
  { name: "Exim", domain: "exim.test", start: startExim, smtputf8: true },
  { name: "OpenSMTPD", domain: "opensmtpd.test", start: startOpenSmtpd, smtputf8: false },
];

describe.skipIf(whyNoServers() !== undefined).each(KINDS)("$name", ({ domain, start, smtputf8 }) => {
  let ca: Authority;
  let directory: string;
  let sink: Destination;
  let server: RealServer;
  let sces: Instance;

  beforeAll(async () => {
    ca = authority();
    directory = mkdtempSync(join(tmpdir(), "sces-real-test-"));
    sink = await destination();
    server = await start({ domain, certificate: ca.issue([`mx.${domain}`]), sinkPort: sink.port });
    const [open, submission] = [`[127.0.0.1]:${server.port}`, `[127.0.0.1]:${server.submissionPort}`];
    const file = (name: string, text: string) => {
      writeFileSync(join(directory, name), text, { mode: 0o600 });
      return `texthash:${join(directory, name)}`;
    };
    sces = await instance({
      message_size_limit: "20m",
      transports: "secure:smtp, wrong:smtp",
      transport_maps: file(
        "transport",
        [
          `${domain} smtp:${open}`,
          `secure.${domain} secure:${open}`,
          `wrong.${domain} wrong:${open}`,
          `auth.${domain} smtp:${submission}`,
          "sender.test discard:",
        ].join("\n"),
      ),
      smtp_tls_CAfile: ca.file,
      secure_tls_security_level: "secure",
      secure_tls_secure_cert_match: `mx.${domain}`,
      wrong_tls_security_level: "secure",
      wrong_tls_secure_cert_match: `other.${domain}`,
      smtp_sasl_auth_enable: "yes",
      smtp_sasl_password_maps: file("passwords", `${submission} alice:secret\n`),
    });
  });

  afterAll(async () => {
    await sces?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    await sink?.close();
    ca?.[Symbol.dispose]();
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  });

  /** Hands in a message; gives its id and waits for what became of its only, or each, recipient. */
  async function send(mail: Partial<Mail> & Pick<Mail, "to">): Promise<string> {
    onTestFailed(() => console.error(`${sces.report()}\n--- the server\n${server.report()}`));
    const { id } = await sendMail(sces.smtpPort, { from: "me@sender.test", content: plainMessage("real"), ...mail });
    return id;
  }
  const outcome = (id: string, recipient: string): Promise<string> =>
    sces.waitForLog((line) => line.includes(`${id}: to=<${recipient}>`) && line.includes("status="));
  const arrived = (recipient: string): Promise<ReceivedMessage> =>
    until(`mail for ${recipient}`, () => sink.messages.find((message) => message.recipients.includes(recipient)));

  test("takes mail, over TLS if it can, eight bits, dots and all", async () => {
    const to = `bytes@${domain}`;
    const body = Buffer.from("gr\xfc\xdfe\r\n.\r\n..\r\n.x\r\nFrom here\r\n\xff\x80\r\n", "latin1");
    const content = Buffer.concat([Buffer.from(plainMessage("eight bits", "")), body]);
    const line = await outcome(await send({ to: [to], content, mailParameters: "BODY=8BITMIME" }), to);
    expect(line).toMatch(/, dsn=2\.\d\.\d, status=sent \(250[ -]/);
    if (server.tlsWorks) expect(line).toMatch(/, tls=TLSv1\.3\/TLS_\w+\/may\/trusted,/);
    else expect(sces.log().join("\n")).toMatch(/Cannot start TLS: handshake failure: .*; trying .* again without TLS/);
    const { data } = await arrived(to);
    expect(data.subarray(data.indexOf("\r\n\r\n") + 4).toString("latin1")).toBe(body.toString("latin1"));
  });

  test("takes those recipients that it wants, refuses one and puts one off", async () => {
    const [one, two] = [`one@${domain}`, `two@${domain}`];
    const [nobody, later] = [`${NOBODY}@${domain}`, `${LATER}@${domain}`];
    const id = await send({ to: [one, nobody, later, two] });
    expect(await outcome(id, one)).toContain("status=sent");
    expect(await outcome(id, two)).toContain("status=sent");
    expect(await outcome(id, nobody)).toMatch(/dsn=5\.1\.1, status=bounced \(host .* said: 550 5\.1\.1 /);
    expect(await outcome(id, later)).toMatch(/dsn=4\.2\.0, status=deferred \(host .* said: 450 4\.2\.0 /);
    expect((await arrived(one)).recipients).toEqual(expect.arrayContaining([one]));
    const shown = await sces.run("queue", "show", id);
    expect(shown.stdout).toMatch(/ {2}S: 450 4\.2\.0 .*Greylisted/);
    await sces.run("queue", "delete", id);
  });

  test("takes a large message whole", async () => {
    const to = `large@${domain}`;
    const line = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n";
    const body = line.repeat(Math.floor(5_000_000 / line.length));
    expect(await outcome(await send({ to: [to], content: plainMessage("large", body) }), to)).toContain("status=sent");
    const { data } = await arrived(to);
    expect(data.subarray(data.indexOf("\r\n\r\n") + 4).equals(Buffer.from(body))).toBe(true);
  });

  test("is not sent what it has said is too large for it", async () => {
    const to = `toolarge@${domain}`;
    const body = "0123456789abcdef\r\n".repeat(SIZE_LIMIT / 16);
    const line = await outcome(await send({ to: [to], content: plainMessage("too large", body) }), to);
    expect(line).toMatch(/dsn=5\.3\.4, status=bounced \(message size \d+ exceeds size limit \d+ of server /);
  });

  test(`${smtputf8 ? "takes" : "does not know"} SMTPUTF8`, async () => {
    const to = `grüße@${domain}`;
    const line = await outcome(await send({ to: [to], mailParameters: "SMTPUTF8" }), to);
    if (smtputf8) expect((await arrived(to)).mailArguments).toContain("SMTPUTF8");
    else expect(line).toMatch(/dsn=5\.6\.7, status=bounced/);
  });

  test("is told which reports are wanted", async () => {
    const to = `reports@${domain}`;
    const rcptParameters = "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first@sender.test";
    expect(await outcome(await send({ to: [to], mailParameters: "RET=HDRS ENVID=e1", rcptParameters }), to)).toContain(
      "status=sent",
    );
    const { mailArguments, rcptArguments } = await arrived(to);
    expect(mailArguments).toMatch(/RET=HDRS/);
    expect(mailArguments).toMatch(/ENVID=e1/);
    expect(rcptArguments[0]).toMatch(/NOTIFY=(SUCCESS,FAILURE|FAILURE,SUCCESS)/);
    expect(rcptArguments[0]).toMatch(/ORCPT=rfc822;first@sender\.test/i);
  });

  test("gets mail that wants its certificate to be right, and none that wants another name", async () => {
    const [secure, wrong] = [`x@secure.${domain}`, `x@wrong.${domain}`];
    const line = await outcome(await send({ to: [secure] }), secure);
    expect(line).toMatch(
      server.tlsWorks ? /, tls=\S+\/secure\/verified, .*status=sent/ : /dsn=4\.7\.5, status=deferred/,
    );
    expect(await outcome(await send({ to: [wrong] }), wrong)).toMatch(/dsn=4\.7\.5, status=deferred/);
  });

  test("lets us in with a password", async ({ skip }) => {
    skip(!server.tlsWorks, "passwords are taken over TLS only");
    const to = `x@auth.${domain}`;
    expect(await outcome(await send({ to: [to] }), to)).toMatch(/, tls=TLSv1\.\d.*status=sent/);
    await arrived(to);
  });

  test("gets more recipients than it takes at once, one portion after the other", async () => {
    const all = Array.from({ length: RECIPIENT_LIMIT * 2 + 5 }, (_, index) => `crowd${index}@${domain}`);
    const id = await send({ to: all });
    for (const to of all) expect(await outcome(id, to)).toContain("status=sent");
    await Promise.all(all.map(arrived));
  });

  test("is shown by sces probe: what it offers, its certificate, its answer", async () => {
    const good = await sces.run("sces", "probe", `x@secure.${domain}`);
    expect(good.stdout).toMatch(/ S: 250[- ]8BITMIME\n/i);
    if (server.tlsWorks) {
      expect(good.stdout).toMatch(
        new RegExp(
          `\\n  TLSv1\\.3 \\S+ \\(TLS policy secure\\): Verified\\n  certificate of CN=mx\\.${domain}, for DNS:mx`,
        ),
      );
      expect(good.stdout).toMatch(/ C: RCPT TO:<x@secure\.\S+>\n.* S: 250 .*\n[\s\S]*\nResult: accepted \(2\.\d\.\d\)/);
    }
    expect(good.code).toBe(server.tlsWorks ? 0 : 75);
    expect((await sces.run("sces", "probe", `${NOBODY}@${domain}`)).code).toBe(67);
    expect((await sces.run("sces", "probe", `${LATER}@${domain}`)).code).toBe(75);
  });

  test("gets many messages, each once", async () => {
    const all = Array.from({ length: MANY }, (_, index) => `many${index}@${domain}`);
    await Promise.all(all.map((to) => send({ to: [to] })));
    const isThere = (to: string) => sink.messages.some(({ recipients }) => recipients[0] === to);
    await until("all of them", () => all.every(isThere), 25_000);
    const count = sink.messages.filter(({ recipients }) => recipients[0]?.startsWith("many")).length;
    expect(count).toBe(MANY);
    const lines = sces.log().filter((line) => line.includes(": to=<many"));
    expect(lines.filter((line) => !line.includes("status=sent"))).toEqual([]);
  });
});
