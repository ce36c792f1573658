import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { run } from "../../src/command/queue/run.ts";
import type { Attempt } from "../../src/mail/attempt.ts";
import type { JournalRecord } from "../../src/mail/journal.ts";
import { foldJournal, nextDue } from "../../src/mail/state.ts";
import { readQueueFile } from "../../src/spool/file.ts";
import { lockSpool } from "../../src/spool/lock.ts";
import { addSecondName } from "../../src/spool/moves.ts";
import { quarantine, readReason } from "../../src/spool/quarantine.ts";
import { type Queue, queuePath } from "../../src/spool/queues.ts";
import { type Ran, TempSpool } from "../harness/temp-spool.ts";

let spool: TempSpool;
beforeEach(() => {
  spool = new TempSpool();
});
afterEach(() => spool[Symbol.dispose]());

const queue = (...args: string[]): Promise<Ran> => spool.run(run, args);
const one = { status: 0, stdout: "1 message affected\n", stderr: "" };
const none = { status: 0, stdout: "0 messages affected\n" };
const lastOf = (queueName: Queue, id: string): JournalRecord | undefined =>
  readQueueFile(queuePath(queueName, id)).records.at(-1);
const maillog = () => readFileSync(join(spool.directory, "maillog"), "utf8");
const WAITS: JournalRecord[] = [{ kind: "schedule", time: 1000, next: Date.now() + 3_600_000 }];
const BOUNCED = {
  kind: "attempt",
  recipient: 0,
  attempt: 1,
  type: "error",
  outcome: "bounced",
  time: 1,
  dsn: "5.1.1",
  text: "no",
} satisfies Attempt;

describe("sces-queue changes a stopped system's mail", () => {
  test.each(["incoming", "active", "deferred"] as const)("hold from %s, with a reason", async (from) => {
    const id = await spool.add({ queue: from });
    expect(await queue("hold", id, "-m", "please wait")).toEqual(one);
    expect(spool.names("hold")).toEqual([id]);
    expect(lastOf("hold", id)).toMatchObject({ kind: "hold", reason: "please wait" });
    expect(maillog()).toMatch(new RegExp(`sces/queue\\[\\d+\\]: ${id}: placed on hold\n`));
  });

  test("release brings it to incoming with its history", async () => {
    const id = await spool.add({ queue: "hold", records: WAITS });
    expect(await queue("release", id)).toEqual(one);
    expect(spool.names("incoming")).toEqual([id]);
    expect(readQueueFile(queuePath("incoming", id)).records.map(({ kind }) => kind)).toEqual(["schedule", "release"]);
    expect(maillog()).toContain(`${id}: released from hold`);
  });

  test.each(["incoming", "active", "deferred", "hold", "bounce"] as const)("delete from %s", async (from) => {
    const id = await spool.add({ queue: from });
    expect(await queue("delete", id)).toEqual(one);
    expect(spool.names(from)).toEqual([]);
    expect(maillog()).toContain(`${id}: removed`);
  });

  test("delete takes the report that is owed with it, so that nobody is told", async () => {
    const id = await spool.add({ to: ["a@x.test", "b@x.test"], records: [BOUNCED] });
    addSecondName(id, "deferred", "bounce");
    expect(await queue("delete", id)).toEqual(one);
    expect(spool.names("bounce")).toEqual([]);
    expect(spool.names("deferred")).toEqual([]);
  });

  test("requeue makes it due now and keeps its id", async () => {
    const id = await spool.add({ records: WAITS });
    utimesSync(queuePath("deferred", id), Date.now() / 1000 + 3600, Date.now() / 1000 + 3600);
    expect(await queue("requeue", id)).toEqual(one);
    const { envelope, records, mtimeMs } = readQueueFile(queuePath("deferred", id));
    expect(records.at(-1)).toMatchObject({ kind: "requeue" });
    expect(nextDue(foldJournal(envelope, records))).toBeLessThanOrEqual(Date.now());
    expect(mtimeMs).toBeLessThanOrEqual(Date.now());
  });

  test.each([[["flush"]], [["flush", "ALL"]], [["flush", "--domain", "example.org"]]])(
    "%j makes it due now",
    async (args) => {
      const id = await spool.add({ records: WAITS });
      const ahead = Date.now() / 1000 + 3600;
      utimesSync(queuePath("deferred", id), ahead, ahead);
      expect(await queue(...args)).toEqual(one);
      const { envelope, records } = readQueueFile(queuePath("deferred", id));
      expect(nextDue(foldJournal(envelope, records))).toBeLessThanOrEqual(Date.now());
      expect(statSync(queuePath("deferred", id)).mtimeMs).toBeLessThanOrEqual(Date.now());
    },
  );

  test("expire marks it, also from hold, whence it goes back in line", async () => {
    const deferred = await spool.add({ records: WAITS });
    const held = await spool.add({ queue: "hold" });
    expect((await queue("expire", deferred, held)).stdout).toBe("2 messages affected\n");
    expect(lastOf("deferred", deferred)).toMatchObject({ kind: "expire" });
    expect(lastOf("incoming", held)).toMatchObject({ kind: "expire" });
  });

  test("release recovers a whole file from quarantine; a damaged one stays", async () => {
    const whole = await spool.add();
    const damaged = await spool.add();
    writeFileSync(queuePath("deferred", damaged), "damaged");
    for (const id of [whole, damaged]) quarantine("deferred", id, "defer", "looked bad");
    const ran = await queue("release", whole, damaged);
    expect(ran.stdout).toBe("1 message affected\n");
    expect(spool.names("incoming")).toEqual([whole]);
    expect(readReason(whole)).toBeUndefined();
    expect(spool.names("corrupt").sort()).toEqual([damaged, `${damaged}.reason`].sort());
    expect((await queue("delete", damaged)).stdout).toBe("1 message affected\n");
    expect(spool.names("corrupt")).toEqual([]);
  });

  test("release brings a dropped file back to drop; what was none stays", async () => {
    writeFileSync("drop/mended.eml", "From: a@b.test\n\nx\n");
    writeFileSync("drop/nothing", "x");
    const mended = quarantine("drop", "mended.eml", "pickup", "has no recipients") ?? "";
    const nothing = quarantine("drop", "nothing", "pickup", "is neither .eml nor .json") ?? "";
    expect((await queue("release", mended, nothing)).stdout).toBe("1 message affected\n");
    expect(readdirSync("drop")).toContain("mended.eml");
    expect(maillog()).toContain(`${mended}: recovered from quarantine as drop/mended.eml\n`);
    expect(await queue("delete", "ALL", "--queue", "corrupt")).toEqual(one);
    expect(spool.names("corrupt")).toEqual([]);
  });

  test("a verb that means nothing where the message is affects nothing, and says so", async () => {
    const deferred = await spool.add();
    const held = await spool.add({ queue: "hold" });
    const back = await spool.add({ queue: "bounce" });
    for (const [verb, id, where] of [
      ["release", deferred, "deferred"],
      ["hold", held, "hold"],
      ["flush", held, "hold"],
      ["requeue", back, "bounce"],
    ] as const) {
      expect(await queue(verb, id)).toEqual({
        ...none,
        stderr: `sces-queue: ${id}: nothing to ${verb}: it is in ${where}\n`,
      });
    }
    expect(spool.names("deferred")).toEqual([deferred]);
    expect(spool.names("hold")).toEqual([held]);
  });

  test("hold gives mail that is on hold another reason", async () => {
    const id = await spool.add({ queue: "hold", records: [{ kind: "hold", time: 1, reason: "old" }] });
    expect(await queue("hold", id, "-m", "new")).toEqual(one);
    expect(lastOf("hold", id)).toMatchObject({ kind: "hold", reason: "new" });
  });

  test("ALL is every message in the verb's queues, and those alone", async () => {
    for (const name of ["incoming", "active", "deferred", "deferred", "hold"] as const)
      await spool.add({ queue: name });
    expect((await queue("hold", "ALL")).stdout).toBe("4 messages affected\n");
    expect((await queue("release", "ALL")).stdout).toBe("5 messages affected\n");
    expect((await queue("delete", "ALL")).stdout).toBe("5 messages affected\n");
  });

  test("more than one batch is worked on as one", async () => {
    for (let count = 0; count < 1200; count++) await spool.add();
    expect((await queue("hold", "ALL")).stdout).toBe("1200 messages affected\n");
    expect(spool.names("hold")).toHaveLength(1200);
  });

  test("filters narrow ids down", async () => {
    const id = await spool.add({ sender: "a@x.test" });
    const other = await spool.add({ sender: "b@x.test" });
    expect((await queue("hold", id, other, "--from", "a@x.test")).stdout).toBe("1 message affected\n");
    expect(spool.names("hold")).toEqual([id]);
  });

  test("ids on standard input, as a listing shows them", async () => {
    const id = await spool.add();
    const held = await spool.add({ queue: "active" });
    const ran = await spool.run(run, ["delete", "-"], `${id}\n${held}*\n\n`);
    expect(ran).toEqual({ status: 0, stdout: "2 messages affected\n", stderr: "" });
    expect(await spool.run(run, ["delete", "-"], "")).toEqual({ ...none, stderr: "" });
  });

  test.each([
    "../../etc/passwd",
    "%2e%2e",
    "ABC/../x",
    "ABC\0",
    "",
    "x".repeat(10_000),
    "all",
    "3D360150",
    "f1.2.3./../x",
  ])("[G8] one malformed id (%j) among good ones: 65, and nothing is done", async (malformed) => {
    const id = await spool.add();
    for (const [args, input] of [
      [["delete", id, malformed], ""],
      [["delete", id, "-"], `${id} ${malformed || "#"}`],
      [["show", malformed], ""],
      [["list", malformed], ""],
    ] as const) {
      const ran = await spool.run(run, args, input);
      expect(ran.status).toBe(65);
      expect(ran.stdout).toBe("");
      expect(ran.stderr).toMatch(/^sces-queue: not a queue id: .{1,120}\n/);
    }
    expect(spool.names("deferred")).toEqual([id]);
  });

  test.each([
    [[]],
    [["bogus"]],
    [["List"]],
    [["hold"]],
    [["delete"]],
    [["show"]],
    [["show", "ALL"]],
    [["list", "--content"]],
    [["hold", "ALL", "--wait"]],
    [["flush", "--timeout", "1m"]],
    [["list", "--nonsense"]],
    [["delete", "ALL", "4jXCKj2RJyz7k"]],
    [["list", "-c"]],
  ])("%j is wrong usage: 64 and a sentence", async (args) => {
    const id = await spool.add();
    const { status, stdout, stderr } = await queue(...args);
    expect({ status, stdout }).toEqual({ status: 64, stdout: "" });
    expect(stderr).toMatch(/^\S+: .{10,}\n$/);
    expect(spool.names("deferred")).toEqual([id]);
  });

  test("--dry-run names what it would change, and changes nothing", async () => {
    const id = await spool.add({ to: ["bob@example.org", "c@example.org"] });
    const ran = await queue("delete", "ALL", "--dry-run");
    expect(ran.stdout).toBe(
      `${id} (deferred) from <alice@sender.test> to <bob@example.org> and 1 more\n1 message would be affected\n`,
    );
    const json = await queue("delete", "ALL", "--dry-run", "--json");
    expect(json.stdout).toBe(`{"queue_id": "${id}", "queue_name": "deferred"}\n{"affected": 1, "dry_run": true}\n`);
    expect(spool.names("deferred")).toEqual([id]);
  });

  test("--json tells the same to programs", async () => {
    const id = await spool.add();
    expect((await queue("hold", id, "--json")).stdout).toBe(
      `{"queue_id": "${id}", "later": false}\n{"affected": 1, "later": 0, "dry_run": false}\n`,
    );
  });

  test("flush --wait needs the running system: 69", async () => {
    await spool.add();
    const ran = await queue("flush", "--wait");
    expect(ran).toMatchObject({ status: 69, stdout: "" });
    expect(ran.stderr).toContain("--wait needs the running mail system");
  });

  test("a system whose queue manager does not listen: 75 after command_timeout, nothing changed", async () => {
    const id = await spool.add();
    const lock = lockSpool();
    try {
      const ran = await queue("delete", id);
      expect(ran).toMatchObject({ status: 75, stdout: "" });
      expect(ran.stderr).toContain("does not answer within 1 s; nothing was changed");
    } finally {
      lock.release();
    }
    expect(spool.names("deferred")).toEqual([id]);
    expect(await queue("delete", id)).toEqual(one);
  });

  test("without a spool: 69", async () => {
    const ran = await queue("list", "-o", "queue_directory=/nowhere/spool");
    expect(ran).toMatchObject({ status: 69, stdout: "" });
    expect(ran.stderr).toContain("/nowhere/spool");
  });

  test("wrong settings are said with file and line, and stop nothing but a wrong queue_directory: 78", async () => {
    const file = join(spool.configDir, "main.cf");
    const good = readFileSync(file, "utf8");
    writeFileSync(file, `queue_run_delai = 1s\n${good}`);
    const ran = await queue("list");
    expect(ran.status).toBe(0);
    expect(ran.stderr).toMatch(/warning: .*main\.cf, line 1: .*queue_run_delay/);
    writeFileSync(file, "queue_directory = ${\n");
    const lost = await queue("list");
    expect(lost.status).toBe(78);
    expect(lost.stderr).toContain("main.cf, line 1");
  });

  test.each(["list", "flush", "hold", "release", "delete", "requeue", "expire", "show", "summary"])(
    "%s --help is short and says what it takes",
    async (verb) => {
      const { status, stdout } = await queue(verb, "--help");
      expect(status).toBe(0);
      expect(stdout).toMatch(new RegExp(`^sces-queue ${verb} `));
      expect(stdout.split("\n").length).toBeLessThan(30);
    },
  );
});
