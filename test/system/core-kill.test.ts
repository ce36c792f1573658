/** A short form of `npm run test:crash`: every process is killed once under load. */
import { expect, test } from "vitest";
import { PROCESS_NAMES } from "../crash/blows.ts";
import { siege } from "../crash/siege.ts";

test("kill -9 of each process in turn under load loses nothing, damages nothing, doubles nothing", async () => {
  const { verdict, kills, kept } = await siege({
    seed: 1,
    each: 1,
    messagesPerSecond: 40,
    sessions: 8,
    drainSeconds: 60,
    progress: () => {},
  });
  expect(verdict.violations, kept && `log, ledger and spool are in ${kept}`).toEqual([]);
  expect(kills.map(({ name }) => name)).toEqual([...PROCESS_NAMES]);
  expect(verdict.promised).toBeGreaterThan(50);
  expect(verdict.queued).toBe(0);
}, 180_000);
