import { expect, test } from "vitest";
import { Destination } from "../../src/process/qmgr/destination.ts";
import type { Limits } from "../../src/process/qmgr/limits.ts";

const limits: Limits = {
  concurrency: 20,
  initialConcurrency: 5,
  positive: { amount: 1, per: "fixed" },
  negative: { amount: 1, per: "fixed" },
  failedCohorts: 1,
  rateDelayMs: 0,
  paceMs: 0,
};

function destination(changed: Partial<Limits> = {}): Destination {
  return new Destination("smtp:example.org", "smtp", "example.org", { ...limits, ...changed });
}

test("a destination is dead after three failures with Postfix's defaults", () => {
  const one = destination();
  expect(one.failed("refused", 99)).toBe(false);
  expect(one.failed("refused", 99)).toBe(false);
  expect(one.failed("refused", 99)).toBe(true);
  expect(one.isSuspended).toBe(true);
  expect(one.suspendedWhy).toBe("refused");
});

test("a success between failures forgives the cohorts", () => {
  const one = destination();
  one.failed("refused", 99);
  one.failed("refused", 99);
  one.succeeded();
  expect(one.failed("refused", 99)).toBe(false);
});

test("the window opens by one with each success, as long as it is used, up to the limit", () => {
  const one = destination();
  for (let count = 0; count < 100; count += 1) {
    one.busy = one.window;
    one.succeeded();
  }
  expect(one.window).toBe(20);
  const unused = destination();
  unused.busy = 0;
  for (let count = 0; count < 100; count += 1) unused.succeeded();
  expect(unused.window).toBe(5);
});

test("feedback that is divided by the concurrency moves the window slowly", () => {
  const one = destination({ positive: { amount: 1, per: "concurrency" } });
  one.busy = 5;
  for (let count = 0; count < 4; count += 1) one.succeeded();
  expect(one.window).toBe(5);
  one.succeeded();
  expect(one.window).toBe(6);
});

test("after a suspension it starts with its first window", () => {
  const one = destination();
  for (let count = 0; count < 3; count += 1) one.failed("refused", 99);
  one.resume();
  expect(one.isSuspended).toBe(false);
  expect(one.window).toBe(5);
});

test("with a rate delay deliveries go one by one", () => {
  expect(destination({ rateDelayMs: 1000 }).window).toBe(1);
});

test("new limits narrow a window that is open", () => {
  const one = destination();
  for (let count = 0; count < 100; count += 1) {
    one.busy = one.window;
    one.succeeded();
  }
  one.limits = { ...limits, concurrency: 3 };
  expect(one.window).toBe(3);
  one.limits = { ...limits, rateDelayMs: 1000 };
  expect(one.window).toBe(1);
});

test("one that is told to go slowly halves its window each time, and does not grow until that is over", () => {
  const one = destination();
  one.busy = 5;
  const soon = performance.now() + 60_000;
  expect(one.slow(soon)).toBe(true);
  expect(one.window).toBe(2);
  expect(one.slow(soon)).toBe(false);
  for (let count = 0; count < 10; count += 1) one.succeeded();
  expect(one.window).toBe(1);
  expect(one.isDone).toBe(false);
  one.slowUntilMs = 0;
  one.succeeded();
  expect(one.window).toBe(2);
});

test("one that is paused is suspended, and known to be so by a rule and not by its faults", () => {
  const one = destination();
  expect(one.pause("flood", 99)).toBe(true);
  expect(one).toMatchObject({ isSuspended: true, isPaused: true, suspendedWhy: "flood" });
  one.resume();
  expect(one).toMatchObject({ isSuspended: false, isPaused: false });
  one.suspend("refused", 99);
  expect(one.pause("flood", 99)).toBe(false);
  expect(one.isPaused).toBe(false);
});
