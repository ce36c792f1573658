/** Users that log in: whose addresses they may use, how much they may send, and limits that several processes share. */
import { beforeAll, describe, expect, test } from "vitest";
import { hashPassword } from "../../src/base/password.ts";
import { instance } from "../harness/instance.ts";
import { type Dialogue, dialogue } from "../harness/smtp-dialogue.ts";
import { smtpd, type TestSmtpd } from "../harness/smtpd.ts";
import { until } from "../harness/until.ts";

let passwords = "";
beforeAll(async () => {
  passwords = `alice:${await hashPassword("sesame")}\nbob:${await hashPassword("sesame")}\n`;
});

function server(values: Readonly<Record<string, string>>): Promise<TestSmtpd> {
  const login = { smtpd_sasl_auth_enable: "yes", smtpd_tls_auth_only: "no" };
  return smtpd({ ...login, ...values }, { passwords });
}

async function login(mta: TestSmtpd, user: string): Promise<Dialogue> {
  const client = await mta.open();
  await client.ask(`AUTH PLAIN ${Buffer.from(`\0${user}\0sesame`).toString("base64")}`, "235");
  return client;
}

describe("a rate limit of users", () => {
  test("is for each user, whatever the client, and not for strangers", async () => {
    await using mta = await server({ smtpd_sasl_message_rate_limit: "2", mynetworks: "127.0.0.1" });
    for (let count = 0; count < 2; count++) {
      await using alice = await login(mta, "alice");
      await alice.mail("alice@example.org", ["x@elsewhere.test"], "Subject: x\r\n\r\nbody");
    }
    await using alice = await login(mta, "alice");
    await alice.ask("MAIL FROM:<alice@example.org>", "450 4.7.1 Error: rate limit exceeded for user alice");
    expect(
      mta.logged(/Message rate limit of user alice exceeded: 3 from localhost\[127.0.0.1\] for service smtp/),
    ).toHaveLength(1);
    await using bob = await login(mta, "bob");
    await bob.ask("MAIL FROM:<bob@example.org>", "250");
    await using stranger = await mta.open();
    for (let count = 0; count < 4; count++) {
      await stranger.ask("MAIL FROM:<>", "250");
      await stranger.ask("RSET", "250");
    }
  });

  test("can be for recipients", async () => {
    await using mta = await server({ smtpd_sasl_recipient_rate_limit: "2" });
    await using alice = await login(mta, "alice");
    await alice.ask("MAIL FROM:<alice@example.org>", "250");
    await alice.ask("RCPT TO:<x@elsewhere.test>", "250");
    await alice.ask("RCPT TO:<y@elsewhere.test>", "250");
    await alice.ask("RCPT TO:<z@elsewhere.test>", "450 4.7.1 Error: rate limit exceeded for user alice");
  });
});

describe("a sender address", () => {
  const maps = { smtpd_sender_login_maps: "inline:{alice@example.org=alice, {team@example.org=alice, bob}}" };
  const rcpt = async (values: Readonly<Record<string, string>>, user: string, from: string) => {
    await using mta = await server({ ...maps, ...values });
    await using client = user === "" ? await mta.open() : await login(mta, user);
    await client.ask(`MAIL FROM:<${from}>`, "250");
    return await client.ask("RCPT TO:<x@example.org>", "");
  };
  const mismatch = { smtpd_sender_restrictions: "reject_sender_login_mismatch" };
  const known = { smtpd_sender_restrictions: "reject_known_sender_login_mismatch" };
  const about = (address: string) => `553 5.7.1 <${address}>: Sender address rejected:`;

  test.each([
    [mismatch, "alice", "alice@example.org", "250 2.1.5 Ok"],
    [mismatch, "bob", "team@example.org", "250 2.1.5 Ok"],
    [mismatch, "bob", "alice@example.org", `${about("alice@example.org")} not owned by user bob`],
    [mismatch, "bob", "other@example.org", `${about("other@example.org")} not owned by user bob`],
    [known, "bob", "other@example.org", "250 2.1.5 Ok"],
    [known, "bob", "alice@example.org", `${about("alice@example.org")} not owned by user bob`],
    [mismatch, "", "alice@example.org", `${about("alice@example.org")} not logged in`],
    [mismatch, "", "other@example.org", "250 2.1.5 Ok"],
    [mismatch, "bob", "", "250 2.1.5 Ok"],
  ])("belongs to whom the map says: %o, user %s, from <%s>: %s", async (values, user, from, reply) => {
    expect(await rcpt(values, user, from)).toBe(reply);
  });

  test("a user may be kept out by a table", async () => {
    const values = { smtpd_client_restrictions: "check_sasl_access inline:{{bob=REJECT not you}}" };
    expect(await rcpt(values, "bob", "b@example.org")).toBe("554 5.7.1 <bob>: SASL login name rejected: not you");
    expect(await rcpt(values, "alice", "b@example.org")).toBe("250 2.1.5 Ok");
  });
});

test("a limit on clients holds for all smtpd processes together, and what one held is free when it dies", async (context) => {
  await using sces = await instance(
    { smtpd_processes: 2, smtpd_client_connection_count_limit: 4, smtpd_client_event_limit_exceptions: "127.0.0.9" },
    { test: context },
  );
  const open: Dialogue[] = [];
  const connect = async (): Promise<boolean> => {
    const client = await dialogue(sces.smtpPort);
    const greeting = await client.reply();
    if (greeting.startsWith("220")) open.push(client);
    else client.end();
    return greeting.startsWith("220");
  };
  for (let count = 0; count < 4; count++) expect(await connect()).toBe(true);
  await until("both processes to know of all four", async () => {
    for (const client of open.splice(4)) {
      await client.ask("QUIT", "221");
      await client.expectClose();
    }
    // Any of the two may answer: none of several attempts is welcome.
    for (let count = 0; count < 4; count++) if (await connect()) return false;
    return true;
  });
  for (const { name, pid } of sces.pids()) if (name === "smtpd") process.kill(pid, "SIGKILL");
  await until("a new process to know nothing of the old one's", connect);
  for (const client of open) client.end();
});
