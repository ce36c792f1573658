import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  lstatSync,
  readdirSync,
} from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import * as check from "../../src/command/check.ts";
import * as config from "../../src/command/config.ts";
import type { Run } from "../../src/command/io.ts";
import { editMainCf } from "../../src/config/edit.ts";
import { contradictions } from "../../src/config/contradictions.ts";
import { testConfig } from "../../src/config/load.ts";

let directory: string;
let etc: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sces-command-"));
  etc = join(directory, "etc");
  file = join(etc, "main.cf");
  mkdirSync(etc);
});
afterEach(() => rmSync(directory, { recursive: true }));

async function call(run: Run, ...args: string[]): Promise<{ status: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const status = await run(["-c", etc, ...args], {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    stdin: (async function* () {})(),
    env: { PATH: "" },
  });
  return { status, out, err };
}

describe("sces config", () => {
  beforeEach(() =>
    writeFileSync(file, "# one\nmail_name = x\nmyhostname = a.example.org\nmydestination = $myhostname\n"),
  );

  test("prints all, the defaults, or what is set", async () => {
    const all = await call(config.run);
    expect(all.out).toContain("\nmail_name = x\n");
    expect(all.out).toContain("\nqueue_run_delay = 300s\n");
    expect((await call(config.run, "-d", "mail_name")).out).toBe("mail_name = sces\n");
    expect((await call(config.run, "-n")).out.split("\n").map((line) => line.split(" ")[0])).toEqual([
      "mail_name",
      "mydestination",
      "myhostname",
      "",
    ]);
  });

  test("prints values alone and expanded", async () => {
    expect((await call(config.run, "-h", "mydestination")).out).toBe("$myhostname\n");
    expect((await call(config.run, "-hx", "mydestination")).out).toBe("a.example.org\n");
    expect((await call(config.run, "-x", "-o", "myhostname=b.example.org", "mydestination")).out).toBe(
      "mydestination = b.example.org\n",
    );
  });

  test("names the nearest parameter for one that does not exist", async () => {
    const { status, err, out } = await call(config.run, "mail_nam", "mail_name");
    expect(status).toBe(65);
    expect(err).toContain("unknown parameter: mail_nam; did you mean mail_name?");
    expect(out).toBe("mail_name = x\n");
  });

  test("changes main.cf and nothing else in it", async () => {
    chmodSync(file, 0o640);
    expect((await call(config.run, "-e", "mail_name = y", "queue_run_delay=10s")).status).toBe(0);
    expect(readFileSync(file, "utf8")).toBe(
      "# one\nmail_name = y\nmyhostname = a.example.org\nmydestination = $myhostname\nqueue_run_delay = 10s\n",
    );
    expect(statSync(file).mode & 0o777).toBe(0o640);
    expect(readdirSync(etc)).toEqual(["main.cf"]);
  });

  test("changes the file behind a link", async () => {
    writeFileSync(join(directory, "real.cf"), "mail_name = x\n");
    rmSync(file);
    symlinkSync("../real.cf", file);
    await call(config.run, "mail_name=z");
    expect(readFileSync(join(directory, "real.cf"), "utf8")).toBe("mail_name = z\n");
    expect(lstatSync(file).isSymbolicLink()).toBe(true);
  });

  test("refuses what would not be valid, and lets a bad file be repaired", async () => {
    const before = readFileSync(file, "utf8");
    for (const bad of ["queue_run_delay=5x", "no_such_name=1", "mydestination=${x"]) {
      const { status, err } = await call(config.run, "-e", bad);
      expect(status).toBe(78);
      expect(err).toContain("is unchanged");
    }
    expect(readFileSync(file, "utf8")).toBe(before);
    writeFileSync(file, "queue_run_delay = 5x\nsmtpd_timeout = 5y\n");
    expect((await call(config.run, "-e", "queue_run_delay=5s")).status).toBe(0);
    expect(readFileSync(file, "utf8")).toBe("queue_run_delay = 5s\nsmtpd_timeout = 5y\n");
  });

  test("refuses a value of two lines", async () => {
    await expect(call(config.run, "-e", "mail_name=x\nmynetworks = 0.0.0.0/0")).rejects.toThrow("must be one line");
  });

  test("turns entries into comments, and removes them", async () => {
    await call(config.run, "-#", "mail_name");
    expect(readFileSync(file, "utf8")).toContain("#mail_name = x\n");
    await call(config.run, "-X", "mydestination");
    expect(readFileSync(file, "utf8")).not.toContain("mydestination");
  });
});

describe("editing main.cf", () => {
  test("keeps comments inside a value and drops later duplicates", () => {
    const text = "a = 1,\n# why\n  2\nb = 3\na = 4\n  5\nc = 6";
    expect(editMainCf(text, new Map([["a", { kind: "set", value: "9" }]]))).toBe("a = 9\n# why\nb = 3\nc = 6\n");
    expect(editMainCf(text, new Map([["a", { kind: "comment" }]]))).toBe(
      "#a = 1,\n# why\n#  2\nb = 3\n#a = 4\n#  5\nc = 6\n",
    );
  });
  test("keeps CR LF where the file has it", () => {
    expect(editMainCf("a = 1\r\nb = 2\r\n", new Map([["b", { kind: "set", value: "3" }]]))).toBe("a = 1\r\nb = 3\r\n");
  });
});

describe("sces check", () => {
  const base = () =>
    `queue_directory = ${directory}/spool\nmaillog_file = ${directory}/log\nmyhostname = a.example.org\n`;
  const listen = "smtpd_listen = 127.0.0.1:0\n";

  test("finds nothing wrong with settings that are right", async () => {
    writeFileSync(file, `${base()}${listen}`);
    const { status, out, err } = await call(check.run);
    expect(err.replace(/^warning: mail_owner is empty.*\n/, "")).toBe("");
    expect(out).toMatch(/^\/.*\/main\.cf: 0 errors, \d warnings?\n$/);
    expect(status).toBe(0);
  });

  test("reports every bad value and exits with 78", async () => {
    writeFileSync(file, `${base()}${listen}smtpd_timeout = 5q\nqueue_run_dely = 3\n`);
    const { status, out, err } = await call(check.run);
    expect(status).toBe(78);
    expect(err.trimEnd().split("\n")).toHaveLength(2);
    expect(err).toMatch(/^error: .*main\.cf, line 5: parameter smtpd_timeout: bad time/);
    expect(out).toContain("2 errors, 0 warnings");
  });

  test("names the file and line of values that contradict each other", async () => {
    writeFileSync(file, `${base()}${listen}minimal_backoff_time = 1h\n`);
    expect((await call(check.run)).err).toMatch(/error: .*main\.cf, line 5: minimal_backoff_time is longer than/);
  });

  test("says that a port is taken", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    writeFileSync(file, `${base()}smtpd_listen = 127.0.0.1:${port}\n`);
    const { status, err } = await call(check.run);
    server.close();
    expect(status).toBe(78);
    expect(err).toContain(
      `smtpd_listen: cannot listen on 127.0.0.1:${port} (EADDRINUSE): another program listens there`,
    );
  });

  test("[G7 G9] sees spool directories with the wrong mode, of the wrong kind, or missing", async () => {
    writeFileSync(file, `${base()}${listen}`);
    for (const name of ["incoming", "active", "deferred", "drop"])
      mkdirSync(join(directory, "spool", name), { recursive: true, mode: 0o700 });
    chmodSync(join(directory, "spool/deferred"), 0o755);
    chmodSync(join(directory, "spool/drop"), 0o1730);
    symlinkSync("/tmp", join(directory, "spool/hold"));
    const { err } = await call(check.run);
    expect(err).toContain("deferred has mode 0755");
    expect(err).toContain("hold is no directory");
    expect(err).toContain("bounce is missing");
    expect(err).not.toContain("drop has mode");
  });

  test("[G7] sees a spool that others can write", async () => {
    writeFileSync(file, `${base()}${listen}`);
    mkdirSync(join(directory, "spool"));
    chmodSync(join(directory, "spool"), 0o777);
    expect((await call(check.run)).err).toContain("can be written by others (mode 0777): chmod go-w it");
  });

  test("[G10] wants secrets for their owner alone, and files that are there", async () => {
    const key = join(directory, "key.pem");
    writeFileSync(key, "x");
    chmodSync(key, 0o644);
    writeFileSync(file, `${base()}${listen}smtpd_tls_cert_file = ${directory}/cert.pem\nsmtpd_tls_key_file = ${key}\n`);
    const { err } = await call(check.run);
    expect(err).toContain("key.pem can be read by others than its owner (mode 0644): chmod 600 it");
    expect(err).toMatch(/cert\.pem cannot be used: ENOENT/);
  });

  test("looks at the files of the SMTP client's TLS too", async () => {
    writeFileSync(
      file,
      `${base()}${listen}smtp_tls_cert_file = ${directory}/own.pem\nsmtp_tls_CAfile = /nonexistent/ca\n`,
    );
    const { err } = await call(check.run);
    expect(err).toContain("smtp_tls_cert_file");
    expect(err).toContain("smtp_tls_CAfile /nonexistent/ca cannot be read: name another, or make it");
  });

  test("understands every line of the TLS policies", async () => {
    writeFileSync(file, `${base()}${listen}smtp_tls_policy_maps = inline:{ a.org=dane, b.org=verify }\n`);
    const { err } = await call(check.run);
    expect(err.match(/error: smtp_tls_policy_maps.*/g)).toEqual([
      expect.stringContaining("level dane needs validated answers: smtp_dns_support_level = dnssec"),
    ]);
  });

  test("misses directories, users and programs", async () => {
    const text = `queue_directory = /nonexistent/a/spool\nmail_owner = no-such-user\nlog_to = syslog\n${listen}`;
    writeFileSync(file, text);
    const { err } = await call(check.run);
    expect(err).toContain("queue_directory /nonexistent/a/spool: /nonexistent/a does not exist");
    expect(err).toContain("mail_owner: no such user: no-such-user");
    expect(err).toContain("there is no logger(1)");
  });
});

describe("contradictions", () => {
  const found = (values: Record<string, string>) =>
    contradictions(testConfig(values)).map(({ severity, text }) => `${severity}: ${text}`);

  test("are none in the defaults", () => {
    expect(found({})).toEqual([]);
  });

  test.each([
    [{ maximal_queue_lifetime: "10s" }, /warning: maximal_queue_lifetime is shorter/],
    [{ bounce_queue_lifetime: "2d" }, /warning: bounce_queue_lifetime is longer/],
    [{ delay_warning_time: "30h" }, /warning: delay_warning_time is not shorter/],
    [{ queue_run_delay: "1h" }, /warning: queue_run_delay is longer/],
    [{ message_size_limit: "1k" }, /warning: header_size_limit is larger/],
    [{ smtpd_soft_error_limit: "30" }, /warning: smtpd_soft_error_limit/],
    [{ initial_destination_concurrency: "30" }, /warning: initial_destination_concurrency/],
    [{ smtp_processes: "200" }, /warning: smtp_processes is larger than default_process_limit/],
    [{ smtp_mx_session_limit: "9" }, /warning: smtp_mx_session_limit/],
    [{ mynetworks: "0.0.0.0/0" }, /error: mynetworks .* open relay/],
    [{ relay_domains: "localhost" }, /warning: relay_domains localhost is in mydestination/],
    [{ relayhost: "[127.0.0.1]:2525" }, /error: relayhost .* round in circles/],
    [{ relayhost: "[localhost]", smtpd_listen: "*:25" }, /error: relayhost/],
    [{ relayhost: "[192.0.2.1], [127.0.0.1]:2525" }, /error: relayhost \[127\.0\.0\.1\]:2525 is this mail system/],
    [{ pipe_flags: "RD", pipe_destination_recipient_limit: "5" }, /error: pipe_flags has D, which is about one/],
    [{ fallback_relay: "[127.0.0.1]:2525" }, /error: smtp_fallback_relay/],
    [{ default_transport: "smtp:[127.0.0.1]:2525" }, /error: default_transport/],
    [{ smtpd_listen: "" }, /warning: smtpd_listen is empty/],
    [{ smtpd_tls_security_level: "encrypt" }, /error: smtpd_tls_security_level is encrypt, but smtpd_tls_cert_file/],
    [{ smtp_tls_security_level: "dane" }, /error: smtp_tls_security_level is dane, which needs validated answers/],
    [{ submission_listen: "127.0.0.1:587" }, /error: submission_smtpd_sasl_auth_enable/],
    [{ submissions_listen: "127.0.0.1:465" }, /error: submissions_listen needs TLS/],
    [{ submission_listen: "127.0.0.1:2525" }, /error: submission_listen .* is in smtpd_listen too/],
  ])("%j", (values, expected) => {
    expect(found(values as Record<string, string>).join("\n")).toMatch(expected);
  });

  test("are none where a relay host is another machine", () => {
    expect(found({ relayhost: "[192.0.2.1]:2525" })).toEqual([]);
    expect(found({ relayhost: "example.net", smtpd_listen: "127.0.0.1:25" })).toEqual([]);
  });
});
