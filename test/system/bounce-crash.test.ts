/**
 * NDR once: a crash between any two steps leaves exactly one report for each failure. The steps are those of
 * report-once.ts; a crash is simulated by never going on, and for the real process by kill -9.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync, renameSync, truncateSync, unlinkSync } from "node:fs";
import { cwd } from "node:process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { rawValues, testConfig } from "../../src/config/load.ts";
import type { JournalRecord } from "../../src/mail/journal.ts";
import { reportOnce, type Step } from "../../src/process/bounce/report-once.ts";
import { readQueueFile } from "../../src/spool/file.ts";
import { appendRecords } from "../../src/spool/journal.ts";
import { sweepTemps } from "../../src/spool/temp.ts";
import { bench, finalRecipients, outcome, published, putMessage } from "../harness/returning.ts";
import { useSpool } from "../harness/spool.ts";
import { until } from "../harness/until.ts";

useSpool();

const recipients = [
  { address: "a@e.test" },
  { address: "b@e.test", notify: ["SUCCESS" as const] },
  { address: "c@e.test" },
];
const records: JournalRecord[] = [outcome(0, "bounced"), outcome(1, "sent"), outcome(2, "deferred")];
const steps: Step[] = ["sealed", "announced", "published", "reported"];

/** Runs the protocol up to the nth step and no further, as if the process died there. */
async function dieAfter(count: number, name: { id: string; generation: number }): Promise<Step | undefined> {
  const run = reportOnce(name, bench().desk);
  let last: Step | undefined;
  for (let step = 0; step < count; step += 1) {
    const { value, done } = await run.next();
    if (done) return undefined;
    last = value;
  }
  return last;
}

describe("a crash after step", () => {
  // Two reports on one message, failed and delivered, and then the name goes: nine steps.
  test.each([1, 2, 3, 4, 5, 6, 7, 8, 9])("%d leaves one report of each kind, under a second name", async (count) => {
    const id = await putMessage({ envelope: { recipients }, records, names: ["deferred", 1] });
    const last = await dieAfter(count, { id, generation: 1 });
    expect(last).toBe(count === 9 ? "removed" : steps[(count - 1) % 4]);
    const after = bench();
    await after.returns.wake();
    expect(published().map((report) => finalRecipients(report.text))).toEqual([["a@e.test"], ["b@e.test"]]);
    expect(readdirSync("bounce")).toEqual([]);
    expect(readdirSync("deferred")).toEqual([id]);
  });

  test.each([1, 2, 3, 4, 5])("%d leaves one report, and the finished message goes", async (count) => {
    const id = await putMessage();
    await dieAfter(count, { id, generation: 0 });
    await bench().returns.wake();
    expect(published()).toHaveLength(1);
    expect(readdirSync("bounce")).toEqual([]);
  });

  test("published is not published again when the report was delivered meanwhile", async () => {
    const id = await putMessage();
    expect(await dieAfter(3, { id, generation: 0 })).toBe("published");
    for (const name of readdirSync("incoming")) unlinkSync(`incoming/${name}`);
    const after = bench();
    await after.returns.wake();
    expect(published()).toEqual([]);
    expect(readdirSync("bounce")).toEqual([]);
    expect(after.log.lines[0]).toMatch(/sender non-delivery notification/);
  });

  test("any, again and again, changes nothing", async () => {
    const id = await putMessage({ envelope: { recipients }, records, names: ["deferred", 1] });
    for (let round = 0; round < 40; round += 1) {
      if (readdirSync("bounce").length === 0) break;
      await dieAfter(1 + (round % 3), { id, generation: 1 });
      await dieAfter(1, { id, generation: 1 }).catch(() => {});
    }
    await bench().returns.wake();
    expect(published().map((report) => finalRecipients(report.text))).toEqual([["a@e.test"], ["b@e.test"]]);
  });

  test("announced, with the disk having lost the draft's bytes, makes the report anew", async () => {
    const id = await putMessage();
    expect(await dieAfter(2, { id, generation: 0 })).toBe("announced");
    truncateSync(`bounce/${id}.ndr`, 10);
    // Also when the next process dies while the new draft is not yet announced.
    await dieAfter(1, { id, generation: 0 });
    await bench().returns.wake();
    expect(published()).toHaveLength(1);
    expect(readdirSync("bounce")).toEqual([]);
  });

  test("published, with the next failure's draft already sealed, finishes the first without the second", async () => {
    // `reported` of the first report was lost in a power cut, the draft of the second was not.
    const id = await putMessage({ envelope: { recipients }, names: ["deferred", 1] });
    await dieAfter(3, { id, generation: 1 });
    const journal = readQueueFile(`bounce/${id}.1`).records;
    expect(journal.at(-1)?.kind).toBe("reporting");
    const other = await putMessage({ envelope: { sender: "other@sender.test" } });
    await dieAfter(1, { id: other, generation: 0 });
    renameSync(`bounce/${other}.ndr`, `bounce/${id}.ndr`);
    unlinkSync(`bounce/${other}`);
    appendRecords(`bounce/${id}.1`, [outcome(2, "bounced")]);
    await bench().returns.wake();
    expect(published().map((report) => finalRecipients(report.text))).toEqual([["a@e.test"], ["c@e.test"]]);
    expect(published().every((report) => report.file.envelope.recipients[0]?.address === "alice@sender.test")).toBe(
      true,
    );
  });
});

test("kill -9 at any moment leaves one report for each message", async () => {
  const COUNT = 150;
  const ids = new Set<string>();
  for (let index = 0; index < COUNT; index += 1) {
    const isSecond = index % 3 === 0;
    ids.add(
      await putMessage({
        envelope: { recipients: [{ address: "a@e.test" }, { address: "b@e.test" }] },
        records: [outcome(0, "bounced"), outcome(1, isSecond ? "deferred" : "bounced")],
        names: isSecond ? ["deferred", 1] : ["bounce"],
      }),
    );
  }
  const config = testConfig({
    queue_directory: cwd(),
    myhostname: "mx.here.test",
    maillog_file: join(cwd(), "maillog"),
  });
  const main = join(import.meta.dirname, "../../src/process/bounce/main.ts");
  const start = async () => {
    const child = fork(main, { stdio: ["ignore", "ignore", "inherit", "ipc"], execArgv: [] });
    child.send({ type: "init", values: rawValues(config), configDir: cwd(), listeners: 0, alone: false, agents: [] });
    await once(child, "message"); // ready
    return child;
  };
  let kills = 0;
  while (readdirSync("bounce").some((name) => !name.endsWith(".ndr")) && kills < 12) {
    const child = await start();
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
    child.kill("SIGKILL");
    await once(child, "exit");
    kills += 1;
  }
  const last = await start();
  await until("an empty bounce", () => readdirSync("bounce").length === 0, 30_000);
  last.kill("SIGKILL");
  await once(last, "exit");
  sweepTemps("incoming");
  const reports = published();
  expect(new Set(reports.map((report) => report.file.envelope.notice))).toEqual(ids);
  expect(reports).toHaveLength(COUNT);
  expect(readdirSync("corrupt")).toEqual([]);
  expect(kills).toBeGreaterThan(0);
});
