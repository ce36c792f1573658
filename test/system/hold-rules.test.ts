/** New mail that a rule of main.cf holds back. */
import { describe, expect, test } from "vitest";
import { memoryLog } from "../../src/base/log.ts";
import { testConfig } from "../../src/config/load.ts";
import { foldJournal } from "../../src/mail/state.ts";
import { Incoming } from "../../src/process/cleanup/incoming.ts";
import { readQueueFile } from "../../src/spool/file.ts";
import { names } from "../harness/picking.ts";
import { useSpool } from "../harness/spool.ts";
import { spooled } from "../harness/spooled.ts";
import { until } from "../harness/until.ts";

useSpool();

const client = { name: "mx.one.test", address: "192.0.2.7", helo: "c.test", proto: "ESMTP" };

/** Lets a new message come in under these settings; what was logged of it, without its id. */
async function comesIn(settings: Readonly<Record<string, string>>, content: string, draft: object = { client }) {
  const log = memoryLog();
  const incoming = new Incoming(testConfig(settings), log, () => {});
  const id = await spooled("incoming", { content, draft });
  incoming.room = { room: 1, admitted() {} };
  incoming.appeared({ id });
  await until("it to move", () => names("hold").length + names("active").length === 1);
  return { id, lines: log.lines.map((line) => line.replace(`${id}: `, "")) };
}

describe("a hold rule", () => {
  test.each([
    ["hold_client_checks", "192.0.2.0/24 watched", "client mx.one.test[192.0.2.7]", "watched"],
    ["hold_sender_checks", "one.test", "sender <a@one.test>", "held by a rule"],
    ["hold_recipient_checks", "b@ whose?", "recipient <b@two.test>", "whose?"],
    ["hold_header_checks", "/^subject: holdme/ please review", "header SubJect: holdme now", "please review"],
  ])("on %s is logged as Postfix logs it, and its reason kept", async (name, rule, about, reason) => {
    const { id, lines } = await comesIn({ [name]: rule }, "From: a@one.test\r\nSubJect: holdme\r\n now\r\n\r\nHi\r\n");
    expect(lines).toEqual([
      `hold: ${about} from mx.one.test[192.0.2.7]; from=<a@one.test> to=<b@two.test> proto=ESMTP helo=<c.test>: ${reason}`,
      "placed on hold",
    ]);
    const { envelope, records } = readQueueFile(`hold/${id}`);
    expect(foldJournal(envelope, records).held?.reason).toBe(`${reason} (${about})`);
  });

  test("says by which door mail came that has no client", async () => {
    const { lines } = await comesIn({ hold_header_checks: "/^X-Wait:/ later" }, "X-Wait: 1\r\n\r\nHi\r\n", {
      origin: "pickup",
    });
    expect(lines[0]).toBe("hold: header X-Wait: 1 from pickup; from=<a@one.test> to=<b@two.test>: later");
  });

  test("cannot be made to log a second line", async () => {
    const content = `Subject: hold${"\u2028"}me ${"x".repeat(300)}\u001b[2J: removed\r\n\r\nHi\r\n`;
    const { lines } = await comesIn({ hold_header_checks: "/^Subject: hold/ why" }, content);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^hold: header Subject: hold\\u\{2028\}me x+\.\.\. from mx/);
  });

  test("does not touch other mail", async () => {
    const { lines } = await comesIn({ hold_sender_checks: "two.test" }, "Subject: x\r\n\r\nHi\r\n");
    expect(lines).toEqual(["message-id=<>"]);
    expect(names("hold")).toEqual([]);
  });

  test("is an access table that told smtpd so", async () => {
    const { id, lines } = await comesIn({}, "Subject: x\r\n\r\nHi\r\n", { client, hold: "look at it" });
    expect(lines.at(-1)).toBe("placed on hold");
    expect(names("hold")).toEqual([id]);
    const { envelope, records } = readQueueFile(`hold/${id}`);
    expect(foldJournal(envelope, records).held?.reason).toBe("look at it (access table)");
  });
});
