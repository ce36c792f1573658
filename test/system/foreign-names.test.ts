/** What somebody else put into a queue directory: no message is made of it, nothing waits for it, nothing is lost. */
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { destination } from "../harness/destination.ts";
import { instance } from "../harness/instance.ts";
import { plainMessage, sendMail } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";

test("[G9] files, links, FIFOs and directories with foreign names go to quarantine from every queue", async (t) => {
  await using sink = await destination();
  await using sces = await instance(
    { smtp_tls_security_level: "none", relayhost: `[127.0.0.1]:${sink.port}`, queue_run_delay: "300ms" },
    { test: t },
  );
  const queues = ["active", "deferred", "hold", "bounce"] as const;
  for (const queue of queues) {
    const directory = `${sces.spool}/${queue}`;
    writeFileSync(`${directory}/${queue}-file`, "mine");
    execFileSync("mkfifo", [`${directory}/${queue}-fifo`]);
    symlinkSync("/etc/hostname", `${directory}/${queue}-link`);
    mkdirSync(`${directory}/${queue}-directory`);
    // The second name of a message, where messages have none.
    if (queue !== "bounce") writeFileSync(`${directory}/4jXLM50wyrzVv44.7`, "mine");
  }
  const kept = () => sces.queue("corrupt").filter((name) => !name.endsWith(".reason"));
  await until("quarantine", () => kept().length === 4 * 4 + 3);
  for (const queue of queues) {
    for (const what of ["file", "fifo", "link", "directory"]) {
      expect(kept().filter((name) => name.endsWith(`.${queue}-${what}`))).toHaveLength(1);
    }
    await until(`${queue} is empty`, () => sces.queue(queue).length === 0);
  }
  await sendMail(sces.smtpPort, { from: "a@sender.test", to: ["b@d.test"], content: plainMessage("goes on") });
  await sink.waitFor(1);
});
