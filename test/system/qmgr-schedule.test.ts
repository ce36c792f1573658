/** The queue manager: when mail is tried again, when it is given up, and who waits for whom. */
import { expect, test } from "vitest";
import { destination } from "../harness/destination.ts";
import { freePort } from "../harness/free-port.ts";
import { instance } from "../harness/instance.ts";
import { plainMessage, sendMail, SmtpClient } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";

const FAST = {
  smtp_tls_security_level: "none",
  queue_run_delay: "200ms",
  minimal_backoff_time: "300ms",
  maximal_backoff_time: "600ms",
};

function mail(to: string | readonly string[], from = "alice@sender.test") {
  const recipients = typeof to === "string" ? [to] : to;
  return { from, to: recipients, content: plainMessage(`to ${recipients[0]}`) };
}

test("mail that stays undeliverable is returned at its lifetime, counted from the first deferral", async (context) => {
  await using sink = await destination({
    rcpt: ({ line }) => (line.includes("late@") ? "450 4.2.1 Mailbox busy" : undefined),
  });
  await using sces = await instance(
    { ...FAST, relayhost: `[127.0.0.1]:${sink.port}`, maximal_queue_lifetime: "2s", bounce_queue_lifetime: "2s" },
    { test: context },
  );
  const started = Date.now();
  const { id } = await sendMail(sces.smtpPort, mail("late@d.test"));
  await sces.waitForLog(`${id}: from=<alice@sender.test>, status=expired, returned to sender`);
  const tookMs = Date.now() - started;
  expect(tookMs).toBeGreaterThan(1900);
  expect(tookMs).toBeLessThan(4500);
  await sces.waitForLog(new RegExp(`${id}: sender non-delivery notification: `));
  const report = await until("the report", () => sink.messages.find((one) => one.from === ""));
  const text = report.data.toString();
  expect(text).toMatch(/^Action: failed\r$/m);
  expect(text).toMatch(/^Status: 4\.2\.1\r$/m);
  expect(text).toContain("Mailbox busy");
  await sces.drained();
  const tries = sces.log().filter((line) => line.includes(`${id}: to=<late@d.test>`));
  expect(tries.length).toBeGreaterThanOrEqual(4);
});

test("a lifetime that was shortened applies to mail that is queued already", async (context) => {
  await using sink = await destination({ rcpt: ({ line }) => (line.includes("late@") ? "450 4.2.1 busy" : undefined) });
  await using sces = await instance({ ...FAST, relayhost: `[127.0.0.1]:${sink.port}` }, { test: context });
  const { id } = await sendMail(sces.smtpPort, mail("late@d.test"));
  await sces.waitForQueue("deferred", 1);
  sces.configure({ maximal_queue_lifetime: "1s", bounce_queue_lifetime: "1s" });
  expect((await sces.run("sces", "reload")).code).toBe(0);
  await sces.waitForLog(`${id}: from=<alice@sender.test>, status=expired, returned to sender`);
});

test("a backoff that was shortened applies to mail that is queued already", async (context) => {
  await using sink = await destination({ rcpt: ["450 4.2.1 busy", "250 2.1.5 Ok"] });
  await using sces = await instance(
    { ...FAST, relayhost: `[127.0.0.1]:${sink.port}`, minimal_backoff_time: "1h", maximal_backoff_time: "1h" },
    { test: context },
  );
  await sendMail(sces.smtpPort, mail("late@d.test"));
  await sces.waitForQueue("deferred", 1);
  sces.configure({ minimal_backoff_time: "300ms", maximal_backoff_time: "600ms" });
  await sces.run("sces", "reload");
  await sces.drained();
  expect(sink.messages).toHaveLength(1);
});

test("lifetime 0 means one attempt", async (context) => {
  await using sink = await destination({ rcpt: ({ line }) => (line.includes("late@") ? "450 4.2.1 busy" : undefined) });
  await using sces = await instance(
    { ...FAST, relayhost: `[127.0.0.1]:${sink.port}`, maximal_queue_lifetime: "0", bounce_queue_lifetime: "0" },
    { test: context },
  );
  const { id } = await sendMail(sces.smtpPort, mail("late@d.test"));
  await sces.waitForLog(`${id}: from=<alice@sender.test>, status=expired, returned to sender`);
  await sces.drained();
  expect(sces.log().filter((line) => line.includes(`${id}: to=<late@d.test>`))).toHaveLength(1);
});

test("a dead destination suspends its own mail only, and comes back by itself", async (context) => {
  const dead = await freePort();
  await using sces = await instance(
    {
      ...FAST,
      minimal_backoff_time: "2s",
      maximal_backoff_time: "2s",
      mydestination: "local.test",
      relayhost: `[127.0.0.1]:${dead}`,
    },
    { test: context },
  );
  const client = await SmtpClient.connect(sces.smtpPort);
  await client.hello();
  const ids: string[] = [];
  for (let count = 0; count < 8; count += 1) ids.push((await client.send(mail(`r${count}@d.test`))).id);
  await client.quit();
  const suspended =
    /status=deferred \(delivery temporarily suspended: connect to 127\.0\.0\.1\[127\.0\.0\.1\]:\d+: Connection refused\)/;
  await sces.waitForQueue("deferred", 8);
  // A line is written at the end of the turn in which its message was moved.
  const linesSoFar = () => sces.log().filter((line) => ids.some((id) => line.includes(`${id}: to=`)));
  await until("a line for each", () => linesSoFar().length >= ids.length);
  const lines = linesSoFar();
  const untried = lines.filter((line) => suspended.test(line));
  expect(lines).toHaveLength(8);
  expect(untried.length).toBeGreaterThan(0);
  const status = JSON.parse((await sces.run("sces", "status", "--json")).stdout);
  expect(status.qmgr.suspended).toMatchObject([{ transport: "smtp", nexthop: `[127.0.0.1]:${dead}` }]);
  const { id: local } = await sendMail(sces.smtpPort, mail("carol@local.test"));
  await sces.waitForLog(new RegExp(`maildir\\[\\d+\\]: ${local}: to=<carol@local.test>.*status=sent`));

  await using revived = await destination({ port: dead });
  await sces.drained(15_000);
  expect(revived.messages).toHaveLength(8);
});

test("a message is split by destination_recipient_limit, each recipient once", async (context) => {
  await using sink = await destination();
  await using sces = await instance(
    { ...FAST, relayhost: `[127.0.0.1]:${sink.port}`, smtp_destination_recipient_limit: 4 },
    { test: context },
  );
  const to = Array.from({ length: 10 }, (_, index) => `r${index}@d.test`);
  await sendMail(sces.smtpPort, mail(to));
  await sces.drained();
  expect(sink.messages.map((one) => one.recipients.length).sort()).toEqual([2, 4, 4]);
  expect(sink.messages.flatMap((one) => one.recipients).sort()).toEqual(to);
});

test("a rate delay parts the deliveries to one destination", async (context) => {
  await using sink = await destination();
  await using sces = await instance(
    { ...FAST, relayhost: `[127.0.0.1]:${sink.port}`, smtp_destination_rate_delay: "300ms" },
    { test: context },
  );
  for (let count = 0; count < 4; count += 1) await sendMail(sces.smtpPort, mail(`r${count}@d.test`));
  await sces.drained();
  const times = sink.messages.map((one) => one.time).sort((a, b) => a - b);
  for (let at = 1; at < times.length; at += 1) expect((times[at] ?? 0) - (times[at - 1] ?? 0)).toBeGreaterThan(280);
});

test("concurrency stays within the destination's limit", async (context) => {
  let open = 0;
  let most = 0;
  await using sink = await destination({
    mail: () => {
      open += 1;
      most = Math.max(most, open);
      return { delayMs: 30 };
    },
    dot: () => {
      open -= 1;
      return undefined;
    },
  });
  await using sces = await instance(
    { ...FAST, relayhost: `[127.0.0.1]:${sink.port}`, smtp_destination_concurrency_limit: 3 },
    { test: context },
  );
  const client = await SmtpClient.connect(sces.smtpPort);
  await client.hello();
  for (let count = 0; count < 20; count += 1) await client.send(mail(`r${count}@d.test`));
  await client.quit();
  await sces.drained();
  expect(sink.messages).toHaveLength(20);
  expect(most).toBeLessThanOrEqual(3);
});

test("a delay warning is sent once for each time, and an all-clear if it is wanted", async (context) => {
  let warned = false;
  await using sink = await destination({
    rcpt: ({ line }) => (line.includes("late@") && !warned ? "450 4.2.1 busy" : undefined),
  });
  await using sces = await instance(
    {
      ...FAST,
      relayhost: `[127.0.0.1]:${sink.port}`,
      delay_warning_time: "1500ms, 100ms",
      confirm_delay_cleared: "yes",
    },
    { test: context },
  );
  const { id } = await sendMail(sces.smtpPort, mail("late@d.test"));
  const notices = () => sces.log().filter((line) => line.includes(`${id}: sender delay notification: `)).length;
  await until("both warnings", () => notices() === 2);
  warned = true;
  await sces.drained(15_000);
  const reports = sink.messages.filter((one) => one.from === "").map((one) => one.data.toString());
  const actions = reports.map((text) => /^Action: (\w+)\r$/m.exec(text)?.[1]);
  expect(actions.toSorted()).toEqual(["delayed", "delayed", "relayed"]);
  expect(reports.find((text) => text.includes("Action: relayed"))).toContain(
    "You were told that your message was late",
  );
  expect(sink.messages.filter((one) => one.recipients.includes("late@d.test"))).toHaveLength(1);
});

test("success is reported when it was asked for and the next hop has no DSN", async (context) => {
  await using sink = await destination({ extensions: ["PIPELINING", "8BITMIME"] });
  await using sces = await instance({ ...FAST, relayhost: `[127.0.0.1]:${sink.port}` }, { test: context });
  const { id } = await sendMail(sces.smtpPort, { ...mail("bob@d.test"), rcptParameters: "NOTIFY=SUCCESS" });
  await sces.waitForLog(new RegExp(`${id}: sender delivery status notification: `));
  await sces.drained();
  const report = sink.messages.find((one) => one.from === "");
  expect(report?.data.toString()).toMatch(/^Action: (relayed|delivered)\r$/m);
});
