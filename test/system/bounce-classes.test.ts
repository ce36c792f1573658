/** What failures are about decides on outcome and pace, and is told to people. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { destination } from "../harness/destination.ts";
import { instance } from "../harness/instance.ts";
import { plainMessage, sendMail } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";

const mail = (to: string) => ({ from: "alice@sender.test", to: [to], content: plainMessage(`to ${to}`) });

test("a class is in the log, the record and the report; its row decides on outcome and pace", async (context) => {
  await using sink = await destination({
    rcpt({ line }) {
      if (line.includes("full@")) return "552 5.2.2 Mailbox is overflowing";
      if (line.includes("listed@")) return "554 5.7.1 Client host [127.0.0.1] is on our list";
      return line.includes("flood@") ? "450 4.7.1 too much of it" : undefined;
    },
  });
  await using sces = await instance(
    { relayhost: `[127.0.0.1]:${sink.port}`, smtp_tls_security_level: "none" },
    {
      test: context,
      start: false,
    },
  );
  const table = join(sces.configDir, "bounce_classes");
  writeFileSync(
    table,
    `/overflowing/ none quota Tell her to make room.
/is on our list/ defer,slow=1h blacklist Ask for removal.
/too much of it/ pause=30m rate
`,
  );
  await sces.start();

  const { id: full } = await sendMail(sces.smtpPort, mail("full@d.test"));
  await sces.waitForLog(new RegExp(`${full}: to=<full@d.test>.*status=bounced \\(.*\\)$`));
  await sces.waitForLog(`${full}: category=quota, code=552, dsn=5.2.2, recipient=<full@d.test>`);
  const report = await until("the report", () => sink.messages.find(({ from }) => from === ""));
  expect(report.data.toString()).toContain("What to do: Tell her to make room.");

  const { id: listed } = await sendMail(sces.smtpPort, mail("listed@d.test"));
  await sces.waitForLog(new RegExp(`${listed}: to=<listed@d.test>.*dsn=4.7.1, status=deferred `));
  await sces.waitForLog(/smtp:\[127\.0\.0\.1\]:\d+ is delivered to slowly for 3600s: host .* is on our list/);
  await sces.waitForQueue("deferred", 1);
  const shown = (await sces.run("queue", "show", listed)).stdout;
  expect(shown).toContain("about: blacklist. Ask for removal.");
  const { recipients } = JSON.parse((await sces.run("queue", "show", "--json", listed)).stdout);
  expect(recipients[0].tries[0]).toMatchObject({ outcome: "deferred", code: 554, category: "blacklist" });

  await sendMail(sces.smtpPort, mail("flood@d.test"));
  await sces.waitForLog(/smtp:\[127\.0\.0\.1\]:\d+ is paused for 1800s: host .* too much of it/);
  const { id: next } = await sendMail(sces.smtpPort, mail("next@d.test"));
  await sces.waitForLog(new RegExp(`${next}: .*delivery temporarily suspended: host .* too much of it`));

  const { stdout, code } = await sces.run("sces", "classify", "552 5.2.2 Mailbox is overflowing");
  expect(stdout).toBe(`${table}, line 1: /overflowing/
  category: quota
  action:   none, as the code says
  advice:   Tell her to make room.
`);
  expect(code).toBe(0);
  expect((await sces.run("sces", "classify", "550 5.1.1 never heard of")).code).toBe(65);
  writeFileSync(table, "/oops\n");
  expect((await sces.run("sces", "check")).stderr).toContain(`error: ${table}, line 1: bad row`);
});
