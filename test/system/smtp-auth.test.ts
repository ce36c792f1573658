import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { agent } from "../harness/delivering.ts";
import { type Destination, destination, type DestinationOptions } from "../harness/destination.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "sces-auth-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let files = 0;
function file(text: string, mode = 0o600): string {
  const path = join(directory, `file-${++files}`);
  writeFileSync(path, text, { mode });
  return path;
}

const base64 = (text: string) => Buffer.from(text).toString("base64");
const nexthopOf = (sink: Destination) => `[127.0.0.1]:${sink.port}`;
const PLAIN_TEXT = { smtp_sasl_security_options: "noanonymous" };

function passwords(lines: string, settings: Readonly<Record<string, string>> = PLAIN_TEXT) {
  return { smtp_sasl_auth_enable: "yes", smtp_sasl_password_maps: `texthash:${file(lines)}`, ...settings };
}

/** One message to a server with AUTH; every line that was said to it between EHLO and MAIL. */
async function login(answers: DestinationOptions, settings: Readonly<Record<string, string>>) {
  await using sink = await destination({ extensions: ["PIPELINING", "AUTH PLAIN LOGIN CRAM-MD5"], ...answers });
  await using smtp = agent(settings);
  const { attempts, fault, transcript } = await smtp.send(nexthopOf(sink));
  const said = sink.commands.filter((line) => !/^(EHLO|HELO|STARTTLS|MAIL|RCPT|DATA|QUIT)\b/.test(line));
  return {
    attempt: attempts[0],
    fault,
    transcript: JSON.stringify(transcript),
    said,
    log: smtp.log.lines.join("\n"),
    messages: sink.messages,
  };
}

describe("mechanisms", () => {
  test("behind TLS PLAIN is used, and AUTH counts as offered there", async () => {
    const { attempt, said } = await login({ tls: true }, passwords("127.0.0.1 alice:s:ecret", {}));
    expect(attempt).toMatchObject({ outcome: "sent" });
    expect(said).toEqual([`AUTH PLAIN ${base64("\0alice\0s:ecret")}`]);
  });

  test("without TLS nothing is said that shows the password", async () => {
    const { attempt, said } = await login(
      { auth: [`334 ${base64("<1.2@e.org>")}`, "235 2.7.0 ok"] },
      passwords("127.0.0.1 alice:secret", {}),
    );
    expect(attempt).toMatchObject({ outcome: "sent" });
    expect(said[0]).toBe("AUTH CRAM-MD5");
    // RFC 2195 2: the user and HMAC-MD5 of the challenge.
    expect(Buffer.from(said[1] ?? "", "base64").toString()).toMatch(/^alice [0-9a-f]{32}$/);
  });

  test("if only such are offered, the mail waits and the reason is told", async () => {
    const { attempt, said, fault } = await login(
      { extensions: ["AUTH PLAIN LOGIN"] },
      passwords("127.0.0.1 alice:secret", {}),
    );
    expect(said).toEqual([]);
    expect(attempt).toMatchObject({ type: "noaccess", outcome: "deferred", dsn: "4.7.0" });
    expect(attempt?.text).toMatch(/^SASL authentication failed: server .* no compatible .*PLAIN LOGIN, without TLS/);
    expect(fault).toBe(attempt?.text);
  });

  test("LOGIN is said in two steps", async () => {
    const { said } = await login(
      { extensions: ["AUTH LOGIN"], auth: ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 ok"] },
      passwords("127.0.0.1 alice:secret"),
    );
    expect(said).toEqual(["AUTH LOGIN", base64("alice"), base64("secret")]);
  });

  test.each([
    ["login", "AUTH LOGIN"],
    ["!plain, !cram-md5", "AUTH LOGIN"],
    ["PLAIN", `AUTH PLAIN ${base64("\0alice\0secret")}`],
  ])("smtp_sasl_mechanism_filter = %s", async (filter, command) => {
    const { said } = await login(
      {
        tls: true,
        auth: ({ line }) => (line === "AUTH LOGIN" ? "334 x" : line === base64("alice") ? "334 y" : "235 ok"),
      },
      passwords("127.0.0.1 alice:secret", { smtp_sasl_mechanism_filter: filter }),
    );
    expect(said[0]).toBe(command);
  });

  test("a server that does not offer AUTH is not logged in to", async () => {
    const { attempt, said } = await login({ extensions: [] }, passwords("127.0.0.1 alice:secret"));
    expect(attempt).toMatchObject({ outcome: "sent" });
    expect(said).toEqual([]);
  });

  test("no password goes over a connection that failed to encrypt", async () => {
    const { said } = await login({ tls: true, starttls: "454 4.7.0 not now" }, passwords("127.0.0.1 alice:secret"));
    expect(said).toEqual([]);
  });
});

describe("whose login", () => {
  test("the next hop as it is written is found, also for a sender without a login", async () => {
    await using sink = await destination({ extensions: ["AUTH PLAIN"] });
    await using smtp = agent(
      passwords(`${nexthopOf(sink)} hop:secret`, { ...PLAIN_TEXT, smtp_sender_dependent_authentication: "yes" }),
    );
    await smtp.send(nexthopOf(sink));
    expect(sink.commands).toContain(`AUTH PLAIN ${base64("\0hop\0secret")}`);
  });

  test("each sender has its own connection when logins depend on senders", async () => {
    await using sink = await destination({ extensions: ["AUTH PLAIN"] });
    const lines = "a@e.org ann:1\n@f.org fred:2\n127.0.0.1 rest:3\n";
    await using smtp = agent(passwords(lines, { ...PLAIN_TEXT, smtp_sender_dependent_authentication: "yes" }));
    for (const sender of ["a@e.org", "b@f.org", "c@g.org", "a@e.org"]) {
      await smtp.send(nexthopOf(sink), { envelope: { sender } });
    }
    const users = sink.commands
      .filter((line) => line.startsWith("AUTH"))
      .map((line) => line.slice("AUTH PLAIN ".length));
    expect(users.map((text) => Buffer.from(text, "base64").toString())).toEqual([
      "\0ann\x001",
      "\0fred\x002",
      "\0rest\x003",
    ]);
    expect(sink.messages.map(({ connection }) => connection)).toEqual([1, 2, 3, 1]);
  });

  test("no line for the server, no login", async () => {
    const { attempt, said } = await login({}, passwords("other.example.org alice:secret"));
    expect(attempt).toMatchObject({ outcome: "sent" });
    expect(said).toEqual([]);
  });

  test("[G10] a table that others can read puts the mail off, before a connection is made", async () => {
    await using sink = await destination({ extensions: ["AUTH PLAIN"] });
    const path = file("127.0.0.1 alice:secret");
    chmodSync(path, 0o640);
    await using smtp = agent({ smtp_sasl_auth_enable: "yes", smtp_sasl_password_maps: `texthash:${path}` });
    const { attempts } = await smtp.send(nexthopOf(sink));
    expect(attempts).toMatchObject([{ outcome: "deferred", dsn: "4.3.5", text: expect.stringContaining("chmod 600") }]);
    expect(sink.connections).toBe(0);
  });

  test("so does one that is not there", async () => {
    const { attempt, messages } = await login(
      {},
      { smtp_sasl_auth_enable: "yes", smtp_sasl_password_maps: `texthash:${join(directory, "none")}` },
    );
    expect(attempt).toMatchObject({ outcome: "deferred", dsn: "4.3.5" });
    expect(messages).toEqual([]);
  });
});

describe("a login that does not work", () => {
  test("is for now, and says nothing of the password", async () => {
    const { attempt, log, fault } = await login({ auth: "535 5.7.8 no" }, passwords("127.0.0.1 alice:secret"));
    expect(attempt).toMatchObject({
      type: "noaccess",
      outcome: "deferred",
      dsn: "4.7.8",
      text: "SASL authentication failed; server 127.0.0.1[127.0.0.1] said: 535 5.7.8 no",
    });
    expect(fault).toBe(attempt?.text);
    expect(`${log}${JSON.stringify(attempt)}`).not.toMatch(/secret|c2VjcmV0|alice/);
  });

  test.each([
    ["PLAIN", ["535 5.7.8 no"], "AUTH PLAIN [not shown]"],
    ["LOGIN", ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "535 5.7.8 no"], "AUTH LOGIN"],
  ])("keeps what is said after AUTH %s out of the transcript", async (mechanism, auth, shown) => {
    const { transcript } = await login(
      { extensions: [`AUTH ${mechanism}`], auth },
      passwords("127.0.0.1 alice:secret"),
    );
    expect(transcript).toContain(`"C","${shown}"`);
    for (const secret of ["secret", "alice", "\0alice\0secret"]) expect(transcript).not.toContain(base64(secret));
  });

  test("returns the mail with smtp_sasl_auth_soft_bounce = no, but not if the server says 4xx", async () => {
    const settings = passwords("127.0.0.1 alice:secret", { ...PLAIN_TEXT, smtp_sasl_auth_soft_bounce: "no" });
    expect((await login({ auth: "535 5.7.8 no" }, settings)).attempt).toMatchObject({
      outcome: "bounced",
      dsn: "5.7.8",
    });
    expect((await login({ auth: "454 4.7.0 later" }, settings)).attempt).toMatchObject({ outcome: "deferred" });
  });

  test("530 says what to set, and the mail waits for it", async () => {
    const { attempt } = await login({ mail: "530 5.7.0 Authentication required" }, {});
    expect(attempt).toMatchObject({ outcome: "deferred", dsn: "4.7.0", code: 530 });
    expect(attempt?.text).toContain("it takes smtp_sasl_auth_enable = yes and a login in smtp_sasl_password_maps");
    const tls = await login({ mail: "530 5.7.0 Must issue a STARTTLS command first" }, {});
    expect(tls.attempt?.text).toContain("it takes smtp_tls_security_level = encrypt");
  });
});

describe("XOAUTH2", () => {
  const offers = { tls: true, extensions: ["AUTH PLAIN XOAUTH2"] };
  const tokenOf = (line: string) => /Bearer ([\w-]+)/.exec(Buffer.from(line.slice(13), "base64").toString())?.[1];

  /** A shell script; $n is how often it was run. */
  function program(output: string): string {
    const count = file("");
    const path = file(`#!/bin/sh\necho x >> ${count}\nn=$(wc -l < ${count})\n${output}\n`);
    chmodSync(path, 0o700);
    return path;
  }

  test("the token comes from the command, which gets the user as its last argument", async () => {
    const command = program('echo "token-$2-$1-$n"');
    const { attempt, said } = await login(
      offers,
      passwords("127.0.0.1 alice@e.org", { smtp_sasl_xoauth2_command: `${command} first` }),
    );
    expect(attempt).toMatchObject({ outcome: "deferred" }); // @ is not a character of tokens
    expect(said).toEqual([]);
    const plain = await login(offers, passwords("127.0.0.1 alice", { smtp_sasl_xoauth2_command: `${command} first` }));
    expect(plain.attempt).toMatchObject({ outcome: "sent" });
    expect(Buffer.from(plain.said[0]?.slice(13) ?? "", "base64").toString()).toBe(
      "user=alice\x01auth=Bearer token-alice-first-2\x01\x01",
    );
  });

  test("a token is used until it expires, and a new one is asked for when the server refuses it", async () => {
    await using sink = await destination({
      ...offers,
      auth: ({ line }) => (line === "" ? "535 5.7.8 expired" : tokenOf(line) === "t1" ? "334 e30=" : "235 ok"),
    });
    const command = program('echo "{\\"access_token\\": \\"t$n\\", \\"expires_in\\": 3600}"');
    await using smtp = agent({
      ...passwords("127.0.0.1 alice", { smtp_sasl_xoauth2_command: command }),
      smtp_connection_cache_time_limit: "0",
    });
    for (let count = 0; count < 3; count++) {
      expect((await smtp.send(nexthopOf(sink))).attempts).toMatchObject([{ outcome: "sent" }]);
    }
    const tokens = sink.commands.filter((line) => line.startsWith("AUTH")).map(tokenOf);
    expect(tokens).toEqual(["t1", "t2", "t2", "t2"]);
  });

  test.each([
    ["fails", "echo secret; echo cannot renew >&2; exit 3", /exit status 3: cannot renew$/],
    ["prints nothing", "true", /no token on its first line$/],
    ["takes too long", "sleep 5", /took too long$/],
    ["is killed", "kill -9 $$", /SIGKILL$/],
    ["says too much", "yes", /says too much$/],
    ["prints JSON that is none", "echo '{secret'", /its JSON cannot be read$/],
  ])("a command that %s puts the mail off", async (_, output, reason) => {
    const { attempt, log } = await login(
      offers,
      passwords("127.0.0.1 alice", { smtp_sasl_xoauth2_command: program(output), smtp_sasl_xoauth2_timeout: "300ms" }),
    );
    expect(attempt).toMatchObject({ type: "noaccess", outcome: "deferred", dsn: "4.7.0" });
    expect(attempt?.text).toMatch(reason);
    expect(`${attempt?.text} ${log}`).not.toContain("secret");
  });

  test("a command that is not there puts the mail off too", async () => {
    const { attempt } = await login(
      offers,
      passwords("127.0.0.1 alice", { smtp_sasl_xoauth2_command: join(directory, "none") }),
    );
    expect(attempt?.text).toMatch(/no such program$/);
  });
});
