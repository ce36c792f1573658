/** Throttles: the pace of a destination, over a connection that is kept, changed while mail waits. */
import { expect, test } from "vitest";
import { destination } from "../harness/destination.ts";
import { instance } from "../harness/instance.ts";
import { plainMessage, sendMail } from "../harness/smtp-client.ts";

const mail = (to: string) => ({ from: "alice@sender.test", to: [to], content: plainMessage(`to ${to}`) });

test("a throttled destination gets its mail at an even pace over one connection; a reload changes the pace", async (t) => {
  await using sink = await destination();
  const settings = { smtp_tls_security_level: "none", relayhost: `[127.0.0.1]:${sink.port}` };
  const slow = { ...settings, throttles: "127.0.0.1 messages=60/m idle=10s" };
  await using sces = await instance(slow, { test: t });
  for (let count = 0; count < 4; count += 1) await sendMail(sces.smtpPort, mail(`r${count}@d.test`));
  await sink.waitFor(3);
  const times = sink.messages.map(({ time }) => time);
  for (let at = 1; at < 3; at += 1) expect((times[at] ?? 0) - (times[at - 1] ?? 0)).toBeGreaterThan(700);
  expect(sink.connections).toBe(1);
  expect((await sces.run("queue", "destinations")).stdout).toContain("one in 1 s");
  await sink.waitFor(4);

  sces.configure({ ...settings, throttles: "127.0.0.1 messages=6000/m per_connection=2" });
  await sces.run("sces", "reload");
  for (let count = 0; count < 4; count += 1) await sendMail(sces.smtpPort, mail(`f${count}@d.test`));
  await sink.waitFor(8, 5000);
  for (let connection = 2; connection <= sink.connections; connection += 1) {
    expect(sink.messages.filter((one) => one.connection === connection).length).toBeLessThanOrEqual(2);
  }
});

test("connections from a source address are counted over all smtp processes, and mail goes on when qmgr dies", async (t) => {
  let open = 0;
  let most = 0;
  await using sink = await destination({
    mail: () => {
      most = Math.max(most, ++open);
      return { delayMs: 100 };
    },
    dot: () => {
      open -= 1;
      return undefined;
    },
  });
  await using sces = await instance(
    {
      smtp_tls_security_level: "none",
      relayhost: `[127.0.0.1]:${sink.port}`,
      smtp_bind_address: "127.0.0.1",
      smtp_processes: 2,
      throttles: "* from 127.0.0.1 connections=2",
    },
    { test: t },
  );
  for (let count = 0; count < 12; count += 1) await sendMail(sces.smtpPort, mail(`r${count}@d.test`));
  await sink.waitFor(6);
  expect(most).toBeLessThanOrEqual(2);
  sces.kill("qmgr");
  await sces.drained();
  expect(new Set(sink.messages.map(({ recipients }) => recipients[0])).size).toBe(12);
});

test("messages to a remote address are paced, and what would wait too long is put off", async (t) => {
  await using sink = await destination();
  await using sces = await instance(
    {
      smtp_tls_security_level: "none",
      relayhost: `[localhost]:${sink.port}`,
      smtp_host_lookup: "native",
      inet_protocols: "ipv4",
      throttles: "127.0.0.1 messages=2/m",
    },
    { test: t },
  );
  for (let count = 0; count < 2; count += 1) await sendMail(sces.smtpPort, mail(`r${count}@d.test`));
  await sces.waitForLog(/status=deferred \(delivery temporarily suspended: throttled: \[127.0.0.1\]\)/);
  await sink.waitFor(1);
  await sces.waitForQueue("deferred", 1);
  expect(sink.messages).toHaveLength(1);
});
