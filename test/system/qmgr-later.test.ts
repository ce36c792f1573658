/** What a command was promised for after the current attempt is done, also when qmgr dies before. */
import { expect, test } from "vitest";
import { destination } from "../harness/destination.ts";
import { instance } from "../harness/instance.ts";
import { plainMessage, sendMail } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";

test("hold, delete and expire of mail in conversation outlive qmgr", async (t) => {
  const verbs = ["hold", "delete", "expire"] as const;
  await using sink = await destination({
    rcpt: ({ line }) =>
      line.includes("<s@sender.test>") ? undefined : { delayMs: 2000, reply: "450 4.2.1 Mailbox busy" },
  });
  await using sces = await instance(
    { smtp_tls_security_level: "none", relayhost: `[127.0.0.1]:${sink.port}`, service_start_brake: "10ms" },
    { test: t },
  );
  const ids = new Map<string, string>();
  for (const verb of verbs) {
    const { id } = await sendMail(sces.smtpPort, {
      from: "s@sender.test",
      to: [`${verb}@d.test`],
      content: plainMessage(verb),
    });
    ids.set(verb, id);
  }
  await until("three conversations", () => sink.commands.filter((line) => line.startsWith("RCPT")).length === 3);
  for (const verb of verbs) {
    const reply = await sces.run("queue", verb, ids.get(verb) ?? "");
    expect(reply.stdout).toBe("1 message affected (1 after the current attempt)\n");
  }
  sces.kill("qmgr");
  await until("active to be empty", () => sces.queue("active").length === 0);
  await until("the report", () => sink.messages.length === 1);
  expect(sink.messages[0]?.from).toBe("");
  await sces.drained();
  expect(sces.queue("hold")).toEqual([ids.get("hold")]);
  const shown = await sces.run("queue", "show", ids.get("hold") ?? "");
  expect(shown.stdout.match(/put on hold/g)).toHaveLength(1);
});
