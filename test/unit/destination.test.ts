import { expect, test } from "vitest";
import { Destination, type Limits } from "../../src/process/qmgr/destination.ts";

const limits: Limits = {
  concurrency: 20,
  initialConcurrency: 5,
  positive: { amount: 1, per: "fixed" },
  negative: { amount: 1, per: "fixed" },
  failedCohorts: 1,
  rateDelayMs: 0,
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
