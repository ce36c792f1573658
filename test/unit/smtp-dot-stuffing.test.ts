import fc from "fast-check";
import { expect, test } from "vitest";
import { DotStuffer, plainEnd } from "../../src/process/smtp/dot-stuffing.ts";

function wire(pieces: readonly string[]): string {
  const stuffer = new DotStuffer();
  return [...pieces.map((piece) => stuffer.push(Buffer.from(piece, "latin1"))), stuffer.end()].join("");
}

/** What an honest server makes of it. */
function received(bytes: string): string {
  expect(bytes.endsWith("\r\n.\r\n") || bytes === ".\r\n").toBe(true);
  return bytes.slice(0, -3).replace(/^\./gm, "");
}

const nasty = fc
  .array(fc.constantFrom("\r", "\n", ".", "a", "\r\n", "\r\n."), { maxLength: 12 })
  .map((parts) => parts.join(""));

test("on the wire every line ends with CRLF, and a lone dot ends the message and nothing else", () => {
  fc.assert(
    fc.property(fc.array(nasty, { maxLength: 5 }), (pieces) => {
      const bytes = wire(pieces);
      expect(bytes).not.toMatch(/(^|[^\r])\n|\r(?!\n)/);
      expect(bytes.split("\r\n").filter((line) => line === ".")).toHaveLength(1);
    }),
    { numRuns: 2000 },
  );
});

test("the server gets back what was sent, with CRLF", () => {
  fc.assert(
    fc.property(fc.array(nasty, { maxLength: 5 }), (pieces) => {
      const text = pieces.join("").replaceAll(/\r\n|\r|\n/g, "\r\n");
      expect(received(wire(pieces))).toBe(text === "" || text.endsWith("\r\n") ? text : `${text}\r\n`);
    }),
    { numRuns: 2000 },
  );
});

test("content is sent as it is only where stuffing would not change it", () => {
  fc.assert(
    fc.property(nasty, (text) => {
      const end = plainEnd(Buffer.from(text, "latin1"));
      if (end === undefined) return;
      const sent = text + end;
      expect(sent.split(/\r\n|\r|\n/).filter((line) => line.startsWith("."))).toEqual(["."]);
      expect(sent.endsWith("\r\n.\r\n") || sent === ".\r\n").toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test("what needs no change is not copied", () => {
  const chunk = Buffer.from("a\r\nb\r\n");
  expect(new DotStuffer().push(chunk)).toBe(chunk);
});
