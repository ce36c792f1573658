/** The processes: started, watched, started again, told of changes, ended. */
import { chmodSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { destination } from "../harness/destination.ts";
import { freePort } from "../harness/free-port.ts";
import { instance } from "../harness/instance.ts";
import { plainMessage, sendMail, SmtpClient } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";

const RESIDENT = ["cleanup", "defer", "master", "pickup", "qmgr", "smtp", "smtpd"];
const mail = { from: "alice@sender.test", to: ["bob@d.test"], content: plainMessage("x") };

test("every process has its title, and those that have no work are not there", async (context) => {
  await using sces = await instance({}, { test: context });
  expect(
    sces
      .pids()
      .map((one) => one.name)
      .sort(),
  ).toEqual(RESIDENT);
  const status = JSON.parse((await sces.run("sces", "status", "--json")).stdout);
  const idle = status.processes.filter((one: { state: string }) => one.state === "idle");
  expect(idle.map((one: { name: string }) => one.name).sort()).toEqual([
    "bounce",
    "corrupt",
    "hold",
    "maildir",
    "pipe",
    "tlsrpt",
  ]);
});

test("[G7 G13] the spool is private, and modes that are too open are narrowed at start", async (context) => {
  await using sces = await instance({}, { test: context });
  for (const name of readdirSync(sces.spool)) {
    const stat = statSync(join(sces.spool, name));
    if (stat.isDirectory()) expect((stat.mode & 0o7777).toString(8), name).toBe("700");
  }
});

test("a second instance on the same spool is refused", async (context) => {
  await using sces = await instance({}, { test: context });
  const second = await sces.run("sces", "start", "--foreground");
  expect(second.code).toBe(69);
  expect(second.stdout + second.stderr).toContain("another sces runs on this spool");
  expect(
    sces
      .pids()
      .map((one) => one.name)
      .sort(),
  ).toEqual(RESIDENT);
});

test("a process that runs by need ends after max_idle, and comes back with work", async (context) => {
  await using sink = await destination({ rcpt: ({ line }) => (line.includes("<bob@") ? "550 5.1.1 no" : undefined) });
  await using sces = await instance(
    { relayhost: `[127.0.0.1]:${sink.port}`, smtp_tls_security_level: "none", max_idle: "300ms" },
    { test: context },
  );
  for (let round = 1; round <= 2; round += 1) {
    await sendMail(sces.smtpPort, mail);
    const pid = await sces.waitForProcess("bounce");
    await until("bounce to end", () => sces.pids().every((one) => one.pid !== pid));
    await sces.drained();
    expect(sink.messages.filter((one) => one.from === "")).toHaveLength(round);
  }
  expect(sces.log().filter((line) => line.includes("warning: process"))).toEqual([]);
});

test("reload takes new settings and drops no connection", async (context) => {
  await using sink = await destination();
  await using sces = await instance({ relayhost: `[127.0.0.1]:${sink.port}` }, { test: context });
  const before = sces.pids();
  const client = await SmtpClient.connect(sces.smtpPort);
  await client.hello();
  sces.configure({ message_size_limit: 20_000 });
  expect((await sces.run("sces", "reload")).code).toBe(0);
  await client.send(mail);
  await client.quit();
  await until("the new limit", async () => {
    const fresh = await SmtpClient.connect(sces.smtpPort);
    const reply = await fresh.command("EHLO x.test");
    await fresh.quit();
    return reply.text.includes("SIZE 20000");
  });
  expect(sces.pids()).toEqual(before);
});

test("SIGHUP with a mistake in main.cf keeps the old settings, and says where the mistake is", async (context) => {
  await using sces = await instance({}, { test: context });
  sces.configure({ queue_run_dealy: "5s" });
  process.kill(sces.masterPid, "SIGHUP");
  const line = await sces.waitForLog(/reload refused/);
  expect(line).toContain("queue_run_delay");
  const command = await sces.run("sces", "reload");
  expect(command.code).toBe(78);
  expect(command.stderr).toMatch(/refused, the old settings stay in force:\n.*line \d+: .*queue_run_delay/);
  expect(sces.log().filter((one) => one.includes("reload refused"))).toHaveLength(2);
  const status = await sces.run("sces", "status");
  expect(status).toMatchObject({ code: 0, stderr: expect.stringMatching(/warning: .*queue_run_dealy/) });
  expect((await sces.run("queue", "list")).stdout).toContain("Mail queue is empty");
  expect((await sendMail(sces.smtpPort, mail)).id).not.toBe("");
});

test("SIGTERM finishes what is under way, and refuses nothing that was accepted", async (context) => {
  await using sink = await destination({ dot: { delayMs: 800 } });
  await using sces = await instance(
    { relayhost: `[127.0.0.1]:${sink.port}`, smtp_tls_security_level: "none" },
    { test: context },
  );
  await sendMail(sces.smtpPort, mail);
  await until("the delivery to begin", () => sink.commands.includes("DATA"));
  expect(await sces.stop()).toBe(0);
  expect(sink.messages).toHaveLength(1);
  expect(sces.queue("active")).toEqual([]);
});

test("what does not end within shutdown_timeout is killed, and its mail is kept", async (context) => {
  await using sink = await destination({ dot: { delayMs: 60_000 } });
  await using sces = await instance(
    { relayhost: `[127.0.0.1]:${sink.port}`, smtp_tls_security_level: "none", shutdown_timeout: "1s" },
    { test: context },
  );
  await sendMail(sces.smtpPort, mail);
  await until("the delivery to begin", () => sink.commands.includes("DATA"));
  expect(await sces.stop()).toBe(0);
  expect(sces.queue("active")).toHaveLength(1);
});

test("children of a master that was killed end, and a new one starts at once on the same spool", async (context) => {
  await using sces = await instance({}, { test: context });
  process.kill(sces.masterPid, "SIGKILL");
  await sces.exited();
  await sces.start();
  expect(
    sces
      .pids()
      .map((one) => one.name)
      .sort(),
  ).toEqual(RESIDENT);
  expect((await sendMail(sces.smtpPort, mail)).id).not.toBe("");
});

test("a process that no longer answers is killed and replaced", async (context) => {
  await using sink = await destination();
  await using sces = await instance(
    { relayhost: `[127.0.0.1]:${sink.port}`, smtp_tls_security_level: "none", daemon_timeout: "1s" },
    { test: context },
  );
  const [pid] = sces.kill("qmgr", "SIGSTOP");
  await sces.waitForLog(/sces\/qmgr pid \d+ has not answered/);
  await sces.waitForProcess("qmgr", [pid ?? 0]);
  await sendMail(sces.smtpPort, mail);
  await sink.waitFor(1);
});

test("clients that come while no smtpd runs wait and are served", async (context) => {
  await using sces = await instance({ service_start_brake: "500ms" }, { test: context });
  for (let round = 0; round < 3; round += 1) {
    sces.kill("smtpd");
    const sent = await Promise.all(Array.from({ length: 5 }, () => sendMail(sces.smtpPort, mail)));
    expect(sent.every((one) => one.id !== "")).toBe(true);
  }
});

test("a start in the background says that it has started, and stop waits for the end", async (context) => {
  await using sces = await instance({}, { test: context, start: false });
  const started = await sces.run("sces", "start");
  expect(started.stderr).toBe("");
  expect(started.stdout).toMatch(/^sces started, pid \d+\n$/);
  expect((await sendMail(sces.smtpPort, mail)).id).not.toBe("");
  const again = await sces.run("sces", "start");
  expect(again.code).not.toBe(0);
  const stopped = await sces.run("sces", "stop");
  expect(stopped).toMatchObject({ code: 0, stdout: "sces stopped\n" });
  expect((await sces.run("sces", "status")).code).toBe(69);
});

test("a port that is in use is named, with what to do", async (context) => {
  await using busy = await destination();
  await using sces = await instance({ smtpd_listen: `127.0.0.1:${busy.port}` }, { test: context, start: false });
  const result = await sces.run("sces", "start", "--foreground");
  expect(result.code).toBe(69);
  expect(result.stdout + result.stderr).toMatch(/cannot listen on 127\.0\.0\.1:\d+: EADDRINUSE; .*smtpd_listen/);
});

test("with mail_owner the processes are that user's, on a fresh spool and on one that was root's", async (context) => {
  if (process.getuid?.() !== 0) return context.skip("needs root");
  await using sces = await instance(
    { mail_owner: "nobody", mydestination: "local.test", max_idle: "1h" },
    { test: context, start: false },
  );
  // The folder of the instance is only root's; the owner must be able to get to the spool.
  chmodSync(sces.directory, 0o711);
  await sces.start();
  const { uid } = statSync(sces.spool);
  expect(uid).not.toBe(0);
  for (const { name, pid } of sces.pids()) if (name !== "master") expect(statSync(`/proc/${pid}`).uid, name).toBe(uid);
  const { id } = await sendMail(sces.smtpPort, { ...mail, to: ["carol@local.test"] });
  await sces.waitForLog(new RegExp(`${id}: to=<carol@local.test>.*status=sent`));
  await sces.drained();
});

test("an agent that dies with a message gives it back, and the message is then tried alone", async (context) => {
  await using sces = await instance({ mydestination: "local.test" }, { test: context });
  await sendMail(sces.smtpPort, { ...mail, to: ["carol@local.test"] });
  await sces.drained();
  const [pid] = sces.kill("maildir", "SIGSTOP");
  const { id } = await sendMail(sces.smtpPort, { ...mail, to: ["carol@local.test"] });
  await until("it to be handed out", () => sces.queue("active").includes(id));
  process.kill(pid ?? 0, "SIGKILL");
  await sces.waitForLog(new RegExp(`${id}: to=<carol@local.test>.*status=sent`));
  await sces.drained();
});

test("listeners come and go with a reload, and those that stay drop nobody", async (context) => {
  await using sces = await instance({}, { test: context });
  const more = await freePort();
  const client = await SmtpClient.connect(sces.smtpPort);
  await client.hello();
  sces.configure({ smtpd_listen: `127.0.0.1:${sces.smtpPort} 127.0.0.1:${more}` });
  await sces.run("sces", "reload");
  expect((await until("the new listener", () => sendMail(more, mail).catch(() => undefined))).id).not.toBe("");
  sces.configure({ smtpd_listen: `127.0.0.1:${sces.smtpPort}` });
  await sces.run("sces", "reload");
  await until("the old state", async () => (await SmtpClient.connect(more).catch(() => undefined)) === undefined);
  await client.send(mail);
  await client.quit();
  expect(sces.pids().filter((one) => one.name === "smtpd")).toHaveLength(1);
});

test("with max_idle = 0 every process stays", async (context) => {
  await using sces = await instance({ max_idle: 0 }, { test: context });
  const all = [...RESIDENT, "bounce", "corrupt", "hold", "maildir", "pipe", "tlsrpt"].sort();
  await until("all of them", () => sces.pids().length === all.length);
  expect(
    sces
      .pids()
      .map((one) => one.name)
      .sort(),
  ).toEqual(all);
});
