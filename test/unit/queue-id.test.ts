import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeQueueId, isQueueId, makeQueueId } from "../../src/mail/queue-id.ts";

test("ids are Postfix's long form, by its own vectors", () => {
  expect(makeQueueId(1795313609, 344290, 395)).toBe("4jXCKj2RJyz7k");
  expect(makeQueueId(1300631508, 353025, 5536956)).toBe("3Pt2mN2VXxznjll");
  expect(decodeQueueId("4jXCKj2RJyz7k")).toEqual({ seconds: 1795313609, micros: 344290, inode: 395n });
});

test("every id decodes to what it was made of, and sorts by time", () => {
  const parts = fc.tuple(fc.integer({ min: 1e9, max: 4e9 }), fc.integer({ min: 0, max: 999_999 }), fc.maxSafeNat());
  fc.assert(
    fc.property(parts, parts, ([seconds, micros, inode], other) => {
      const id = makeQueueId(seconds, micros, inode);
      expect(isQueueId(id)).toBe(true);
      expect(decodeQueueId(id)).toEqual({ seconds, micros, inode: BigInt(inode) });
      const later = makeQueueId(...other);
      const byTime = seconds - other[0] || micros - other[1];
      if (byTime !== 0) expect(id < later).toBe(byTime < 0);
    }),
  );
});

test.each([
  "",
  "ALL",
  "-",
  "..",
  "../../etc/passwd",
  "4jXCKj2RJyz7k/",
  "4jXCKj2RJyz7k\0",
  "4jXCKj2RJyz7k.1",
  "4jXCKj2RJy",
  "aeiou",
  "z".repeat(60),
  "4".repeat(10_000),
  "%2e%2e",
  "4jXCKj2RJyz",
])("refuses %j as an id", (text) => {
  expect(isQueueId(text)).toBe(false);
});
