/** sces-queue on a running system. */
import { renameSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { run } from "../../src/command/queue/run.ts";
import { type Destination, destination, type ReceivedMessage } from "../harness/destination.ts";
import { type Instance, instance } from "../harness/instance.ts";
import { plainMessage, sendMail } from "../harness/smtp-client.ts";
import { type Ran, runHere } from "../harness/temp-spool.ts";
import { until } from "../harness/until.ts";

let sink: Destination;
let sces: Instance;
const closed = new Set<string>(); // recipients that the destination puts off while they are in here
let slowMs = 0; // before each reply to the end of data

beforeAll(async () => {
  sink = await destination({
    rcpt: ({ line }) => (closed.has(/<([^>]*)>/.exec(line)?.[1] ?? "") ? "450 4.2.1 Mailbox busy" : undefined),
    dot: () => ({ delayMs: slowMs }),
  });
  sces = await instance({
    relayhost: `[127.0.0.1]:${sink.port}`,
    smtp_tls_security_level: "none",
    daemon_timeout: "60s", // a test stops qmgr for a moment
  });
});

beforeEach(({ onTestFailed }) => {
  onTestFailed(() => console.error(sces?.report()));
});

afterEach(async () => {
  slowMs = 0;
  closed.clear();
  await queue("delete", "ALL");
  await sces.drained();
});

afterAll(async () => {
  await sces?.[Symbol.asyncDispose]();
  await sink?.close();
});

const queue = (...args: string[]): Promise<Ran> => runHere(run, args, { SCES_CONFIG_DIRECTORY: sces.configDir });
const arrivedFor = (recipient: string): ReceivedMessage[] =>
  sink.messages.filter((message) => message.recipients.includes(recipient));
const arrived = (recipient: string): Promise<unknown> =>
  until(`mail for ${recipient}`, () => arrivedFor(recipient).length > 0, 15_000);
const gone = (id: string): Promise<string> => sces.waitForLog(new RegExp(`\\]: ${id}: removed$`));
const affected = (count: number) => ({
  status: 0,
  stdout: count === 1 ? "1 message affected\n" : `${count} messages affected\n`,
  stderr: "",
});

/** A message that the destination has put off. */
async function deferred(recipient: string, from = "alice@sender.test"): Promise<string> {
  closed.add(recipient);
  const { id } = await sendMail(sces.smtpPort, { from, to: [recipient], content: plainMessage(recipient) });
  await until(`${id} in deferred`, () => sces.queue("deferred").includes(id));
  return id;
}

describe("sces-queue on a running system", () => {
  test("flush --wait tells what became of each", async () => {
    const stays = await deferred("stays@d.test");
    const goes = await deferred("goes@d.test");
    closed.delete("goes@d.test");
    const ran = await queue("flush", "--wait", stays, goes);
    expect(ran.stdout.split("\n").sort()).toEqual([
      "",
      "2 messages affected",
      expect.stringMatching(`^${stays}: deferred \\(host \\S+ said: 450 4\\.2\\.1 Mailbox busy `),
      expect.stringMatching(`^${goes}: sent \\(250 2\\.0\\.0 Ok: queued as `),
    ]);
    expect(ran.status).toBe(0);
  });

  test("a message that came to active and was not told of is held", async () => {
    const id = await deferred("untold@hold.test");
    renameSync(join(sces.spool, "deferred", id), join(sces.spool, "active", id)); // and then its feeder dies
    expect((await queue("hold", id)).stdout).toMatch(/^1 message affected/);
    await until(`${id} in hold`, () => sces.queue("hold").includes(id));
  });

  test("flush without ids tries all that is deferred", async () => {
    const ids = [await deferred("one@flush.test"), await deferred("two@flush.test")];
    closed.delete("one@flush.test");
    closed.delete("two@flush.test");
    expect(await queue("flush")).toEqual(affected(2));
    for (const id of ids) await gone(id);
  });

  test("flush --site tries what waits for that domain alone", async () => {
    const other = await deferred("a@other.test");
    await deferred("a@site.test");
    closed.delete("a@site.test");
    closed.delete("a@other.test");
    expect(await queue("flush", "--site", "site.test")).toEqual(affected(1));
    await arrived("a@site.test");
    expect(sces.queue("deferred")).toEqual([other]);
    expect(await queue("flush", "ALL")).toEqual(affected(1));
    await gone(other);
  });

  test("hold with a filter, list, release", async () => {
    const id = await deferred("held@d.test", "spammer@sender.test");
    const other = await deferred("kept@d.test");
    expect(await queue("hold", "--from", "spammer@", "-m", "spam run")).toEqual(affected(1));
    expect(sces.queue("hold")).toEqual([id]);
    const list = await queue("list");
    expect(list.stdout).toMatch(new RegExp(`^${id}! .*\n +\\(1 attempt, on hold since .*: spam run\\)$`, "m"));
    closed.delete("held@d.test");
    expect(await queue("release", id)).toEqual(affected(1));
    await arrived("held@d.test");
    await gone(id);
    expect(await queue("delete", other)).toEqual(affected(1));
    await gone(other);
  });

  test("requeue tries at once and keeps id and history", async () => {
    const id = await deferred("again@d.test");
    closed.delete("again@d.test");
    expect(await queue("requeue", id)).toEqual(affected(1));
    await gone(id);
    const line = sces.log().find((text) => text.includes(`${id}: to=<again@d.test>`) && text.includes("status=sent"));
    expect(line).toBeDefined();
  });

  test("expire returns it to its sender, also from hold", async () => {
    const waits = await deferred("old@d.test", "sender1@sender.test");
    const held = await deferred("older@d.test", "sender2@sender.test");
    expect(await queue("hold", held)).toEqual(affected(1));
    expect(await queue("expire", waits, held)).toEqual(affected(2));
    for (const [id, sender] of [
      [waits, "sender1@sender.test"],
      [held, "sender2@sender.test"],
    ] as const) {
      await arrived(sender);
      expect(arrivedFor(sender)[0]?.from).toBe("");
      await sces.waitForLog(`${id}: from=<${sender}>, status=force-expired, returned to sender`);
      await gone(id);
    }
  });

  test("delete tells nobody", async () => {
    const id = await deferred("never@d.test", "untold@sender.test");
    expect(await queue("delete", id)).toEqual(affected(1));
    await gone(id);
    await sces.drained();
    expect(arrivedFor("untold@sender.test")).toEqual([]);
  });

  test("what is in conversation is finished first, and said so", async () => {
    slowMs = 500;
    const { id } = await sendMail(sces.smtpPort, {
      from: "alice@sender.test",
      to: ["slow@d.test", "slow2@d.test"],
      content: plainMessage("slow"),
    });
    await until("the message in active", () => sces.queue("active").includes(id));
    await until("a delivery", () => sink.commands.some((line) => line.includes("slow@d.test")));
    const ran = await queue("hold", id);
    slowMs = 0;
    expect(ran.stdout).toBe("1 message affected (1 after the current attempt)\n");
    await gone(id); // both recipients were in that conversation
    expect(arrivedFor("slow@d.test")).toHaveLength(1);
  });

  test("an unknown id affects nothing", async () => {
    const ran = await queue("hold", "4jXCKj2RJyz7k");
    expect(ran).toMatchObject({ status: 0, stdout: "0 messages affected\n" });
  });

  test("show tells the history of a message", async () => {
    const id = await deferred("shown@d.test");
    const { stdout, status } = await queue("show", id);
    expect(status).toBe(0);
    expect(stdout).toMatch(/<shown@d\.test>: waits after 1 attempt, next in 5m|next in 4m 59s/);
    expect(stdout).toMatch(/attempt 1: put off at .*\(4\.2\.1\): host .* said: 450 4\.2\.1 Mailbox busy/);
    expect(stdout).toMatch(
      /\nLast session that failed for <shown@d\.test>:\n {2}127\.0\.0\.1\[127\.0\.0\.1\]:\d+, begun .*\n {2} +\d\.\d{3} {5}connected/,
    );
    expect(stdout).toMatch(/\n {2} +\d\.\d{3} {2}S: 450 4\.2\.1 Mailbox busy\n/);
    const json = JSON.parse((await queue("show", id, "--json")).stdout);
    expect(json.transcripts).toMatchObject([{ recipients: [0], sessions: [{ host: "127.0.0.1", port: sink.port }] }]);
    expect(json.transcripts[0].sessions[0].lines).toContainEqual({
      ms: expect.any(Number),
      who: "C",
      text: "RCPT TO:<shown@d.test>",
    });
    const content = await queue("show", id, "--content");
    expect(content.stdout).toMatch(/^Received: from [\s\S]*\r\nSubject: shown@d\.test\r\n[\s\S]*\r\n\r\nHello\.\r\n$/);
    expect(await queue("delete", id)).toEqual(affected(1));
  });

  test("a queue manager that is stuck: 75, and nothing was changed", async () => {
    const id = await deferred("stuck@d.test");
    const pids = sces.kill("qmgr", "SIGSTOP");
    try {
      const ran = await queue("delete", id, "-o", "command_timeout=1s");
      expect(ran).toMatchObject({ status: 75, stdout: "" });
      expect(ran.stderr).toContain("qmgr has not answered within 1 s; nothing was changed");
      expect(await queue("list")).toMatchObject({ status: 0, stdout: expect.stringContaining(id) });
    } finally {
      for (const pid of pids) process.kill(pid, "SIGCONT");
    }
    expect(sces.queue("deferred")).toContain(id);
    expect(await queue("delete", id)).toEqual(affected(1));
  });

  test("sendmail's -bp and -q are sces-queue's list and flush", async () => {
    const id = await deferred("bp@d.test");
    const list = await sces.run("sendmail", "-bp");
    expect(list).toMatchObject({ code: 0, stdout: expect.stringContaining(id) });
    closed.delete("bp@d.test");
    expect(await sces.run("sendmail", `-qI${id}`)).toMatchObject({ code: 0, stdout: "1 message affected\n" });
    await gone(id);
  });

  test("sendmail's -bs is a session with smtpd", async () => {
    const lines = [
      "EHLO me.test",
      "MAIL FROM:<bs@sender.test>",
      "RCPT TO:<bs@d.test>",
      "DATA",
      "Subject: x",
      "",
      "..x",
      ".",
      "QUIT",
    ];
    const ran = await sces.runWithInput(`${lines.join("\n")}\n`, "sendmail", "-bs");
    expect(ran.stdout).toMatch(
      /^220 [\s\S]*\r\n250 2\.1\.5 Ok\r\n354 [\s\S]*\r\n250 2\.0\.0 Ok: queued as \w+\r\n221 2\.0\.0 Bye\r\n$/,
    );
    expect(ran.code).toBe(0);
    await arrived("bs@d.test");
    expect(arrivedFor("bs@d.test")[0]?.data.toString()).toMatch(/Subject: x\r\n[\s\S]*\r\n\r\n\.x\r\n$/);
  });
});
