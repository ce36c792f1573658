/** AUTH: who may log in where, what a wrong password costs, and that nothing secret is said aloud. */
import { beforeAll, describe, expect, test } from "vitest";
import { hashPassword } from "../../src/base/password.ts";
import type { Dialogue } from "../harness/smtp-dialogue.ts";
import { smtpd, type SmtpdOptions, type TestSmtpd } from "../harness/smtpd.ts";

const MAIL = "Subject: x\r\n\r\nbody";
let passwords = "";

beforeAll(async () => {
  passwords = `# users\nalice:${await hashPassword("open sesame")}\nbroken:$scrypt$ln=99,r=8,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA\n`;
});

function submission(values: Record<string, string> = {}, options: SmtpdOptions = {}): Promise<TestSmtpd> {
  return smtpd(values, { services: ["submission", "smtp"], certificate: true, passwords, ...options });
}

async function secured(server: TestSmtpd): Promise<Dialogue> {
  const client = await server.open();
  await client.ask("STARTTLS", "220");
  await client.secure();
  await client.ask("EHLO client.test", "250");
  return client;
}

const plain = (user: string, password: string, authorization = "") =>
  Buffer.from(`${authorization}\0${user}\0${password}`).toString("base64");
const base64 = (text: string | Buffer) => Buffer.from(text).toString("base64");

describe("a user", () => {
  test("logs in with PLAIN or LOGIN and may then send anywhere", async () => {
    await using server = await submission();
    for (const [index, login] of [
      async (client: Dialogue) => client.ask(`AUTH PLAIN ${plain("alice", "open sesame")}`, "235 2.7.0 "),
      async (client: Dialogue) => {
        expect(await client.ask("AUTH PLAIN", "334")).toBe("334 ");
        await client.ask(plain("alice", "open sesame", "alice"), "235 2.7.0 Authentication successful");
      },
      async (client: Dialogue) => {
        await client.ask("auth login", "334 VXNlcm5hbWU6");
        await client.ask(base64("alice"), "334 UGFzc3dvcmQ6");
        await client.ask(base64("open sesame"), "235 2.7.0 Authentication successful");
      },
      async (client: Dialogue) => {
        await client.ask(`AUTH LOGIN ${base64("alice")}`, "334 UGFzc3dvcmQ6");
        await client.ask(base64("open sesame"), "235 2.7.0 Authentication successful");
      },
    ].entries()) {
      await using client = await secured(server);
      await login(client);
      await client.ask(`AUTH PLAIN ${plain("alice", "open sesame")}`, "503 5.5.1 Error: already authenticated");
      const reply = await client.mail("a@sender.test", ["b@anywhere.test"], MAIL);
      const id = /queued as (\S+)/.exec(reply)?.[1];
      const stored = server.stored().find((one) => one.envelope.id === id);
      expect(stored?.envelope.client).toMatchObject({ proto: "ESMTPSA", user: "alice" });
      expect(stored?.content).toMatch(/\r\nMessage-Id: .*\r\nDate: /);
      const method = index < 2 ? "PLAIN" : "LOGIN";
      expect(server.log.lines).toContain(
        `${id}: client=localhost[127.0.0.1], sasl_method=${method}, sasl_username=alice`,
      );
    }
  });

  test("must log in to send at all on a submission listener, unless its host is trusted", async () => {
    await using server = await submission({ mynetworks: "127.0.0.2" });
    await using stranger = await server.open();
    await stranger.ask("MAIL FROM:<a@sender.test>", "530 5.7.0 Authentication required");
    await using own = await server.open({ localAddress: "127.0.0.2" });
    await own.mail("a@sender.test", ["b@anywhere.test"], MAIL);
  });

  test("may log in again after the file has changed, with the new password only", async () => {
    await using server = await submission();
    await using one = await secured(server);
    await one.ask(`AUTH PLAIN ${plain("alice", "open sesame")}`, "235");
    const { writeFileSync } = await import("node:fs");
    writeFileSync(server.path("passwords"), `alice:${await hashPassword("another")}\n`);
    await using two = await secured(server);
    await two.ask(`AUTH PLAIN ${plain("alice", "open sesame")}`, "535");
    await two.ask(`AUTH PLAIN ${plain("alice", "another")}`, "235");
  });
});

describe("AUTH", () => {
  test("[B11] is neither offered nor taken in the clear", async () => {
    await using server = await submission();
    await using client = await server.connect();
    expect(await client.hello()).not.toContain("AUTH");
    await client.ask(`AUTH PLAIN ${plain("alice", "open sesame")}`, "538 5.7.11 ");
    await client.ask("STARTTLS", "220");
    await client.secure();
    expect(await client.ask("EHLO client.test", "250")).toContain("AUTH PLAIN LOGIN");
  });

  test("is taken in the clear where the administrator says so", async () => {
    await using server = await submission({ submission_smtpd_tls_auth_only: "no" });
    await using client = await server.connect();
    expect(await client.hello()).toContain("AUTH PLAIN LOGIN");
    await client.ask(`AUTH PLAIN ${plain("alice", "open sesame")}`, "235");
    await client.mail("a@sender.test", ["b@anywhere.test"], MAIL);
    expect(server.stored()[0]?.envelope.client?.proto).toBe("ESMTPA");
  });

  test("in the clear is forgotten when TLS begins", async () => {
    await using server = await submission({ submission_smtpd_tls_auth_only: "no" });
    await using client = await server.open();
    await client.ask(`AUTH PLAIN ${plain("alice", "open sesame")}`, "235");
    await client.ask("STARTTLS", "220");
    await client.secure();
    await client.ask("EHLO client.test", "250");
    await client.ask("MAIL FROM:<a@sender.test>", "530 5.7.0 Authentication required");
  });

  test("is not known on the ordinary port", async () => {
    await using server = await submission();
    await using client = await server.open({ listener: 1 });
    await client.ask("AUTH PLAIN", "503 5.5.1 Error: authentication not enabled");
  });

  test("has no place in a transaction", async () => {
    await using server = await submission({ mynetworks: "127.0.0.1" });
    await using client = await secured(server);
    await client.ask("MAIL FROM:<a@sender.test>", "250");
    await client.ask("AUTH PLAIN", "503 5.5.1 Error: MAIL transaction in progress");
  });

  for (const [name, lines] of Object.entries<readonly (readonly [string, string])[]>({
    "an unknown mechanism": [["AUTH CRAM-MD5", "504 5.5.4 "]],
    "no mechanism": [["AUTH", "501 5.5.4 Syntax: AUTH mechanism"]],
    "two arguments": [["AUTH PLAIN = =", "501 5.5.4 "]],
    "an empty response": [["AUTH PLAIN =", "501 5.5.2 "]],
    "what is no base64": [["AUTH PLAIN !!!", "501 5.5.2 "]],
    "too few fields": [[`AUTH PLAIN ${base64("alice")}`, "501 5.5.2 "]],
    "too many fields": [[`AUTH PLAIN ${base64("\0alice\0open sesame\0")}`, "501 5.5.2 "]],
    "no user": [[`AUTH PLAIN ${base64("alice\0\0open sesame")}`, "501 5.5.2 "]],
    "a line break in the name": [[`AUTH PLAIN ${base64("\0ali\r\nce\0x")}`, "501 5.5.2 "]],
    "invalid UTF-8": [[`AUTH PLAIN ${base64(Buffer.from([0, 0xff, 0xfe, 0, 0x61]))}`, "501 5.5.2 "]],
    "another identity": [[`AUTH PLAIN ${plain("alice", "open sesame", "bob")}`, "535 5.7.8 "]],
    "a user that does not exist": [[`AUTH PLAIN ${plain("bob", "open sesame")}`, "535 5.7.8 "]],
    "a user whose hash is broken": [[`AUTH PLAIN ${plain("broken", "x")}`, "535 5.7.8 "]],
    "a wrong password": [[`AUTH PLAIN ${plain("alice", "open sesame ")}`, "535 5.7.8 "]],
    "a cancelled exchange": [
      ["AUTH LOGIN", "334"],
      ["*", "501 5.7.0 Authentication aborted"],
    ],
    "a NUL in LOGIN": [
      ["AUTH LOGIN", "334"],
      [base64("a\0b"), "501 5.5.2 "],
    ],
    "a response of 12 kB": [
      ["AUTH PLAIN", "334"],
      ["A".repeat(12_400), "500 5.5.6 "],
    ],
    "a response of 20 kB": [
      ["AUTH PLAIN", "334"],
      ["A".repeat(20_000), "500 5.5.6 "],
    ],
  })) {
    test(`[B12] ${name} is refused, and the session goes on`, async () => {
      await using server = await submission();
      await using client = await secured(server);
      for (const [line, reply] of lines) await client.ask(line, reply);
      await client.ask("NOOP", "250");
      const log = server.log.lines.join("\n");
      expect(log).not.toContain("sesame");
      expect(log).not.toContain(plain("alice", "open sesame "));
    });
  }

  test("[B10] ends the session after three failures", async () => {
    await using server = await submission();
    await using client = await secured(server);
    for (let count = 0; count < 3; count++) await client.ask(`AUTH PLAIN ${plain("alice", "guess")}`, "535 5.7.8 ");
    await client.expect("421 4.7.0 mail.sces.test Error: too many authentication failures");
    await client.expectClose();
    expect(
      server.logged(/^warning: localhost\[127\.0\.0\.1\]: SASL PLAIN authentication failed: .*, sasl_username=alice$/),
    ).toHaveLength(3);
    expect(server.logged(/^disconnect .* auth=0\/3 /)).toHaveLength(1);
  });

  test("[B10] leaves a client that fails again and again no further try for a while", async () => {
    await using server = await submission({ smtpd_client_auth_failure_limit: "2" });
    await using one = await secured(server);
    await one.ask(`AUTH PLAIN ${plain("alice", "guess")}`, "535");
    await one.ask(`AUTH PLAIN ${plain("alice", "guess")}`, "535");
    await using two = await secured(server);
    await two.ask(`AUTH PLAIN ${plain("alice", "open sesame")}`, "454 4.7.0 ");
  });

  test("fails for now when the password file cannot be read", async () => {
    await using server = await submission({ smtpd_sasl_password_file: "/nonexistent/passwords" });
    await using client = await secured(server);
    await client.ask(`AUTH PLAIN ${plain("alice", "open sesame")}`, "454 4.7.0 Temporary authentication failure");
    expect(server.logged(/^warning: cannot read smtpd_sasl_password_file: /)).toHaveLength(1);
  });
});
