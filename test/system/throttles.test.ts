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
