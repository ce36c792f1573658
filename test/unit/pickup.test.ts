import type { Stats } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { splitHeader } from "../../src/mail/header.ts";
import { contentOf } from "../../src/process/pickup/content.ts";
import { parseDsnWish } from "../../src/process/pickup/dsn-wish.ts";
import { emlAddressing } from "../../src/process/pickup/eml-addressing.ts";
import { parseJsonMessage } from "../../src/process/pickup/json-message.ts";
import { LineEnds } from "../../src/process/pickup/line-ends.ts";
import { outgoingHeader } from "../../src/process/pickup/outgoing-header.ts";
import { isRefusal } from "../../src/process/pickup/refusal.ts";
import { Rounds } from "../../src/process/pickup/rounds.ts";
import { Settling } from "../../src/process/pickup/settling.ts";

/** Bytes of which many matter to us. */
const bytes = fc
  .array(fc.oneof(fc.constantFrom(...'\r\n\0 :<>@,"\\{}[].'.split("")), fc.constantFrom("To", "x", "\x80", "\u00ff")), {
    maxLength: 200,
  })
  .map((parts) => Buffer.from(parts.join(""), "latin1"));

function canonical(text: Buffer): string {
  const sent = text.toString("latin1").replaceAll(/\r\n?|\n/g, "\r\n");
  return sent === "" || sent.endsWith("\r\n") ? sent : `${sent}\r\n`;
}

describe("line ends", () => {
  test("become CRLF, wherever the text is cut into chunks", () => {
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(200), { maxLength: 8 }), (text, cuts) => {
        const lines = new LineEnds();
        let sent = "";
        let from = 0;
        for (const to of [...cuts.filter((cut) => cut < text.length).sort((one, other) => one - other), text.length]) {
          sent += lines.push(text.subarray(from, to)).toString("latin1");
          from = to;
        }
        sent += lines.end().toString("latin1");
        expect(sent).toBe(canonical(text));
        expect(lines).toMatchObject({
          size: sent.length,
          hasNul: text.includes(0),
          has8bit: text.some((byte) => byte > 127),
        });
      }),
    );
  });
});

describe("any bytes", () => {
  const passage = { id: "4jXKqZ2MC7zJ9RG", time: 0, uid: 0, hostname: "mail.sces.test", mailName: "sces" };

  test("as .eml are refused or addressed, and what is sent has CRLF line ends only and none of our fields", () => {
    fc.assert(
      fc.property(bytes, bytes, (head, body) => {
        const text = Buffer.concat([
          Buffer.from("X-Sender: <>\nBCC: c@d.test\nTo: a@b.test\n"),
          head,
          Buffer.from("\n\n"),
          body,
        ]);
        const { start } = contentOf(text);
        const header = splitHeader(start);
        emlAddressing(header, "mail.sces.test");
        const sent = outgoingHeader(start.subarray(0, header.bodyStart), header, passage).toString("latin1");
        expect(sent.replaceAll("\r\n", "")).not.toMatch(/[\r\n]/);
        expect(sent.endsWith("\r\n\r\n")).toBe(true);
        expect(sent).not.toMatch(/^(x-sender|bcc)\s*:/im);
        expect(sent.startsWith("Received: by mail.sces.test ")).toBe(true);
      }),
    );
  });

  test("as .json are refused or addressed", () => {
    fc.assert(fc.property(bytes, (text) => void parseJsonMessage(text, "mail.sces.test")));
  });

  test("as JSON values are refused or addressed to addresses without a control character", () => {
    const value = fc.record(
      {
        envelope: fc.jsonValue(),
        recipient: fc.oneof(fc.jsonValue(), bytes.map(String), fc.emailAddress()),
        mime: fc.oneof(fc.jsonValue(), bytes.map(String)),
        dsn: fc.oneof(fc.jsonValue(), fc.record({ notify: fc.jsonValue(), ret: fc.jsonValue() }, { requiredKeys: [] })),
      },
      { requiredKeys: ["mime"] },
    );
    fc.assert(
      fc.property(value, (object) => {
        const message = parseJsonMessage(Buffer.from(JSON.stringify(object)), "mail.sces.test");
        if (isRefusal(message)) return;
        const { sender, recipients } = message.addressing;
        for (const address of [sender, ...recipients.map((recipient) => recipient.address)]) {
          expect(address).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
        }
        expect(recipients.length).toBe(1);
      }),
    );
  });
});

describe("DSN wishes", () => {
  test.each([
    [{ notify: "never" }, { notify: ["NEVER"] }],
    [{ notify: "Success , DELAY" }, { notify: ["SUCCESS", "DELAY"] }],
    [
      { ret: "full", envid: "a b" },
      { ret: "FULL", envid: "a b" },
    ],
    [{ orcpt: "a@b.test" }, { orcpt: "rfc822;a@b.test" }],
    [{ orcpt: "x400;/c=de/" }, { orcpt: "x400;/c=de/" }],
    [{}, {}],
  ])("%o are understood", (words, wish) => expect(parseDsnWish(words)).toEqual(wish));
});

describe("a file settles", () => {
  const stable = 1000;
  const clock = { wall: 1e12, mono: 0, now: () => clock.wall, monotonic: () => clock.mono };
  const pass = (ms: number) => {
    clock.wall += ms;
    clock.mono += ms;
  };
  const file = (size: number, mtimeMs = clock.wall) => ({ ino: 1, size, mtimeMs, ctimeMs: mtimeMs, nlink: 1 }) as Stats;

  test("when it has looked the same for the time", () => {
    const settling = new Settling(clock);
    const grown = file(2);
    settling.beginRound();
    expect(settling.wait("a", file(1), stable, false)).toBe(stable);
    pass(900);
    settling.beginRound();
    expect(settling.wait("a", grown, stable, false)).toBe(stable);
    pass(900);
    settling.beginRound();
    expect(settling.wait("a", grown, stable, false)).toBe(100);
    pass(100);
    expect(settling.wait("a", grown, stable, false)).toBe(0);
  });

  test("at once if its last write was that long ago, unless only time can tell", () => {
    const settling = new Settling(clock);
    settling.beginRound();
    pass(2000);
    expect(settling.wait("a", file(1, clock.wall - stable), stable, true)).toBe(0);
    expect(settling.wait("a", file(1, clock.wall - stable), stable, false)).toBe(stable);
  });

  test("not because the clock was set forward while it is written", () => {
    const settling = new Settling(clock);
    pass(2000);
    settling.beginRound();
    expect(settling.wait("a", file(1), stable, true)).toBe(stable);
    const grown = file(2);
    clock.wall += 86_400_000;
    settling.beginRound();
    expect(settling.wait("a", grown, stable, true)).toBe(stable);
    pass(stable);
    settling.beginRound();
    expect(settling.wait("a", grown, stable, true)).toBe(0);
  });

  test("anew when it was away in between", () => {
    const settling = new Settling(clock);
    pass(2000);
    const seen = file(1);
    settling.beginRound();
    settling.wait("a", seen, stable, true);
    settling.beginRound();
    settling.beginRound();
    pass(500);
    expect(settling.wait("a", { ...seen, mtimeMs: seen.mtimeMs } as Stats, stable, true)).toBe(stable);
  });
});

describe("rounds", () => {
  test("never overlap, and a wake-up during one is followed by another", async () => {
    let running = 0;
    let most = 0;
    let count = 0;
    const rounds: Rounds = new Rounds(async () => {
      running += 1;
      most = Math.max(most, running);
      count += 1;
      if (count === 1) rounds.wake();
      await new Promise((resolve) => setTimeout(resolve, 5));
      running -= 1;
      return 60_000;
    });
    for (let index = 0; index < 100; index += 1) rounds.wake();
    while (count < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    await rounds.stop();
    expect({ most, count }).toEqual({ most: 1, count: 2 });
  });
});
