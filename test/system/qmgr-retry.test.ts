/** When each recipient is tried again: profiles, and what a message says itself. */
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { destination } from "../harness/destination.ts";
import { type Instance, instance, type Parameters } from "../harness/instance.ts";
import { plainMessage, sendMail } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";

const FAST: Parameters = {
  smtp_tls_security_level: "none",
  queue_run_delay: "200ms",
  minimal_backoff_time: "300ms",
  maximal_backoff_time: "600ms",
  drop_stable_time: "0",
};

const shown = async (sces: Instance, id: string) => JSON.parse((await sces.run("queue", "show", "--json", id)).stdout);
const utc = (ms: number) => new Date(ms).toISOString().slice(0, 19).replace("T", " ");

function drop(sces: Instance, message: object): void {
  const whole = {
    envelope: "alice@sender.test",
    mime: "From: alice@sender.test\r\nSubject: x\r\n\r\nHi\r\n",
    ...message,
  };
  const path = join(sces.directory, "message.json");
  writeFileSync(path, JSON.stringify(whole));
  renameSync(path, join(sces.spool, "drop/message.json"));
}

test("recipients of one message wait each for its own time; a flush takes all", async (context) => {
  await using sink = await destination({
    rcpt: ({ line, count }) =>
      line.includes("slow@") ? "451 4.3.0 later" : count <= 2 ? "450 4.2.1 not yet" : undefined,
  });
  await using sces = await instance(
    {
      ...FAST,
      relayhost: `[127.0.0.1]:${sink.port}`,
      retry_profiles: "{ hourly: 1h; jitter 10% }",
      retry_profile_maps: "inline:{slow@d.test=hourly}",
    },
    { test: context },
  );
  const { id } = await sendMail(sces.smtpPort, {
    from: "alice@sender.test",
    to: ["slow@d.test", "quick@d.test"],
    content: plainMessage("two"),
  });
  await sces.waitForLog(new RegExp(`${id}: to=<quick@d.test>.*status=sent`));
  await sces.waitForQueue("deferred", 1);
  const tries = () => sces.log().filter((line) => line.includes(`${id}: to=<slow@d.test>`)).length;
  expect(tries()).toBe(1);
  const { recipients, next_attempt_ms: next, arrival_ms: arrival } = await shown(sces, id);
  expect(recipients).toMatchObject([
    { status: "waiting", attempts: 1, next_attempt_ms: next },
    { status: "sent", attempts: 2 },
  ]);
  expect(next - arrival).toBeGreaterThan(53 * 60_000);
  expect((await sces.run("queue", "flush", id)).code).toBe(0);
  await until("a second try", () => tries() === 2);
});

test("mail that came as JSON is tried when it says, and not after its own limits", async (context) => {
  await using sink = await destination({
    rcpt: ({ line }) => (line.includes("late@") ? "450 4.2.1 Mailbox busy" : undefined),
  });
  await using sces = await instance({ ...FAST, relayhost: `[127.0.0.1]:${sink.port}` }, { test: context });
  const own = (line: string) => /([^ ]+): from=<alice@sender\.test>, status=expired/.exec(line)?.[1];

  // Over before it was read: no attempt, type expired.
  drop(sces, { recipient: "gone@d.test", maxdelivertime: "2020-01-01 00:00:00" });
  await sces.waitForLog(/status=expired, returned to sender/);
  expect(sink.commands.filter((line) => line.includes("gone@"))).toEqual([]);
  const report = await until("its report", () => sink.messages.find(({ from }) => from === ""));
  expect(report.data.toString()).toMatch(/^Status: 4\.4\.7\r$/m);

  // No attempt is left: the last error is the result.
  const from = sces.log().length;
  drop(sces, { recipient: "late@d.test", maxattempts: 2, retries: [0] });
  const line = await sces.waitForLog(/status=expired, returned to sender/, undefined, from);
  const id = own(line) ?? "";
  expect(sces.log().filter((one) => one.includes(`${id}: to=<late@d.test>`))).toHaveLength(2);
  const second = await until("its report", () => sink.messages.filter(({ from: sender }) => sender === "")[1]);
  expect(second.data.toString()).toContain("Mailbox busy");

  // Not before its time, and no attempt is counted until then.
  const due = Math.ceil(Date.now() / 1000) * 1000 + 1000;
  drop(sces, { recipient: "then@d.test", nextattempt: utc(due) });
  const [waiting = ""] = await sces.waitForQueue("deferred", 1);
  expect(await shown(sces, waiting)).toMatchObject({ next_attempt_ms: due, attempts: 0 });
  const sent = await until("it", () => sink.messages.find(({ recipients }) => recipients.includes("then@d.test")));
  expect(sent.time).toBeGreaterThanOrEqual(due - 1000);
});
