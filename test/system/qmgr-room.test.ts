/** Room in the active queue: who may not use it up for the others, and what becomes of it. */
import { truncateSync } from "node:fs";
import { expect, test } from "vitest";
import { destination } from "../harness/destination.ts";
import { instance } from "../harness/instance.ts";
import { plainMessage, SmtpClient } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";

const SETTINGS = { smtp_tls_security_level: "none", qmgr_message_active_limit: 100, queue_run_delay: "300s" };

async function send(port: number, recipients: readonly string[]): Promise<string[]> {
  const client = await SmtpClient.connect(port);
  await client.hello();
  const ids: string[] = [];
  for (const to of recipients) {
    ids.push((await client.send({ from: "alice@sender.test", to: [to], content: plainMessage(`to ${to}`) })).id);
  }
  await client.quit();
  return ids;
}

function addresses(count: number, domain: string): string[] {
  return Array.from({ length: count }, (_, number) => `r${number}@${domain}`);
}

test("a server that hangs takes no room from mail for others as long as there is any", async (t) => {
  await using sink = await destination({ rcpt: { reply: "", end: "hang" } });
  await using sces = await instance(
    { ...SETTINGS, relayhost: `[127.0.0.1]:${sink.port}`, mydestination: "local.test", shutdown_timeout: "1s" },
    { test: t },
  );
  await send(sces.smtpPort, addresses(60, "hangs.test"));
  const [id] = await send(sces.smtpPort, ["carol@local.test"]);
  await sces.waitForLog(new RegExp(`${id}: to=<carol@local.test>.*status=sent`));
});

test("damaged files in deferred use no room up: what is flushed after them is tried", async (t) => {
  await using sink = await destination({ rcpt: "450 4.2.1 busy" });
  await using sces = await instance({ ...SETTINGS, relayhost: `[127.0.0.1]:${sink.port}` }, { test: t });
  await send(sces.smtpPort, addresses(30, "d.test"));
  const ids = await sces.waitForQueue("deferred", 30);
  for (const id of ids) truncateSync(`${sces.spool}/deferred/${id}`, 100);
  await sces.run("queue", "flush", "ALL");
  const kept = () => sces.queue("corrupt").filter((name) => !name.endsWith(".reason"));
  await until("quarantine", () => kept().length === ids.length);
  expect(kept()).toEqual(ids);
});
