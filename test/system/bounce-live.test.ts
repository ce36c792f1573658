/** Reports by the whole system: refused, late and relayed mail, and mail that nobody can be told of. */
import { expect, test } from "vitest";
import { destination, type ReceivedMessage } from "../harness/destination.ts";
import { instance } from "../harness/instance.ts";
import { finalRecipients } from "../harness/returning.ts";
import { plainMessage, sendMail } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";

const SETTINGS = {
  smtp_tls_security_level: "none",
  queue_run_delay: "300ms",
  minimal_backoff_time: "300ms",
  maximal_backoff_time: "1s",
};

test("a message with a delivered, a late and a failed recipient is reported on once for each, and mtime holds", async (t) => {
  let isClosed = true;
  await using sink = await destination({
    extensions: ["PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 10000000"], // no DSN: reports of success are ours
    rcpt: ({ line }) => {
      if (line.includes("<never")) return "550 5.1.1 No such user here";
      return line.includes("<late") && isClosed ? "450 4.2.1 Mailbox busy" : undefined;
    },
  });
  await using sces = await instance(
    { ...SETTINGS, relayhost: `[127.0.0.1]:${sink.port}`, delay_warning_time: "1s" },
    { test: t },
  );
  const { id } = await sendMail(sces.smtpPort, {
    from: "alice@sender.test",
    to: ["ok@d.test", "late@d.test", "never@d.test"],
    content: plainMessage("mixed"),
    rcptParameters: "NOTIFY=SUCCESS,FAILURE,DELAY",
  });
  const reports = (): ReceivedMessage[] =>
    sink.messages.filter((message) => message.recipients[0] === "alice@sender.test");
  const about = (message: ReceivedMessage): string =>
    `${/^Action: (\w+)/m.exec(message.data.toString())?.[1]} ${finalRecipients(message.data.toString())}`;
  await until("the first reports", () => reports().length === 3, 20_000);
  expect(reports().map(about).sort()).toEqual(["delayed late@d.test", "failed never@d.test", "relayed ok@d.test"]);
  expect(reports().every((message) => message.from === "")).toBe(true);
  expect(sces.queue("bounce")).toEqual([]);

  isClosed = false;
  await until("the last report", () => reports().length === 4, 20_000);
  await sces.drained();
  expect(reports().map(about).sort()).toEqual([
    "delayed late@d.test",
    "failed never@d.test",
    "relayed late@d.test",
    "relayed ok@d.test",
  ]);
  expect(sces.log().filter((line) => line.includes(`${id}: sender non-delivery notification: `))).toHaveLength(1);
  expect(sces.log().filter((line) => line.includes(`${id}: sender delay notification: `))).toHaveLength(1);
  expect(sces.log().filter((line) => line.includes(`${id}: sender delivery status notification: `))).toHaveLength(2);
  expect(sces.log().filter((line) => line.endsWith(` ${id}: removed`))).toHaveLength(1);
});

test("a report that is refused ends the matter: no mail about it, and nothing is left", async (t) => {
  await using sink = await destination({ rcpt: "550 5.1.1 Nobody is here" });
  await using sces = await instance(
    {
      ...SETTINGS,
      relayhost: `[127.0.0.1]:${sink.port}`,
      notify_classes: "2bounce",
      "2bounce_notice_recipient": "root@d.test",
    },
    { test: t },
  );
  const { id } = await sendMail(sces.smtpPort, {
    from: "alice@sender.test",
    to: ["bob@d.test"],
    content: plainMessage("hopeless"),
  });
  const line = await sces.waitForLog(new RegExp(`${id}: sender non-delivery notification: `), 20_000);
  const reportId = line.slice(line.lastIndexOf(" ") + 1);
  await sces.waitForLog(new RegExp(`${reportId}: postmaster non-delivery notification: `), 20_000);
  await sces.drained();
  expect(sces.log().filter((one) => one.includes("status=bounced"))).toHaveLength(3);
  expect(sces.log().filter((one) => one.includes("notification: "))).toHaveLength(2);
  expect(sces.queue("corrupt")).toEqual([]);
});
