import {
  appendFileSync,
  closeSync,
  linkSync,
  openSync,
  readdirSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { describe, expect, test } from "vitest";
import { ScesError } from "../../src/base/errors.ts";
import type { JournalRecord } from "../../src/mail/journal.ts";
import { readQueueFile } from "../../src/spool/file.ts";
import { type Entry, Intake } from "../../src/spool/intake.ts";
import { appendRecords } from "../../src/spool/journal.ts";
import { readReason } from "../../src/spool/quarantine.ts";
import { bench, CONTENT, finalRecipients, outcome, published, putMessage } from "../harness/returning.ts";
import { useSpool } from "../harness/spool.ts";
import { until } from "../harness/until.ts";

useSpool();

const three = { recipients: [{ address: "a@e.test" }, { address: "b@e.test" }, { address: "c@e.test" }] };

describe("a failed message", () => {
  test("is returned to its sender from the null sender, and then removed", async () => {
    const id = await putMessage();
    const { returns, log, told } = bench();
    await returns.wake();
    const [report, ...more] = published();
    expect(more).toEqual([]);
    expect(report?.file.envelope).toMatchObject({
      sender: "",
      recipients: [{ address: "alice@sender.test" }],
      origin: "bounce",
      notice: id,
    });
    expect(report?.text).toContain("Final-Recipient: rfc822; bob@e.test\r\n");
    expect(report?.text).toContain(`Return-Path: <alice@sender.test>\r\n${CONTENT}`);
    const reportId = report?.file.envelope.id;
    expect(told).toEqual([reportId]);
    expect(log.lines).toEqual([`${id}: sender non-delivery notification: ${reportId}`, `${id}: removed`]);
    expect(readdirSync("bounce")).toEqual([]);
  });

  test("[F12] goes back as headers only where it is too large or its sender said so", async () => {
    const body = "x".repeat(70).concat("\r\n").repeat(10_000);
    await putMessage({ content: CONTENT + body });
    await putMessage({ envelope: { ret: "HDRS" } });
    await bench().returns.wake();
    for (const { text } of published()) {
      expect(text).toContain("text/rfc822-headers");
      expect(text).toContain("Message-ID: <m1@sender.test>\r\n");
      expect(text).not.toContain("Hello.");
      expect(text.length).toBeLessThan(5000);
    }
    expect(published()).toHaveLength(2);
  });

  test("[F13] reports failures, delays and successes each by themselves, as NOTIFY says", async () => {
    const recipients = [
      { address: "failed@e.test" },
      { address: "silent@e.test", notify: ["NEVER" as const] },
      { address: "sent@e.test", notify: ["SUCCESS" as const] },
      { address: "late@e.test" },
    ];
    const warned: JournalRecord = { kind: "delayed", time: 1, recipients: [3] };
    const records = [outcome(0, "bounced"), outcome(1, "bounced"), outcome(2, "sent"), outcome(3, "deferred"), warned];
    const id = await putMessage({ envelope: { recipients }, records, names: ["deferred", 1] });
    const { returns, log } = bench();
    await returns.wake();
    expect(published().map((report) => finalRecipients(report.text))).toEqual([
      ["failed@e.test"],
      ["late@e.test"],
      ["sent@e.test"],
    ]);
    const ids = published().map((report) => report.file.envelope.id);
    expect(log.lines).toEqual([
      `${id}: sender non-delivery notification: ${ids[0]}`,
      `${id}: sender delay notification: ${ids[1]}`,
      `${id}: sender delivery status notification: ${ids[2]}`,
    ]);
  });

  test("[F7] of the null sender is not reported, or to the postmaster by notify_classes", async () => {
    const first = await putMessage({ envelope: { sender: "" } });
    const quiet = bench();
    await quiet.returns.wake();
    expect(published()).toEqual([]);
    expect(quiet.log.lines).toEqual([`${first}: removed`]);

    const second = await putMessage({ envelope: { sender: "" } });
    const loud = bench({ notify_classes: "2bounce", "2bounce_notice_recipient": "root" });
    await loud.returns.wake();
    const [notice] = published();
    expect(notice?.file.envelope).toMatchObject({
      sender: "double-bounce@mx.here.test",
      recipients: [{ address: "root@mx.here.test" }],
    });
    expect(loud.log.lines[0]).toBe(`${second}: postmaster non-delivery notification: ${notice?.file.envelope.id}`);
  });

  test("[F8] of a double bounce is given up", async () => {
    const id = await putMessage({ envelope: { sender: "double-bounce@mx.here.test" } });
    const { returns, log } = bench({ notify_classes: "2bounce, bounce" });
    await returns.wake();
    expect(published()).toEqual([]);
    expect(log.lines).toEqual([`${id}: removed`]);
  });

  test("is copied to the postmaster without its content by notify_classes", async () => {
    await putMessage();
    await bench({ notify_classes: "bounce" }).returns.wake();
    const [report, copy] = published();
    expect(report?.text).toContain("Hello.");
    expect(copy?.file.envelope).toMatchObject({ sender: "double-bounce@mx.here.test" });
    expect(copy?.text).toContain("Subject: Postmaster Copy: Undelivered Mail\r\n");
    expect(copy?.text).toContain("Auto-Submitted: auto-generated\r\n");
    expect(copy?.text).not.toContain("Hello.");
  });
});

describe("second names", () => {
  test("go alone, and the time of the next attempt stays with the file", async () => {
    const next = 1_900_000_000_000;
    const schedule: JournalRecord = { kind: "schedule", time: 1, next };
    const records = [outcome(0, "bounced"), outcome(1, "deferred"), schedule];
    const id = await putMessage({ envelope: three, records, names: ["deferred", 1] });
    utimesSync(`deferred/${id}`, next / 1000, next / 1000);
    const { returns, log } = bench();
    await returns.wake();
    expect(readdirSync("bounce")).toEqual([]);
    expect(readdirSync("deferred")).toEqual([id]);
    expect(statSync(`deferred/${id}`).mtimeMs).toBe(next);
    expect(finalRecipients(published()[0]?.text ?? "")).toEqual(["a@e.test"]);
    expect(log.lines.some((line) => line.includes("removed"))).toBe(false);
  });

  test("of one message at once make one report for each failure", async () => {
    const records = [outcome(0, "bounced"), outcome(1, "bounced"), outcome(2, "bounced")];
    const id = await putMessage({ envelope: three, records, names: ["bounce", 1, 2, 7] });
    const { returns, log } = bench();
    await returns.wake();
    expect(published().flatMap((report) => finalRecipients(report.text))).toEqual(["a@e.test", "b@e.test", "c@e.test"]);
    expect(readdirSync("bounce")).toEqual([]);
    expect(log.lines.filter((line) => line === `${id}: removed`)).toHaveLength(1);
  });

  test("that come while another is handled report what has failed since, once", async () => {
    const id = await putMessage({ envelope: three, names: ["deferred", 1] });
    const { returns, desk } = bench();
    const publishedIds: string[] = [];
    const intake = desk.intake;
    const publish = intake.publish.bind(intake);
    let isFirst = true;
    intake.publish = async (path, reportId) => {
      if (isFirst) {
        // qmgr concludes the message again in the middle of the first report.
        isFirst = false;
        appendRecords(`deferred/${id}`, [
          outcome(1, "bounced"),
          { kind: "schedule", time: 2, next: 1_900_000_000_000 },
        ]);
        linkSync(`deferred/${id}`, `bounce/${id}.2`);
      }
      publishedIds.push(reportId);
      await publish(path, reportId);
    };
    await returns.wake();
    await returns.wake();
    expect(published().map((report) => finalRecipients(report.text))).toEqual([["a@e.test"], ["b@e.test"]]);
    expect(readdirSync("bounce")).toEqual([]);
    expect(statSync(`deferred/${id}`).mtimeMs).toBe(1_900_000_000_000);
    expect(publishedIds).toHaveLength(2);
  });
});

describe("damage", () => {
  test("of the file sends it to quarantine with its reason", async () => {
    const cut = await putMessage();
    truncateSync(`bounce/${cut}`, 100);
    const { returns, log } = bench();
    await returns.wake();
    expect(readdirSync("bounce")).toEqual([]);
    expect(readdirSync("corrupt").sort()).toEqual([cut, `${cut}.reason`]);
    expect(readReason(cut)?.by).toBe("bounce");
    expect(log.lines[0]).toContain(`warning: saving corrupt file "${cut}" from queue "bounce" to queue "corrupt"`);
  });

  test("of the content too, and no report half made stays behind", async () => {
    const id = await putMessage();
    const { offset, length } = readQueueFile(`bounce/${id}`);
    const fd = openSync(`bounce/${id}`, "r+");
    writeSync(fd, "X", offset + length - 4);
    closeSync(fd);
    await bench().returns.wake();
    expect(readdirSync("corrupt").sort()).toEqual([id, `${id}.reason`]);
    expect(readdirSync("incoming")).toEqual([]);
  });

  test("of a journal line leaves its recipient undecided: back to the queue, with the others reported", async () => {
    const id = await putMessage({ envelope: three, records: [outcome(0, "bounced"), outcome(1, "sent")] });
    appendFileSync(`bounce/${id}`, '\n{"kind":"attempt","recipient":2,"outcome":"sent","crc":"00000000"}\n');
    const { returns, told } = bench();
    await returns.wake();
    expect(readdirSync("bounce")).toEqual([]);
    expect(readdirSync("incoming")).toContain(id);
    expect(told).toContain(id);
    expect(finalRecipients(published().find((one) => one.file.envelope.notice === id)?.text ?? "")).toEqual([
      "a@e.test",
    ]);
  });
});

describe("a report that cannot be written now", () => {
  class FullDisk extends Intake {
    left = 3;
    override open(): Entry {
      if (this.left > 0) {
        this.left -= 1;
        throw new ScesError("SPOOL_FULL", "no room");
      }
      return super.open();
    }
  }

  test("stays, is tried again after growing pauses, and comes once", async () => {
    const ids = [await putMessage(), await putMessage(), await putMessage()];
    const made = bench({}, new FullDisk());
    await made.returns.wake();
    expect(readdirSync("bounce").sort()).toEqual(ids.toSorted());
    expect(made.idle).toBe(false);
    await until("the reports", () => readdirSync("bounce").length === 0);
    expect(
      published()
        .map((report) => report.file.envelope.notice)
        .sort(),
    ).toEqual(ids.toSorted());
    expect(made.log.lines.filter((line) => line.endsWith("status=deferred (bounce failed)")).length).toBe(3);
    await until("rest", () => made.idle);
  });

  test.each(["before", "after"] as const)("comes once when publishing fails %s the rename", async (when) => {
    await putMessage();
    const made = bench();
    const publish = made.desk.intake.publish.bind(made.desk.intake);
    let isFirst = true;
    made.desk.intake.publish = async (path, id) => {
      const fails = isFirst;
      isFirst = false;
      if (fails && when === "before") throw new ScesError("SPOOL_IO", "no");
      await publish(path, id);
      if (fails) throw new ScesError("SPOOL_IO", "no");
    };
    await made.returns.wake();
    await until("the report", () => readdirSync("bounce").length === 0);
    expect(published()).toHaveLength(1);
  });

  test("does not stop the others, whatever went wrong", async () => {
    const bad = await putMessage();
    const good = await putMessage();
    const made = bench();
    const desk = made.desk as { accepted: (typeof made.desk)["accepted"] };
    let isFirst = true;
    desk.accepted = () => {
      if (isFirst) {
        isFirst = false;
        throw new TypeError("a bug of ours");
      }
    };
    await made.returns.wake();
    await until("both reports", () => readdirSync("bounce").length === 0);
    expect(
      published()
        .map((report) => report.file.envelope.notice)
        .sort(),
    ).toEqual([bad, good].toSorted());
  });
});

describe("orders", () => {
  test("delete removes all names here and sends nothing", async () => {
    const id = await putMessage({ names: ["bounce", 1] });
    writeFileSync(`bounce/${id}.ndr`, "half");
    const { returns, log } = bench();
    const names = await returns.namesOf(new Set([id]));
    expect(await returns.execute("delete", id, names.get(id) ?? [])).toBe(true);
    expect(readdirSync("bounce")).toEqual([]);
    expect(log.lines).toEqual([`${id}: removed`]);
    expect(await returns.execute("delete", id, [])).toBe(false);
  });

  test("flush tries at once what was put off, other verbs mean nothing here", async () => {
    const id = await putMessage();
    class Broken extends Intake {
      isBroken = true;
      override open(): Entry {
        if (this.isBroken) throw new ScesError("SPOOL_IO", "no");
        return super.open();
      }
    }
    const intake = new Broken();
    const { returns } = bench({}, intake);
    await returns.wake();
    intake.isBroken = false;
    const names = [{ id, generation: 0 }];
    expect(await returns.execute("hold", id, names)).toBe(false);
    expect(await returns.execute("requeue", id, names)).toBe(false);
    expect(await returns.execute("flush", id, names)).toBe(true);
    await returns.wake();
    expect(published()).toHaveLength(1);
  });

  test("a draft whose message was deleted is swept", async () => {
    const id = await putMessage({ names: ["deferred"] });
    writeFileSync(`bounce/${id}.ndr`, "left");
    await bench().returns.wake();
    expect(readdirSync("bounce")).toEqual([]);
  });
});
