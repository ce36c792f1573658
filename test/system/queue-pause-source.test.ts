/** No mail leaves from a source address that an administrator paused. */
import { expect, test } from "vitest";
import { destination } from "../harness/destination.ts";
import { instance } from "../harness/instance.ts";
import { plainMessage, sendMail } from "../harness/smtp-client.ts";

const SETTINGS = { smtp_tls_security_level: "none", queue_run_delay: "300s" };
const mail = (to: string) => ({ from: "alice@sender.test", to: [to], content: plainMessage(`to ${to}`) });

test("of a pool only what is not paused is used, open connections included; with none left mail waits until one is resumed", async (t) => {
  await using sink = await destination();
  await using sces = await instance(
    {
      ...SETTINGS,
      relayhost: `[127.0.0.1]:${sink.port}`,
      smtp_source_pools: "main: 127.0.0.2=two.test*9999, 127.0.0.3=three.test",
      smtp_source_pool: "main",
      smtp_connection_cache_time_limit: "60s",
    },
    { test: t },
  );
  await sendMail(sces.smtpPort, mail("1@d.test"));
  await sink.waitFor(1);
  expect(sink.messages[0]?.helo).toBe("two.test"); // and stays open
  await sces.run("queue", "pause", "--source", "127.0.0.2", "--reason", "listed");
  for (let count = 2; count <= 4; count++) {
    await sendMail(sces.smtpPort, mail(`${count}@d.test`));
    await sink.waitFor(count);
    expect(sink.messages.at(-1)?.helo).toBe("three.test");
  }
  await sces.run("queue", "pause", "--source", "127.0.0.3", "--reason", "listed too");
  sces.kill("qmgr"); // the next one tells the agents again
  const { id } = await sendMail(sces.smtpPort, mail("5@d.test"));
  await sces.waitForLog(
    new RegExp(
      `${id}: to=<5@d.test>, relay=none, .*dsn=4.3.2, status=deferred \\(delivery temporarily suspended: paused by administrator: listed\\)`,
    ),
  );
  await sces.waitForQueue("deferred", 1);
  expect((await sces.run("queue", "list")).stdout).toContain("paused by administrator: listed");
  expect((await sces.run("queue", "show", id, "--json")).stdout).not.toContain('"attempt":1');
  await sces.run("queue", "resume", "--source", "127.0.0.3");
  await sces.drained();
  expect(sink.messages.slice(4).map(({ helo, recipients }) => [helo, ...recipients])).toEqual([
    ["three.test", "5@d.test"],
  ]);
});

test("an address that the system chose is found paused once connected, and mail waits for the end of the pause", async (t) => {
  await using sink = await destination();
  await using sces = await instance({ ...SETTINGS, relayhost: `[127.0.0.1]:${sink.port}` }, { test: t });
  await sces.run("queue", "pause", "--source", "127.0.0.1");
  const { id } = await sendMail(sces.smtpPort, mail("1@d.test"));
  await sces.waitForLog(new RegExp(`${id}: .*status=deferred .*paused by administrator\\)`));
  await sces.waitForQueue("deferred", 1);
  expect(sink.messages).toEqual([]);
  await sces.run("queue", "pause", "--source", "127.0.0.1", "--for", "1s"); // in place of the first
  await sink.waitFor(1);
});
