/** The suppression list: nobody on it is written to, whatever happens, and it can be kept by command. */
import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { destination } from "../harness/destination.ts";
import { instance } from "../harness/instance.ts";
import { plainMessage, sendMail } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";

const SETTINGS = { smtp_tls_security_level: "none", queue_run_delay: "300s" };
const mail = (to: string) => ({ from: "alice@sender.test", to: [to], content: plainMessage(`to ${to}`) });

test("a recipient on the list fails at once, without a connection, through kill -9, until it is removed", async (t) => {
  await using sink = await destination();
  await using sces = await instance({ ...SETTINGS, relayhost: `[127.0.0.1]:${sink.port}` }, { test: t });
  const added = await sces.run("queue", "suppress", "add", "Bob@D.test", "@gone.test", "--code", "5.1.1", "-m", "left");
  expect(added).toMatchObject({ code: 0, stdout: "2 added\n" });
  for (const name of ["qmgr", "cleanup"]) sces.kill(name);
  const { id } = await sendMail(sces.smtpPort, mail("bob@d.test"));
  await sces.waitForLog(
    new RegExp(
      `${id}: to=<bob@d.test>, relay=none, .*dsn=5.1.1, status=bounced \\(recipient is on the suppression list: left\\)`,
    ),
  );
  await sendMail(sces.smtpPort, mail("x@gone.test"));
  await sces.waitForLog(/to=<x@gone.test>.*status=bounced/);
  await sink.waitFor(2); // the reports
  expect(sink.messages.flatMap(({ recipients }) => recipients)).toEqual(["alice@sender.test", "alice@sender.test"]);
  expect(sink.messages[0]?.data.toString()).toContain("recipient is on the suppression list: left");

  expect((await sces.run("queue", "suppress", "search", "GONE")).stdout).toMatch(
    /^@gone.test +5.1.1 since .* \(left\)\n$/,
  );
  expect((await sces.run("queue", "suppress", "remove", "bob@d.test", "no@d.test")).stdout).toBe("1 removed\n");
  await sendMail(sces.smtpPort, mail("bob@d.test"));
  await sink.waitFor(3);
});

test("it is kept while the system is stopped, takes lists, forgets what is over, and refuses what is no address", async (t) => {
  await using sink = await destination();
  await using sces = await instance({ ...SETTINGS, relayhost: `[127.0.0.1]:${sink.port}` }, { test: t });
  await sces.stop();
  const many = Array.from({ length: 2500 }, (_, at) => `u${at}@d.test`).join("\n");
  expect((await sces.runWithInput(many, "queue", "suppress", "add", "-")).stdout).toBe("2500 added\n");
  expect((await sces.run("queue", "suppress", "add", "soon@d.test", "--expires", "1s")).code).toBe(0);
  const wrong = await sces.run("queue", "suppress", "add", "a@d.test", "no address");
  expect(wrong).toMatchObject({ code: 64, stderr: expect.stringContaining("nothing was changed") });
  const listed = await sces.run("queue", "suppress", "list", "--json");
  const rows = listed.stdout.trim().split("\n");
  expect(rows.length).toBeGreaterThanOrEqual(2500);
  expect(JSON.parse(rows.find((row) => row.includes("u0@")) ?? "")).toMatchObject({
    value: "u0@d.test",
    code: "5.7.1",
  });
  await sces.start();
  await sendMail(sces.smtpPort, mail("u2499@d.test"));
  await sces.waitForLog(/to=<u2499@d.test>.*status=bounced/);
  const isListed = async () => (await sces.run("queue", "suppress", "search", "soon@")).stdout !== "";
  await until("its second to be over", async () => !(await isListed()));
  await sendMail(sces.smtpPort, mail("soon@d.test"));
  await sink.waitFor(2);
  expect(sink.messages.map(({ recipients }) => recipients[0]).sort()).toEqual(["alice@sender.test", "soon@d.test"]);
});

test("mail waits while the list cannot be read: whoever is on it is not written to", async (t) => {
  await using sink = await destination();
  await using sces = await instance({ ...SETTINGS, relayhost: `[127.0.0.1]:${sink.port}` }, { test: t });
  await sces.stop();
  writeFileSync(`${sces.spool}/state/suppressions.db`, "this is no database, and longer than its header would be");
  await sces.start();
  await sendMail(sces.smtpPort, mail("bob@d.test"));
  await sces.waitForLog(/to=<bob@d.test>.*dsn=4.3.0, status=deferred \(the suppression list cannot be read\)/);
  expect(sink.messages).toHaveLength(0);
});
