/** An outcome that is nowhere on disk is not forgotten, however many queue managers hear of it and die. */
import { expect, test } from "vitest";
import { destination } from "../harness/destination.ts";
import { instance } from "../harness/instance.ts";
import { plainMessage, sendMail } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";

test("mail is not sent again when a second qmgr dies while it waits for another agent", async (t) => {
  await using sink = await destination({ dot: { delayMs: 1500 } });
  await using sces = await instance(
    {
      smtp_tls_security_level: "none",
      relayhost: `[127.0.0.1]:${sink.port}`,
      mydestination: "local.test",
      agent_report_timeout: "20s",
      service_start_brake: "10ms",
    },
    { test: t },
  );
  await sendMail(sces.smtpPort, { from: "a@sender.test", to: ["b@local.test"], content: plainMessage("local") });
  await sces.drained();
  await sendMail(sces.smtpPort, { from: "a@sender.test", to: ["b@d.test"], content: plainMessage("once") });
  await until("DATA", () => sink.commands.includes("DATA"));
  // The next qmgr hears of the outcome, and then has to wait for the other agent.
  sces.kill("maildir", "SIGSTOP");
  const first = sces.kill("qmgr");
  const second = await sces.waitForProcess("qmgr", first);
  await sces.waitForLog(/smtp\[\d+\]: \w+: to=<b@d\.test>.*status=sent/);
  await new Promise((resolve) => setTimeout(resolve, 500));
  sces.kill("qmgr");
  sces.kill("maildir", "SIGCONT");
  await sces.waitForProcess("qmgr", [...first, second]);
  await sces.drained();
  expect(sink.messages).toHaveLength(1);
});
