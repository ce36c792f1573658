import { expect, test } from "vitest";
import { testConfig } from "../../src/config/load.ts";
import { throttles } from "../../src/config/throttles.ts";
import { Destination } from "../../src/process/qmgr/destination.ts";
import { limitsOf } from "../../src/process/qmgr/limits.ts";

const parse = (text: string) => throttles.parse(text, "");

test("the most specific row holds: of both, of the first, of the source, of all", () => {
  const rows = parse(
    "a.test from 192.0.2.1 messages=1, a.test messages=2/m, * from 192.0.2.1 messages=3, * messages=4/min, 198.51.100.1 connects=5/m",
  );
  const messages = (nexthop: string, source?: string) => rows.forNexthop(nexthop, source)?.messages;
  expect(messages("a.test", "192.0.2.1")).toBe(1);
  expect(messages("[a.test]:25", "192.0.2.2")).toBe(2);
  expect(messages("A.test:587")).toBe(2);
  expect(messages("b.test, a.test", "192.0.2.1")).toBe(3);
  expect(messages("b.test")).toBe(4);
  expect(rows.forAddress("198.51.100.1", "192.0.2.1")?.connects).toBe(5);
  expect(rows.forAddress("198.51.100.2")).toBeUndefined();
  expect(rows.forNexthop("[198.51.100.1]")?.connects).toBe(5);
});

test("a throttle that says nothing, or nonsense, is refused with what would be right", () => {
  for (const wrong of ["a.test", "a.test messages=0", "a.test connections=5/m", "a b=1", "* from here messages=1"]) {
    expect(() => parse(wrong)).toThrow(/throttle|bad limit/);
  }
  expect(() => parse("a.test messages=1, A.test messages=2")).toThrow(/two rows for a.test/);
  expect(parse("").isEmpty).toBe(true);
});

test("a pace is even: late timers do not slow it down, and nothing is saved up", () => {
  const config = testConfig({ throttles: "d.test messages=30/m connections=3" });
  const limits = limitsOf(config, { transport: "smtp", nexthop: "d.test" });
  expect(limits).toMatchObject({ paceMs: 2000, concurrency: 3 });
  const one = new Destination("smtp:d.test", "smtp", "d.test", limits);
  expect(one.window).toBe(3);
  expect(one.begun(1000)).toBe(2000); // qmgr has just started
  expect(one.begun(10_000)).toBe(2000);
  expect(one.begun(12_005)).toBe(1995); // 5 ms late
  expect(one.begun(14_000)).toBe(2000);
  expect(one.begun(100_000)).toBe(2000);
  expect(one.begun(102_000)).toBe(2000);
  expect(limitsOf(config, { transport: "smtp", nexthop: "other.test" }).paceMs).toBe(0);
});
