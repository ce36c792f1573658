import { expect, test } from "vitest";
import { readRetryWish } from "../../src/mail/retry-wish.ts";

const read = (given: Record<string, unknown>) => readRetryWish(new Map(Object.entries(given)));

test("reads what MailerQ's messages say about retries", () => {
  const given = {
    retries: [60, 600],
    maxattempts: 3,
    maxdelivertime: "2026-03-01 12:00:00",
    nextattempt: "2026-02-28 00:00:01",
    other: {},
  };
  expect(read(given)).toEqual({
    retries: [60, 600],
    maxAttempts: 3,
    maxDeliverTime: Date.UTC(2026, 2, 1, 12),
    nextAttempt: Date.UTC(2026, 1, 28, 0, 0, 1),
  });
  expect(read({ retries: null })).toEqual({});
});

test.each([
  [{ retries: [] }, /retries/],
  [{ retries: ["60"] }, /retries/],
  [{ retries: [-1] }, /retries/],
  [{ retries: [1.5] }, /retries/],
  [{ maxattempts: 0 }, /maxattempts/],
  [{ maxattempts: "3" }, /maxattempts/],
  [{ maxdelivertime: "2026-02-30 00:00:00" }, /maxdelivertime/],
  [{ maxdelivertime: "2026-02-03T00:00:00Z" }, /maxdelivertime/],
  [{ nextattempt: 1_700_000_000 }, /nextattempt/],
])("says what is wrong in %j", (given, wrong) => {
  expect(read(given)).toMatch(wrong);
});
