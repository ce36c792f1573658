/** The log is Postfix's, so that its tools count our traffic. */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { destination } from "../harness/destination.ts";
import { instance, runCommand } from "../harness/instance.ts";
import { plainMessage, SmtpClient, sendMail } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";

test.skipIf(!isInstalled("pflogsumm"))("pflogsumm counts what went through", async (t) => {
  let isOpen = false;
  await using sink = await destination({
    rcpt: ({ line }) => {
      if (line.includes("<never")) return "550 5.1.1 No such user here";
      return line.includes("<later") && !isOpen ? "450 4.2.1 Mailbox busy" : undefined;
    },
  });
  await using sces = await instance(
    {
      relayhost: `[127.0.0.1]:${sink.port}`,
      smtp_tls_security_level: "none",
      message_size_limit: 100_000,
      queue_run_delay: "300ms",
      minimal_backoff_time: "300ms",
      maximal_backoff_time: "1s",
    },
    { test: t },
  );
  const send = (...to: string[]): Promise<unknown> =>
    sendMail(sces.smtpPort, { from: "alice@sender.test", to, content: plainMessage(to.join(" ")) });
  for (let number = 0; number < 6; number++) await send(`now${number}@one.test`);
  await send("a@one.test", "b@one.test", "c@two.test");
  await send("later1@two.test");
  await send("later2@two.test", "now@one.test");
  await send("never1@three.test");
  await send("never2@three.test", "now@three.test");
  const handed = await sces.runWithInput(
    "Subject: by hand\n\nHello.\n",
    "sendmail",
    "-f",
    "cli@sender.test",
    "cli@one.test",
  );
  expect(handed.code).toBe(0);
  // Refused at the door, and so never received.
  const client = await SmtpClient.connect(sces.smtpPort);
  await client.hello();
  expect((await client.command("MAIL FROM:<big@sender.test> SIZE=999999")).code).toBe(552);
  await client.quit();

  const lines = (part: string): number => sces.log().filter((line) => line.includes(part)).length;
  await until("a deferral of each", () => lines("to=<later1") > 0 && lines("to=<later2") > 0);
  isOpen = true;
  await sces.drained();
  await until("the disconnect to be logged", () => lines("]: disconnect from") >= 12);

  const { code, stdout } = await runCommand("pflogsumm", [
    "--syslog_name=sces",
    "--verbose_msg_detail",
    sces.maillog.path,
  ]);
  expect(code).toBe(0);
  const total = (name: string): number => Number(new RegExp(`^\\s+(\\d+)\\s+${name}`, "m").exec(stdout)?.[1]);
  expect({
    received: total("received"),
    delivered: total("delivered"),
    deferred: total("deferred"),
    bounced: total("bounced"),
    rejected: total("rejected"),
    senders: total("senders"),
    recipients: total("recipients"),
  }).toEqual({
    received: 12, // eleven by SMTP, one by hand; our own reports are not received
    delivered: 6 + 3 + 1 + 2 + 1 + 1 + 2, // recipients, two reports among them
    deferred: 2, // messages
    bounced: 2,
    rejected: 1,
    senders: 2, // of what was received
    recipients: sink.messages.length > 0 ? new Set(sink.messages.flatMap(({ recipients }) => recipients)).size : 0,
  });
  expect(Number(/\((\d+)\s+deferrals\)/.exec(stdout)?.[1])).toBe(lines("status=deferred"));
  expect(stdout).toContain("Message size exceeds"); // the reason of the rejection
});

function isInstalled(program: string): boolean {
  try {
    execFileSync("/bin/sh", ["-c", `command -v ${program}`], { stdio: "pipe" });
    return true;
  } catch {
    console.log(`skipped: there is no ${program}`);
    return false;
  }
}
