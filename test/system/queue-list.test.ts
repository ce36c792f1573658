import { linkSync, readdirSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { run } from "../../src/command/queue/run.ts";
import { walk } from "../../src/command/queue/sighting.ts";
import type { Attempt } from "../../src/mail/attempt.ts";
import { asctime } from "../../src/mail/date.ts";
import { decodeQueueId, makeQueueId } from "../../src/mail/queue-id.ts";
import { addSecondName, moveMessage } from "../../src/spool/moves.ts";
import { queuePath } from "../../src/spool/queues.ts";
import { quarantine } from "../../src/spool/quarantine.ts";
import { type Ran, TempSpool } from "../harness/temp-spool.ts";

let spool: TempSpool;
beforeEach(() => {
  spool = new TempSpool();
});
afterEach(() => spool[Symbol.dispose]());

const queue = (...args: string[]): Promise<Ran> => spool.run(run, args);
const time = (ms: number) => asctime(ms).slice(0, 19);
const arrived = (id: string) => (decodeQueueId(id.replace(/[*!#]+$/, ""))?.seconds ?? 0) * 1000;
const line = (id: string, size: number, sender: string) =>
  `${id.padEnd(17)} ${String(size).padStart(8)} ${time(arrived(id))} ${sender}\n`;
const HEADING = "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n";
const REFUSED = "connect to 127.0.0.1[127.0.0.1]:2599: Connection refused";
const now = Math.floor(Date.now() / 1000) * 1000;

function attempt(recipient: number, number: number, more: Partial<Attempt> = {}): Attempt {
  return {
    kind: "attempt",
    recipient,
    attempt: number,
    type: "refused",
    outcome: "deferred",
    time: now - 600_000,
    dsn: "4.4.1",
    text: REFUSED,
    ...more,
  };
}

describe("sces-queue list", () => {
  test("says when there is nothing", async () => {
    expect(await queue("list")).toEqual({ status: 0, stdout: "Mail queue is empty\n", stderr: "" });
    expect(await queue("list", "--json")).toEqual({ status: 0, stdout: "", stderr: "" });
  });

  test("prints as postqueue -p does, with attempts and times in a line like a reason", async () => {
    const id = await spool.add({
      to: ["one@example.org", "two@example.org", "three@example.org", "done@example.org"],
      records: [
        attempt(0, 1),
        attempt(1, 1),
        attempt(2, 1, { text: "host mx[192.0.2.1] said: 450 4.2.0 busy" }),
        attempt(3, 1, { outcome: "sent", type: "success" }),
        attempt(0, 2, { time: now - 300_000 }),
        { kind: "schedule", time: now, next: now + 300_000 },
      ],
    });
    const held = await spool.add({
      queue: "hold",
      sender: "",
      records: [{ kind: "hold", time: now, reason: "please review" }],
    });
    const { stdout } = await queue("list");
    const indent = " ".repeat(47);
    const detail = `(2 attempts, next ${time(now + 300_000)}, expires ${time(now - 600_000 + 86_400_000)})`;
    const hold = `(on hold since ${time(now)}: please review)`;
    expect(stdout).toBe(
      `${HEADING}${line(id, 38, "alice@sender.test")}${detail.padStart(78)}\n${`(${REFUSED})`.padStart(78)}\n` +
        `${indent}one@example.org\n${indent}two@example.org\n${"(host mx[192.0.2.1] said: 450 4.2.0 busy)".padStart(78)}\n` +
        `${indent}three@example.org\n\n` +
        `${line(`${held}!`, 38, "MAILER-DAEMON")}${hold.padStart(78)}\n${indent}bob@example.org\n\n` +
        "-- 0 Kbytes in 2 Requests.\n",
    );
  });

  test("the line of its own survives the scripts that mailq has", async () => {
    await spool.add({ records: [attempt(0, 1), { kind: "schedule", time: now, next: now }] });
    const { stdout } = await queue("list");
    // postsuper(1): mailq | tail -n +2 | grep -v '^ *(' | awk 'BEGIN { RS = "" } { print $1, $7, $8, $9 }'
    const text = stdout
      .split("\n")
      .slice(1)
      .filter((row) => !/^ *\(/.test(row))
      .join("\n");
    const words = text.split("\n\n")[0]?.split(/\s+/) ?? [];
    expect(words.slice(6)).toEqual(["alice@sender.test", "bob@example.org"]);
    // The last bracketed line before an address is its reason.
    expect(/\((.*)\)\n +bob@example.org/.exec(stdout)?.[1]).toBe(REFUSED);
  });

  test("marks what is being delivered and what is told to expire", async () => {
    const id = await spool.add({ queue: "active", records: [{ kind: "expire", time: now }] });
    const { stdout } = await queue("list");
    expect(stdout).toBe(
      `${HEADING}${line(`${id}*#`, 38, "alice@sender.test")}${" ".repeat(47)}bob@example.org\n\n-- 0 Kbytes in 1 Request.\n`,
    );
  });

  test("--json has the members of postqueue -j with its separators, and more behind them", async () => {
    const id = await spool.add({
      sender: "",
      to: ["one@example.org", "bad@example.org", "gone@example.org"],
      records: [
        attempt(0, 1),
        attempt(1, 1, { outcome: "bounced", type: "error", text: "host mx[192.0.2.1] said: 550 5.1.1 no" }),
        attempt(2, 1, { outcome: "sent", type: "success" }),
        { kind: "schedule", time: now, next: now + 300_000 },
      ],
    });
    const { stdout } = await queue("list", "--json");
    const seconds = Math.floor(now / 1000);
    expect(stdout).toBe(
      `{"queue_name": "deferred", "queue_id": "${id}", "arrival_time": ${arrived(id) / 1000}, "message_size": 38, ` +
        `"forced_expire": false, "sender": "MAILER-DAEMON", "recipients": [` +
        `{"address": "one@example.org", "delay_reason": "${REFUSED}"}, ` +
        `{"address": "bad@example.org", "bounce_reason": "host mx[192.0.2.1] said: 550 5.1.1 no"}], ` +
        `"attempts": 1, "first_deferred": ${seconds - 600}, "next_attempt": ${seconds + 300}, "expires": ${seconds - 600 + 86_400}}\n`,
    );
  });

  test("a message with a second name is shown once, where recipients wait, else in bounce", async () => {
    const both = await spool.add({ to: ["a@x.test", "b@x.test"], records: [attempt(0, 1, { outcome: "bounced" })] });
    addSecondName(both, "deferred", "bounce");
    const alone = await spool.add({ queue: "active", records: [attempt(0, 1, { outcome: "bounced" })] });
    addSecondName(alone, "active", "bounce");
    spool.take(alone, "active"); // its recipients are done, the report is not
    const lines = (await queue("list", "--json")).stdout.trim().split("\n");
    const shown = lines.map((text) => JSON.parse(text) as { queue_id: string; queue_name: string });
    expect(shown.map(({ queue_id, queue_name }) => [queue_id, queue_name])).toEqual([
      [both, "deferred"],
      [alone, "bounce"],
    ]);
    expect((await queue("list", "--queue", "bounce", "--json")).stdout.trim().split("\n")).toHaveLength(2);
  });

  test("[G11] text from outside cannot command a terminal", async () => {
    const evil = "a\u001b]0;x\u0007\r\n\u202e\u009b";
    await spool.add({
      queue: "hold",
      records: [{ kind: "hold", time: now, reason: evil }, attempt(0, 1, { text: evil })],
    });
    for (const args of [["list"], ["list", "--json"], ["show", spool.names("hold")[0] ?? ""], ["summary"]]) {
      const { stdout } = await queue(...args);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not get through
      expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    }
    const json = JSON.parse((await queue("list", "--json")).stdout) as { hold_reason: string };
    expect(json.hold_reason).toBe(evil);
  });

  test("a damaged file is shown as such, and the others too", async () => {
    const bad = await spool.add();
    const good = await spool.add();
    writeFileSync(`deferred/${bad}`, "no queue file at all");
    const { status, stdout } = await queue("list");
    expect(status).toBe(0);
    expect(stdout).toContain(`${bad.padEnd(17)}       20\n`);
    expect(stdout).toContain("(unreadable: ");
    expect(stdout).toContain(`${good.padEnd(17)}       38 `);
  });

  test("quarantine is shown when it is asked for, with reasons", async () => {
    const id = await spool.add();
    quarantine("deferred", id, "defer", "the first line is not that of a queue file");
    writeFileSync("drop/evil\u001bname.eml", "x");
    quarantine("drop", "evil\u001bname.eml", "pickup", "has no header");
    expect((await queue("list")).stdout).toBe("Mail queue is empty\n");
    const { stdout } = await queue("list", "--queue", "corrupt");
    expect(stdout).toContain(`(the first line is not that of a queue file; from deferred/${id}, by defer)`);
    expect(stdout).toContain("(has no header; from drop/evil\\x1bname.eml, by pickup)");
    expect(stdout).toContain("-- 0 Kbytes in 2 Requests.");
    expect((await queue("summary", "--json")).stdout).toContain('"corrupt": {"messages": 2,');
  });

  test("names of others in the directories are passed over", async () => {
    writeFileSync("deferred/README", "x");
    writeFileSync("deferred/.tmp.1.2.3", "x");
    expect((await queue("list")).stdout).toBe("Mail queue is empty\n");
  });

  test("ids narrow it down; one that is not there is worth a word", async () => {
    const id = await spool.add();
    await spool.add();
    const ran = await queue("list", `${id}!`, "4jXCKj2RJyz7k");
    expect(ran.stdout).toContain("in 1 Request.");
    expect(ran.stderr).toBe("sces-queue: 4jXCKj2RJyz7k: there is no such message\n");
    expect(ran.status).toBe(0);
  });
});

describe("filters", () => {
  const REASON = "host mx[192.0.2.1] said: 452 4.2.2 over quota";
  test.each([
    [["--from", "alice@sender.test"], 2],
    [["--from", "ALICE@Sender.Test"], 2],
    [["--from", "sender.test"], 2],
    [["--from", "alice@"], 2],
    [["--from", "<>"], 1],
    [["--from", "/^al/"], 2],
    [["--from", "*@sender.*"], 2],
    [["--from", ".test"], 2],
    [["--to", "bob@example.org"], 2],
    [["--to", "c@big.example.org"], 1],
    [["--domain", "example.org"], 2],
    [["--domain", ".example.org"], 1],
    [["--domain", "example.org", "--domain", "other.test"], 3],
    [["--domain", "/big/"], 1],
    [["--size", ">1k"], 1],
    [["--size", "<1k"], 2],
    [["--size", "38"], 3],
    [["--size", ">38"], 1],
    [["--age", "<1h"], 3],
    [["--age", ">1h"], 0],
    [["--reason", "/quota$/"], 1],
    [["--reason", "over QUOTA"], 1],
    [["--reason", "review"], 1],
    [["--queue", "hold"], 1],
    [["--queue", "hold,deferred"], 3],
    [["--queue", "active"], 0],
    [["--queue", "deferred", "--from", "<>"], 0],
    [["--from", "alice@", "--size", ">1k"], 1],
  ])("%j finds %i of three messages", async (args, count) => {
    await spool.add({ records: [attempt(0, 1, { text: REASON })] });
    await spool.add({ to: ["bob@example.org", "c@big.example.org"], content: `A: b\r\n\r\n${"x".repeat(2000)}\r\n` });
    await spool.add({
      queue: "hold",
      sender: "",
      to: ["d@other.test"],
      records: [{ kind: "hold", time: now, reason: "review" }],
    });
    const { stdout, stderr, status } = await queue("list", "--json", ...args);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout.split("\n").length - 1).toBe(count);
  });

  test("a recipient that is done does not match", async () => {
    await spool.add({ to: ["a@done.test", "b@waits.test"], records: [attempt(0, 1, { outcome: "sent" })] });
    expect((await queue("list", "--domain", "done.test")).stdout).toBe("Mail queue is empty\n");
    expect((await queue("list", "--domain", "waits.test")).stdout).toContain("in 1 Request.");
  });

  test.each([
    ["--queue", "nowhere"],
    ["--age", "soon"],
    ["--age", ">1y"],
    ["--size", "big"],
    ["--from", "a b"],
    ["--domain", "-"],
    ["--reason", "/(/"],
    ["--reason", ""],
  ])("%s %j is wrong usage: 64 and a sentence", async (option, value) => {
    const { status, stdout, stderr } = await queue("list", option, value);
    expect({ status, stdout }).toEqual({ status: 64, stdout: "" });
    expect(stderr).toContain(option);
  });
});

describe("while mail moves", () => {
  test("every message is seen once, though some come to where was looked already", async () => {
    const active = [await spool.add({ queue: "active" }), await spool.add({ queue: "active" })];
    const deferred = [await spool.add(), await spool.add(), await spool.add()];
    const seen: string[] = [];
    for await (const { id } of walk(["active", "incoming", "deferred", "hold", "bounce", "results"])) {
      if (seen.length === 0) {
        for (const due of deferred) moveMessage(due, "deferred", "active");
        for (const tried of active) moveMessage(tried, "active", "deferred");
      }
      seen.push(id);
    }
    expect(seen.sort()).toEqual([...active, ...deferred].sort());
  });

  test("who has seen enough leaves no directory open", async () => {
    await spool.add();
    const before = readdirSync("/proc/self/fd").length;
    for await (const _ of walk(["deferred", "active"])) break;
    expect(readdirSync("/proc/self/fd").length).toBe(before);
  });
});

test("a summary of many messages, by several threads, counts each once", async () => {
  const id = await spool.add({ to: ["one@example.org"] });
  const decoded = decodeQueueId(id);
  // Names of one file are as good as files, and made in no time.
  for (let number = 1; number < 7000; number += 1) {
    linkSync(queuePath("deferred", id), queuePath("deferred", makeQueueId(decoded?.seconds ?? 0, number, 1000)));
  }
  await spool.add({ queue: "active", to: ["two@example.net", "three@example.net"] });
  const { status, stdout } = await queue("summary", "--json");
  const { queues, rows } = JSON.parse(stdout);
  expect(status).toBe(0);
  expect(queues.deferred).toEqual({ messages: 7000, bytes: 7000 * 38 });
  expect(queues.active).toEqual({ messages: 1, bytes: 38 });
  expect(rows).toMatchObject([
    { name: "example.org", total: 7000 },
    { name: "example.net", total: 2 },
  ]);
});
