/** What is secret stands in files of mode 0600, and nowhere else: no argument, environment, log, queue file or answer. */
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hashPassword } from "../../src/base/password.ts";
import { lookupUser } from "../../src/base/user.ts";
import { throwAwayCertificate } from "../harness/certificate.ts";
import { destination } from "../harness/destination.ts";
import { testKey } from "../harness/dkim.ts";
import { freePort } from "../harness/free-port.ts";
import { type Instance, instance } from "../harness/instance.ts";
import { dialogue } from "../harness/smtp-dialogue.ts";
import { until } from "../harness/until.ts";

const isRoot = process.getuid?.() === 0;
const base64 = (text: string) => Buffer.from(text).toString("base64");
/** A line out of the middle of a key. */
const lineOf = (pem: string) => pem.split("\n")[1] ?? "no key";

test("passwords, keys and hashes are seen by nobody, also when a login fails and a delivery does", async (t) => {
  const ours = { key: testKey("rsa").pem, password: "open-sesame-7391", relay: "relay-secret-4417" };
  const certificate = throwAwayCertificate();
  const hash = await hashPassword(ours.password);
  await using sink = await destination({
    tls: true,
    extensions: ["PIPELINING", "AUTH PLAIN LOGIN"],
    auth: ["535 5.7.8 wrong", "235 2.7.0 ok"],
    rcpt: "450 4.2.0 later",
  });
  const submission = await freePort();
  await using sces = await instance(
    {
      ...(isRoot ? { mail_owner: "nobody" } : {}),
      submission_listen: `127.0.0.1:${submission}`,
      submission_smtpd_sasl_auth_enable: "yes",
      smtpd_sasl_password_file: "passwords",
      smtpd_tls_cert_file: "cert.pem",
      smtpd_tls_key_file: "key.pem",
      smtpd_tls_security_level: "may",
      relayhost: `[127.0.0.1]:${sink.port}`,
      smtp_sasl_auth_enable: "yes",
      smtp_sasl_password_maps: "texthash:$config_directory/relay",
      smtp_tls_security_level: "encrypt",
      dkim_sign_maps: "inline:{example.org=s}",
      queue_run_delay: "1s",
      minimal_backoff_time: "1s",
      maximal_backoff_time: "1s",
    },
    { test: t, start: false },
  );
  const secrets = {
    "cert.pem": certificate.cert,
    "key.pem": certificate.key,
    passwords: `alice:${hash}\n`,
    relay: `[127.0.0.1]:${sink.port} bob:${ours.relay}\n`,
    "dkim/example.org/s.pem": ours.key,
  };
  const { uid, gid } = lookupUser(isRoot ? "nobody" : String(process.getuid?.())) ?? { uid: -1, gid: -1 };
  mkdirSync(join(sces.configDir, "dkim/example.org"), { recursive: true });
  chmodSync(sces.directory, 0o755);
  for (const [name, text] of Object.entries(secrets)) {
    writeFileSync(join(sces.configDir, name), text, { mode: 0o600 });
    if (isRoot) chownSync(join(sces.configDir, name), uid, gid);
  }
  await sces.start();
  const said = [
    ours.password,
    ours.relay,
    base64(`\0alice\0${ours.password}`),
    base64(`\0bob\0${ours.relay}`),
    base64(ours.password),
    base64(ours.relay),
    hash.slice(-20),
    lineOf(ours.key),
    lineOf(certificate.key),
  ];

  const seen: string[] = [];
  await using client = await dialogue(submission);
  await client.hello();
  await client.ask("STARTTLS", "220");
  await client.secure();
  await client.ask("EHLO client.test", "250");
  await client.ask(`AUTH PLAIN ${base64(`\0alice\0wrong-${ours.password}`)}`, "535");
  await client.ask(`AUTH PLAIN ${base64(`\0alice\0${ours.password}`)}`, "235");
  const mail = "From: a@example.org\r\nSubject: x\r\n\r\nHello.";
  seen.push(await client.mail("a@example.org", ["b@there.test"], mail));
  await sces.waitForLog(/status=deferred \(.*SASL authentication failed/);
  await until("a login that is taken", () => sink.commands.some((line) => line.startsWith("RCPT")));
  await sces.waitForLog(/status=deferred \(.*450 4\.2\.0 later/);
  const [id = ""] = await sces.waitForQueue("deferred", 1);
  for (const words of [["show", id], ["show", "--json", id], ["list"]]) {
    seen.push((await sces.run("queue", ...words)).stdout);
  }
  seen.push((await sces.run("sces", "config", "-n")).stdout, (await sces.run("sces", "check")).stderr, ...sces.log());
  seen.push(...processes(sces), ...files(sces), sces.report());

  expect(seen.join("").length).toBeGreaterThan(10_000);
  expect(sink.commands.join("\n")).toContain(base64(`\0bob\0${ours.relay}`)); // it was used
  for (const secret of said)
    expect(
      seen.filter((text) => text.includes(secret)),
      secret,
    ).toEqual([]);
});

/** Arguments and environment of all that run. */
function processes(sces: Instance): string[] {
  return sces.pids().flatMap(({ pid }) => {
    return ["cmdline", "environ"].map((name) => readFileSync(`/proc/${pid}/${name}`, "latin1"));
  });
}

/** All that is in the spool. */
function files(sces: Instance): string[] {
  const names = readdirSync(sces.spool, { recursive: true, encoding: "utf8" });
  return names.flatMap((name) => {
    const path = join(sces.spool, name);
    return statSync(path, { throwIfNoEntry: false })?.isFile() ? [readFileSync(path, "latin1")] : [];
  });
}
