import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ReplyReader, type Reading } from "../../src/process/smtp/reply-reader.ts";

function read(bytes: string, size = bytes.length): Reading[] {
  const reader = new ReplyReader();
  const readings: Reading[] = [];
  for (let at = 0; at < bytes.length; at += Math.max(1, size)) {
    reader.push(Buffer.from(bytes.slice(at, at + Math.max(1, size)), "latin1"));
    for (let reading = reader.next(); reading !== undefined; reading = reader.next()) readings.push(reading);
  }
  return readings;
}

describe("replies are read whole", () => {
  test.each([
    ["250 ok\r\n", [{ kind: "reply", code: 250, text: "250 ok" }]],
    ["250\r\n", [{ kind: "reply", code: 250, text: "250" }]],
    ["250-a\r\n250-\r\n250 b\r\n", [{ kind: "reply", code: 250, text: "250-a\n250-\n250 b" }]],
    [
      "250 a\n550 b\n",
      [
        { kind: "reply", code: 250, text: "250 a" },
        { kind: "reply", code: 550, text: "550 b" },
      ],
    ],
    ["\r\n250 a\r\n", [{ kind: "reply", code: 250, text: "250 a" }]],
    ["250-a\r\n550 b\r\n", [{ kind: "malformed", text: "250-a\n550 b" }]],
    ["250-a\r\n550-b\r\n250 c\r\n", [{ kind: "malformed", text: "250-a\n550-b\n250 c" }]],
    ["250-a\r\nb\r\n", [{ kind: "malformed", text: "250-a\nb" }]],
    ["hello\r\n", [{ kind: "malformed", text: "hello" }]],
    ["299999 x\r\n", [{ kind: "malformed", text: "299999 x" }]],
    ["650 x\r\n", [{ kind: "malformed", text: "650 x" }]],
    ["25\r\n", [{ kind: "malformed", text: "25" }]],
    ["250_x\r\n", [{ kind: "malformed", text: "250_x" }]],
    ["250 unfinished", []],
  ] as const)("%j", (bytes, expected) => {
    expect(read(bytes)).toEqual(expected);
    expect(read(bytes, 1)).toEqual(expected);
  });
});

test("however the bytes are cut, the replies are the same", () => {
  const line = fc.stringMatching(/^(2|5)50[ -][a-z]{0,5}(\r\n|\n)$/);
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), fc.integer({ min: 1, max: 20 }), (lines, size) => {
      expect(read(lines.join(""), size)).toEqual(read(lines.join("")));
    }),
  );
});

test.each([
  ["a line", "550 ".padEnd(70_000, "x"), 1000],
  ["a reply", "250-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(20_000), 100_000],
])("%s without end is an overflow, of which little is kept", (_, bytes, size) => {
  const readings = read(bytes, size);
  expect(readings[0]?.kind).toBe("overflow");
  expect(readings[0]?.text.length).toBeLessThanOrEqual(8 * 1024);
});

test("what has come behind the last reply is noticed", () => {
  const reader = new ReplyReader();
  reader.push(Buffer.from("250 a\r\n2"));
  expect(reader.next()).toMatchObject({ code: 250 });
  expect(reader.pending).toBe(true);
  reader.clear();
  expect(reader.pending).toBe(false);
});
