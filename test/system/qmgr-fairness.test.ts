/** Nobody waits for what others have in line: mail beyond a destination's share of active/ is set aside, safely. */
import { expect, test } from "vitest";
import { destination } from "../harness/destination.ts";
import { nameServer } from "../harness/dns.ts";
import { instance } from "../harness/instance.ts";
import { plainMessage, SmtpClient } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";

const MESSAGES = 120;

test("mail set aside for a slow destination is all delivered, and other mail passes it", async (t) => {
  let isOpen = false;
  await using slow = await destination({
    rcpt: () => (isOpen ? undefined : { reply: "", end: "hang" }),
  });
  await using fast = await destination({ host: "127.0.0.2", port: slow.port });
  await using dns = await nameServer({ "slow.test": { a: ["127.0.0.1"] }, "fast.test": { a: ["127.0.0.2"] } });
  await using sces = await instance(
    {
      dns_servers: `127.0.0.1:${dns.port}`,
      smtp_tcp_port: slow.port,
      smtp_tls_security_level: "none",
      smtp_destination_concurrency_limit: 2,
      smtp_rcpt_timeout: "3s",
      qmgr_message_active_limit: 60,
      queue_run_delay: "500ms",
      minimal_backoff_time: "500ms",
      maximal_backoff_time: "5s",
    },
    { test: t },
  );
  const client = await SmtpClient.connect(sces.smtpPort);
  await client.hello();
  const send = (to: string) => client.send({ from: "a@s.test", to: [to], content: plainMessage(to) });
  const ids: string[] = [];
  for (let count = 0; count < MESSAGES; count += 1) ids.push((await send(`r${count}@slow.test`)).id);
  await sces.waitForLog(/: set aside, for much mail waits in line for the same destination/);
  await send("passes@fast.test");
  await fast.waitFor(1);

  await until("mail in deferred", () => sces.queue("deferred").length > MESSAGES / 2);
  const [aside] = sces.queue("deferred").slice(-1);
  const shown = await sces.run("queue", "show", aside ?? "");
  expect(shown.stdout).not.toMatch(/deferred \(/); // nothing was tried, no lifetime has begun
  isOpen = true;
  sces.kill("qmgr"); // in the midst of it
  await sces.drained(60_000);
  await client.quit();
  const arrived = new Set(slow.messages.flatMap(({ recipients }) => recipients));
  expect(arrived.size).toBe(MESSAGES);
  for (const id of ids) expect(sces.log().some((line) => line.includes(`${id}: removed`))).toBe(true);
});
