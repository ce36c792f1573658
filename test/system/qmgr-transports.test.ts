/** Routing by tables, and the transports that the queue manager is itself: discard, error, retry, hold. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type Destination, destination } from "../harness/destination.ts";
import { type Instance, instance } from "../harness/instance.ts";
import { plainMessage, sendMail } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";

let sink: Destination;
let other: Destination;
let sces: Instance;

beforeAll(async () => {
  sink = await destination();
  other = await destination();
  sces = await instance(
    {
      smtp_tls_security_level: "none",
      relayhost: `[127.0.0.1]:${sink.port}`,
      sender_dependent_relayhost_maps: `inline:{@special.test=[127.0.0.1]:${other.port}}`,
      transport_maps: "texthash:transport",
      smtpd_reject_unlisted_recipient: "no", // it would refuse what goes to error
    },
    { start: false },
  );
  writeTable("retry:closed");
  await sces.start();
});

beforeEach(({ onTestFailed }) => {
  onTestFailed(() => console.error(sces?.report()));
});

afterAll(async () => {
  await sces?.[Symbol.asyncDispose]();
  await Promise.all([sink?.close(), other?.close()]);
});

/** `later`: where mail for later.test goes. */
function writeTable(later: string): void {
  const lines = [
    "moved.test error:5.1.6 This user has moved",
    "trap.test discard:spam trap",
    "watch.test hold:look at this",
    `later.test ${later}`,
  ];
  writeFileSync(join(sces.configDir, "transport"), `${lines.join("\n")}\n`);
}

async function send(to: readonly string[], from = "alice@sender.test"): Promise<string> {
  return (await sendMail(sces.smtpPort, { from, to: [...to], content: plainMessage("x") })).id;
}

const line = (id: string, rest: string) => sces.waitForLog(new RegExp(`sces/\\w+\\[\\d+\\]: ${id}: ${rest}`));

test("mail to discard counts as sent, mail to error is returned, each with one line in the log", async () => {
  const id = await send(["a@trap.test", "b@moved.test"], "a@s.test");
  await line(id, "to=<a@trap.test>, relay=none, delay=\\S+, delays=\\S+, dsn=2.0.0, status=sent \\(spam trap\\)$");
  await line(id, "to=<b@moved.test>, relay=none, .*dsn=5.1.6, status=bounced \\(This user has moved\\)$");
  await line(id, "sender non-delivery notification: ");
  await line(id, "removed$");
  const report = await until("the report", () => sink.messages.find(({ recipients }) => recipients[0] === "a@s.test"));
  expect(report.data.toString()).toContain("This user has moved");
});

test("mail to retry waits, and is routed anew at its next try, by the table as it is then", async () => {
  const id = await send(["a@later.test"]);
  await line(id, "to=<a@later.test>, relay=none, .*dsn=4.0.0, status=deferred \\(closed\\)$");
  await until("it in deferred", () => sces.queue("deferred").includes(id));
  writeTable(`relay:[127.0.0.1]:${other.port}`);
  await until("another route", async () => {
    await sces.run("queue", "flush", id);
    return other.messages.find((message) => message.recipients.includes("a@later.test"));
  });
  await line(id, "removed$");
});

test("the sender decides on the relayhost", async () => {
  await send(["a@far.test"], "s@special.test");
  await until("it there", () => other.messages.find((message) => message.recipients.includes("a@far.test")));
});

test("hold: the others are delivered first; once released it is delivered, and not held again", async () => {
  const id = await send(["a@far.test", "b@watch.test"]);
  await line(id, "to=<a@far.test>, .*status=sent");
  await line(id, "hold: transport hold for <b@watch.test>: look at this$");
  await until("it on hold", () => sces.queue("hold").includes(id));
  expect((await sces.run("queue", "show", id)).stdout).toContain("look at this");
  await sces.run("queue", "release", id);
  await line(id, "to=<b@watch.test>, relay=127.0.0.1.*status=sent");
  await line(id, "removed$");
});
