import { describe, expect, test } from "vitest";
import { Deadline } from "../../src/process/smtp/deadline.ts";
import { isHostName, parseNexthop } from "../../src/process/smtp/nexthop.ts";
import { TtlCache } from "../../src/dns/ttl-cache.ts";

describe("next hops", () => {
  test.each([
    ["[mx.example.org]:2525", { kind: "host", host: "mx.example.org", port: 2525 }],
    ["[192.0.2.1]", { kind: "host", host: "192.0.2.1", port: 25 }],
    ["[2001:db8::1]:26", { kind: "host", host: "2001:db8::1", port: 26 }],
    ["[ipv6:2001:db8::1]", { kind: "host", host: "2001:db8::1", port: 25 }],
    ["Example.ORG", { kind: "domain", domain: "example.org", port: 25 }],
    ["example.org:587", { kind: "domain", domain: "example.org", port: 587 }],
    ["127.0.0.1:2525", { kind: "host", host: "127.0.0.1", port: 2525 }],
  ])("%s", (text, expected) => {
    expect(parseNexthop(text, 25)).toEqual(expected);
  });

  test.each(["", "[]", "[a", "a]", "a b", "a:0", "a:70000", "a:x", "[a]:", "a:25:26"])("%j is none", (text) => {
    expect(parseNexthop(text, 25)).toBeUndefined();
  });
});

test.each([
  ["mx.example.org", true],
  ["_mx.example.org", true],
  ["a", true],
  ["", false],
  [".", false],
  ["a..b", false],
  ["-a.b", false],
  ["a b", false],
  ["a\r\n.b", false],
  ["<x>.b", false],
  ["127.0.0.1", false],
  ["1.2.3.4.5", false],
  [`${"a".repeat(64)}.b`, false],
])("host name %j: %s", (name, is) => {
  expect(isHostName(name)).toBe(is);
});

describe("the cache of answers", () => {
  test("forgets what is over", () => {
    let now = 0;
    const cache = new TtlCache<number>(10, () => now);
    cache.set("a", 1, 100);
    cache.set("b", 2, 0);
    now = 99;
    expect([cache.get("a"), cache.get("b")]).toEqual([1, undefined]);
    now = 100;
    expect(cache.get("a")).toBeUndefined();
    expect(cache.size).toBe(0);
  });

  test("is bounded, and keeps what was used last", () => {
    const cache = new TtlCache<number>(3, () => 0);
    for (const key of ["a", "b", "c"]) cache.set(key, 1, 100);
    cache.get("a");
    cache.set("d", 1, 100);
    expect(["a", "b", "c", "d"].map((key) => cache.get(key))).toEqual([1, undefined, 1, 1]);
  });
});

describe("a deadline", () => {
  const expired = (use: (deadline: Deadline) => void): Promise<number> =>
    new Promise((resolve) => {
      const start = performance.now();
      use(new Deadline(() => resolve(performance.now() - start)));
    });

  test("is kept when it moves back, and when it moves forward", async () => {
    const later = expired((deadline) => {
      deadline.set(20);
      deadline.set(60);
    });
    const sooner = expired((deadline) => {
      deadline.set(10_000);
      deadline.set(20);
    });
    expect(await later).toBeGreaterThan(55);
    expect(await sooner).toBeLessThan(1000);
  });

  test("is never later than its limit", async () => {
    const took = await expired((deadline) => {
      deadline.limit(performance.now() + 30);
      deadline.set(10_000);
    });
    expect(took).toBeLessThan(1000);
  });
});
