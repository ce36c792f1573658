/** What an administrator pauses waits, untried, until it is resumed; what every destination is doing can be seen. */
import { expect, test } from "vitest";
import { destination } from "../harness/destination.ts";
import { freePort } from "../harness/free-port.ts";
import { instance } from "../harness/instance.ts";
import { plainMessage, sendMail } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";

const SETTINGS = { smtp_tls_security_level: "none", queue_run_delay: "300s" };
const mail = (to: string, from = "alice@sender.test") => ({ from, to: [to], content: plainMessage(`to ${to}`) });

test("mail to a paused domain waits untried, through the death of qmgr, and goes out when it is resumed", async (t) => {
  await using sink = await destination();
  await using sces = await instance({ ...SETTINGS, relayhost: `[127.0.0.1]:${sink.port}` }, { test: t });
  const paused = await sces.run("queue", "pause", "--domain", "D.test", "-m", "their wish");
  expect(paused).toMatchObject({ code: 0, stdout: "paused: domain d.test\n" });
  sces.kill("qmgr");
  const { id } = await sendMail(sces.smtpPort, mail("bob@d.test"));
  await sendMail(sces.smtpPort, mail("bob@other.test"));
  await sces.waitForLog(
    new RegExp(
      `${id}: to=<bob@d.test>, relay=none, .*dsn=4.3.2, status=deferred \\(delivery temporarily suspended: paused by administrator: their wish\\)`,
    ),
  );
  await sink.waitFor(1);
  await sces.waitForQueue("deferred", 1);
  expect((await sces.run("queue", "destinations")).stdout).toContain("paused: domain d.test: their wish\n");
  expect((await sces.run("queue", "show", id, "--json")).stdout).not.toContain('"attempt":1');
  const seen = sces.log().length;
  await sces.run("queue", "flush", "ALL"); // is not stronger
  await sces.waitForLog(/status=deferred.*paused by administrator/, 10_000, seen);
  const resumed = await sces.run("queue", "resume", "d.test");
  expect(resumed).toMatchObject({ code: 0, stdout: "resumed: domain d.test\n1 resumed\n" });
  await sces.drained();
  expect(sink.messages.map(({ recipients }) => recipients[0])).toEqual(["bob@other.test", "bob@d.test"]);
});

test("a pause of a sender takes mail out of the line, holds for a time, and outlives a restart", async (t) => {
  await using sink = await destination({ mail: ({ line }) => (line.includes("bulk") ? { delayMs: 3000 } : undefined) });
  await using sces = await instance(
    { ...SETTINGS, relayhost: `[127.0.0.1]:${sink.port}`, smtp_destination_concurrency_limit: 1 },
    { test: t },
  );
  for (const to of ["1@d.test", "2@d.test", "3@d.test"]) await sendMail(sces.smtpPort, mail(to, "bulk@s.test"));
  await sces.run("queue", "pause", "--sender", "@S.test", "--for", "1h");
  await sces.waitForQueue("deferred", 2);
  await sces.stop();
  await sces.start();
  await sendMail(sces.smtpPort, mail("4@d.test", "bulk@s.test"));
  await sces.waitForLog(/to=<4@d.test>.*paused by administrator\)/);
  await sces.run("queue", "pause", "--sender", "@s.test", "--for", "1s"); // in place of the first
  await sink.waitFor(2); // it ends by itself, and the fourth is called back
  const addresses = sink.messages.map(({ recipients }) => recipients[0]);
  expect(addresses).toEqual(["1@d.test", "4@d.test"]);
});

test("a stopped system is paused and resumed by its files, and pause says what it cannot take", async (t) => {
  await using sces = await instance({ ...SETTINGS }, { test: t });
  await sces.stop();
  expect((await sces.run("queue", "pause", "--source", "192.0.2.1")).code).toBe(0);
  expect((await sces.run("queue", "pause", "--domain", "a.test", "--for", "2h")).code).toBe(0);
  expect((await sces.run("queue", "resume", "--source", "192.0.2.1")).stdout).toContain("1 resumed");
  for (const args of [["--domain", "a b"], ["--source", "host"], ["--domain", "a.test", "--for", "soon"], []]) {
    const wrong = await sces.run("queue", "pause", ...args);
    expect(wrong.code).toBe(64);
    expect(wrong.stderr).toMatch(/needs|pause what/);
  }
  await sces.start();
  const { stdout } = await sces.run("queue", "destinations", "--json");
  expect(JSON.parse(stdout)).toMatchObject({ kind: "pause", paused: "domain", value: "a.test" });
});

test("a suspended destination is shown with its reason, and resumed by name", async (t) => {
  const port = await freePort();
  await using sces = await instance({ ...SETTINGS, relayhost: `[127.0.0.1]:${port}` }, { test: t });
  for (const to of ["1@d.test", "2@d.test", "3@d.test"]) await sendMail(sces.smtpPort, mail(to));
  await sces.waitForQueue("deferred", 3);
  const shown = await sces.run("queue", "destinations");
  expect(shown.stdout).toMatch(new RegExp(`^smtp:\\[127.0.0.1\\]:${port} +0 +0 +0 `, "m"));
  expect(shown.stdout).toMatch(/^ {4}suspended for \d+m\d+s more: connect to 127.0.0.1.*Connection refused/m);
  expect(shown.stdout).toMatch(new RegExp(`^offline: 127.0.0.1\\[127.0.0.1\\]:${port} for `, "m"));
  const resumed = await sces.run("queue", "resume", `[127.0.0.1]:${port}`);
  expect(resumed.stdout).toBe(`resumed: destination smtp:[127.0.0.1]:${port}\n1 resumed\n`);
  expect((await sces.run("queue", "resume", "ALL")).stdout).toContain(`resumed: address 127.0.0.1[127.0.0.1]:${port}`);
  expect((await sces.run("queue", "destinations")).stdout).toContain("(nothing waits)");
  await using sink = await destination({ port });
  await sces.run("queue", "flush", "ALL");
  await sink.waitFor(3);
});

test("a deferred transport delivers nothing before a flush", async (t) => {
  await using sink = await destination();
  await using sces = await instance(
    { ...SETTINGS, relayhost: `[127.0.0.1]:${sink.port}`, defer_transports: "smtp" },
    { test: t },
  );
  await sendMail(sces.smtpPort, mail("bob@d.test"));
  await sces.waitForLog(/to=<bob@d.test>.*dsn=4.3.2, status=deferred \(deferred transport\)/);
  await sces.waitForQueue("deferred", 1);
  await until("a flush to be heard", async () => (await sces.run("queue", "flush", "ALL")).code === 0);
  await sink.waitFor(1);
});
