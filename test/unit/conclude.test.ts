/** What a message's conclusion leaves on disk when the spool is not as it should be. */
import { readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { memoryLog } from "../../src/base/log.ts";
import { testConfig } from "../../src/config/load.ts";
import { foldJournal } from "../../src/mail/state.ts";
import { conclude } from "../../src/process/qmgr/conclude.ts";
import { ActiveMessage } from "../../src/process/qmgr/message.ts";
import { Intake } from "../../src/spool/intake.ts";
import { SpentFiles } from "../../src/spool/spent.ts";
import { retryRules } from "../harness/retrying.ts";
import { useSpool } from "../harness/spool.ts";

useSpool();

test("a message that cannot leave active is named in bounce once, however often it is tried", async () => {
  const entry = new Intake().open();
  const recipients = [{ address: "bad@d.test" }, { address: "late@d.test" }];
  const envelope = await entry.commit({ sender: "alice@s.test", recipients, origin: "smtpd" }, [Buffer.from("x\r\n")]);
  renameSync(`incoming/${entry.id}`, `active/${entry.id}`);
  writeFileSync(`deferred/${entry.id}`, "restored from a backup");
  const place = { offset: entry.offset, length: entry.length, feeder: "", queuedMs: Date.now() };
  const message = new ActiveMessage(envelope, place);
  const attempt = { kind: "attempt", attempt: 1, type: "error", time: Date.now(), text: "no" } as const;
  message.apply({ ...attempt, recipient: 0, outcome: "bounced", dsn: "5.1.1" });
  message.apply({ ...attempt, recipient: 1, outcome: "deferred", dsn: "4.2.1" });

  const options = { config: testConfig(), retry: retryRules(), log: memoryLog(), spent: new SpentFiles(0), wake() {} };
  for (let tries = 0; tries < 3; tries += 1) {
    await expect(conclude(message, options)).rejects.toThrow(/exists already/);
  }
  expect(readdirSync("bounce")).toEqual([`${entry.id}.1`]);
  rmSync(`deferred/${entry.id}`);
  expect(await conclude(message, options)).toBe("deferred");
  expect(readdirSync("active")).toEqual([]);
});

test.each([
  ["that comes from its door is kept for another", undefined, 1],
  ["that has been in other queues is removed, for their directories may still show its name", [], 0],
] as const)("the file of a finished message %s", async (_, records, kept) => {
  const entry = new Intake().open();
  const draft = { sender: "alice@s.test", recipients: [{ address: "bob@d.test" }], origin: "smtpd" } as const;
  const envelope = await entry.commit(draft, [Buffer.from("x\r\n")]);
  renameSync(`incoming/${entry.id}`, `active/${entry.id}`);
  const place = { offset: entry.offset, length: entry.length, feeder: "", queuedMs: Date.now() };
  const message = new ActiveMessage(envelope, place, records && foldJournal(envelope, records));
  const sent = { kind: "attempt", attempt: 1, type: "success", time: Date.now(), text: "ok" } as const;
  message.apply({ ...sent, recipient: 0, outcome: "sent", dsn: "2.0.0" });
  const options = { config: testConfig(), retry: retryRules(), log: memoryLog(), spent: new SpentFiles(10), wake() {} };
  expect(await conclude(message, options)).toBe("sent");
  expect(readdirSync("active")).toEqual([]);
  expect(readdirSync("free")).toHaveLength(kept);
});
