import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Content } from "../../src/process/smtpd/content.ts";

/** What RFC 5321 4.5.2 and our policy say, as slowly and plainly as possible. */
function plainly(bytes: string): { content: string; end: number } {
  let content = "";
  let startsLine = true;
  for (let at = 0; at < bytes.length; ) {
    if (startsLine && bytes.startsWith(".\r\n", at)) return { content, end: at + 3 };
    if (startsLine && bytes[at] === ".") at++;
    startsLine = false;
    if (bytes.startsWith("\r\n", at)) {
      content += "\r\n";
      at += 2;
      startsLine = true;
    } else {
      content += bytes[at] === "\r" || bytes[at] === "\n" ? "\r\n" : (bytes[at] ?? "");
      at++;
    }
  }
  return { content, end: -1 };
}

function feed(bytes: string, cuts: readonly number[]): { content: string; end: number; size: number } {
  const content = new Content();
  const ends = [...new Set(cuts.map((cut) => cut % bytes.length))].filter((cut) => cut > 0).sort((a, b) => a - b);
  let from = 0;
  let end = -1;
  for (const to of [...ends, bytes.length]) {
    // A chunk of a larger buffer, as some are.
    const found = content.feed(Buffer.from(`xx${bytes.slice(from, to)}`, "latin1"), 2);
    if (found >= 0) {
      end = from + found - 2;
      break;
    }
    from = to;
  }
  return { content: Buffer.concat(content.take()).toString("latin1"), end, size: content.size };
}

const oddBytes = fc
  .array(fc.constantFrom("\r", "\n", ".", "\r\n", "\r\n.", "a", "b", "\0"), { maxLength: 30 })
  .map((parts) => `${parts.join("")}\r\n.\r\nrest`);

describe("content", () => {
  test("is what the rules say, wherever it is cut", () => {
    fc.assert(
      fc.property(oddBytes, fc.array(fc.nat(), { maxLength: 8 }), (bytes, cuts) => {
        const { content, end } = plainly(bytes);
        expect(feed(bytes, cuts)).toEqual({ content, end, size: content.length });
      }),
      { numRuns: 3000 },
    );
  });

  test("never holds a line of one dot that a next server could take for the end, unless it is stuffed again", () => {
    fc.assert(
      fc.property(oddBytes, (bytes) => {
        const { content } = feed(bytes, []);
        expect(content).not.toMatch(/(^|[^\r])\n|\r(?!\n)/);
        expect(content === "" || content.endsWith("\r\n")).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test("notices NULs and bare line feeds", () => {
    const one = new Content();
    one.feed(Buffer.from("a\r\nb\r.\r\n.\r\n"), 0);
    expect([one.hasNul, one.hasBareLf]).toEqual([false, false]);
    const two = new Content();
    two.feed(Buffer.from("a\n\0\r\n.\r\n"), 0);
    expect([two.hasNul, two.hasBareLf]).toEqual([true, true]);
  });

  test("that is discarded is still read to its end", () => {
    const content = new Content();
    content.feed(Buffer.from("a\r\n"), 0);
    content.discard();
    expect(content.feed(Buffer.from("b\r\n.\r\n"), 0)).toBe(6);
    expect(content.take()).toEqual([]);
    expect(content.size).toBe(6);
  });
});
