import { describe, expect, test } from "vitest";
import { type Planned, parseSchedule, retryProfiles } from "../../src/config/retry-profile.ts";

const MINUTE = 60_000;

interface Walk {
  readonly lateMs?: number; // how long after its time each attempt is made
  readonly chance?: number;
  readonly count: number;
}

/** The times of attempts after the first failure at 0, in minutes. */
function attempts(schedule: string, { lateMs = 0, chance = 0.5, count }: Walk): number[] {
  const profile = parseSchedule(schedule);
  const times: number[] = [];
  let planned: Planned | undefined;
  let now = 2; // ms after the failure
  for (let made = 1; made <= count; made += 1) {
    const soFar = { now, arrival: -1000, firstDeferred: 0, attempts: made, lateMs: 5 * MINUTE };
    planned = profile.plan(planned === undefined ? soFar : { ...soFar, planned }, chance);
    times.push(Math.round((planned.due / MINUTE) * 100) / 100);
    now = planned.due + lateMs;
  }
  return times;
}

describe("the schedule of SpamExperts", () => {
  const profile = retryProfiles.parse("", "/").get("spamexperts");
  const expected = [
    ...[15, 30, 45, 60, 75, 90, 105, 120],
    ...[135, 157.5, 191.3, 241.9, 317.8, 431.7, 602.5, 858.8],
    1243.3, // begun before the 16 hours are over
    ...[1603.3, 1963.3, 2323.3, 2683.3, 3043.3, 3403.3, 3763.3, 4123.3, 4483.3, 4843.3, 5203.3, 5563.3],
  ];

  test.each([0, 2, 4 * MINUTE])("has these attempts, also when each is made %i ms late", (lateMs) => {
    const schedule = "F,2h,15m; G,16h,15m,1.5; F,4d,6h";
    const made = attempts(schedule, { lateMs, count: expected.length });
    for (const [index, minute] of expected.entries()) expect(Math.abs((made[index] ?? 0) - minute)).toBeLessThan(0.1);
  });

  test("ships under its name, ends after 4 days, and never waits longer than a day", () => {
    expect(profile?.lifetimeMs).toBe(4 * 24 * 60 * MINUTE);
    expect(profile?.longestMs).toBe(24 * 60 * MINUTE);
  });
});

test("Exim's G starts from the last wait if that is longer than its own, and H is at random below it", () => {
  expect(attempts("F,1h,30m; G,1d,10m,2", { count: 4 })).toEqual([30, 60, 90, 150]);
  expect(attempts("H,1d,10m,2", { count: 3, chance: 1 })).toEqual([10, 30, 70]);
  expect(attempts("H,1d,10m,2", { count: 3, chance: 0 })).toEqual([10, 20, 30]);
});

test("an attempt that was forced counts from then, as in Exim", () => {
  const profile = parseSchedule("G,1d,10m,2");
  const planned = { since: 0, due: 40 * MINUTE, waitMs: 40 * MINUTE };
  const soFar = { now: 20 * MINUTE, arrival: 0, firstDeferred: 0, attempts: 3, planned, lateMs: 0 };
  expect(profile.plan(soFar, 0)).toEqual({ since: 20 * MINUTE, due: 60 * MINUTE, waitMs: 40 * MINUTE });
});

test("after a long time out of work the next attempt is a whole interval away", () => {
  const planned = { since: 0, due: 15 * MINUTE, waitMs: 15 * MINUTE };
  const soFar = { now: 60 * MINUTE, arrival: 0, firstDeferred: 0, attempts: 2, planned, lateMs: 5 * MINUTE };
  expect(parseSchedule("F,2h,15m").plan(soFar, 0).due).toBe(75 * MINUTE);
});

test("a list has a wait for each attempt, and the last repeats", () => {
  expect(attempts("5m, 10m*2, 1h*3", { count: 7 })).toEqual([5, 15, 25, 85, 145, 205, 265]);
  expect(attempts("90s,1h30m", { count: 2 })).toEqual([1.5, 91.5]);
});

test("backoff waits as long as the message is old, within its limits", () => {
  const profile = parseSchedule("backoff 300s 1800s");
  const wait = (ageMinutes: number) =>
    profile.plan({ now: ageMinutes * MINUTE, arrival: 0, firstDeferred: 0, attempts: 1, lateMs: 0 }, 0).waitMs / MINUTE;
  expect([1, 12, 600].map(wait)).toEqual([5, 12, 30]);
  expect(wait(-60)).toBe(5); // the clock went back
});

test("jitter makes a wait longer or shorter by its share, and is no part of what the next one grows from", () => {
  const profile = parseSchedule("G,1d,10m,2; jitter 10%; lifetime 2d");
  const soFar = { now: 0, arrival: 0, firstDeferred: 0, attempts: 1, lateMs: 0 };
  expect([0, 0.5, 1].map((chance) => profile.plan(soFar, chance).due / MINUTE)).toEqual([9, 10, 11]);
  expect(profile.plan(soFar, 1).waitMs).toBe(10 * MINUTE);
  expect(profile.lifetimeMs).toBe(2 * 24 * 60 * MINUTE);
});

test.each([
  ["{ a 5m }", /bad retry profile/],
  ["a: 5m", /bad retry profiles/],
  ["{ A: 5m }", /bad retry profile/],
  ["{ a: 5m } { a: 6m }", /there already: a/],
  ["{ default: 5m }", /there already: default/],
  ["{ a: }", /no schedule/],
  ["{ a: jitter 10% }", /no schedule/],
  ["{ a: 5m; 6m }", /bad schedule/],
  ["{ a: five }", /bad time value.*five/],
  ["{ a: 0 }", /bad time value/],
  ["{ a: 5m*5000 }", /more than 1000 waits/],
  ["{ a: F,2h }", /bad time value/],
  ["{ a: G,2h,15m }", /bad rule/],
  ["{ a: F,2h,15m; 5m }", /bad schedule/],
  ["{ a: 5m; jitter 200% }", /bad jitter/],
  ["{ a: backoff 10m 5m }", /must not be longer/],
  // Divided in every possible way by an expression that allowed it: minutes for 40 digits.
  [`{ a: ${"9".repeat(10_000)}x }`, /bad time value/],
])("%s is refused with a reason", (text, reason) => {
  expect(() => retryProfiles.parse(text, "/")).toThrow(reason);
});

test("spamexperts may be given another schedule", () => {
  expect(retryProfiles.parse("{ spamexperts: 5m }", "/").get("spamexperts")?.longestMs).toBe(5 * MINUTE);
});
