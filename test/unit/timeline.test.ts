/** A clock that is set makes no mail older or younger, and brings none back before its time. */
import { lstatSync, renameSync, utimesSync } from "node:fs";
import { describe, expect, test, vi } from "vitest";
import { memoryLog } from "../../src/base/log.ts";
import { testConfig } from "../../src/config/load.ts";
import { Tables } from "../../src/config/tables.ts";
import { presentOf } from "../../src/mail/clock-steps.ts";
import type { Envelope } from "../../src/mail/envelope.ts";
import { foldJournal } from "../../src/mail/state.ts";
import { Deferred } from "../../src/process/defer/deferred.ts";
import { RetryRules } from "../../src/service/retry-rules.ts";
import { type Clocks, Timeline } from "../../src/service/timeline.ts";
import { useSpool } from "../harness/spool.ts";
import { spooled } from "../harness/spooled.ts";
import { until } from "../harness/until.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEARS = 3650 * DAY;
const START = Date.UTC(2026, 10, 25);

useSpool();

/** A machine whose clocks a test turns. */
function machine() {
  const state = { wall: START, uptime: 5 * DAY, boot: "one" };
  const clocks: Clocks = {
    wall: () => state.wall,
    monotonic: () => state.uptime,
    uptime: () => state.uptime,
    boot: () => state.boot,
  };
  return {
    state,
    clocks,
    pass(ms: number) {
      state.wall += ms;
      state.uptime += ms;
    },
    set: (ms: number) => {
      state.wall += ms;
    },
  };
}

describe("a time that was written down is, by the clock of now,", () => {
  const later = START + HOUR;
  const forward = [{ from: later, to: later + DAY }];
  const back = [{ from: later, to: later - DAY }];
  test.each([
    ["what it says, if the clock was never set", START, [], START],
    ["so much later as the clock was set forward since", START, forward, START + DAY],
    ["what it says, if it was written after that", later + DAY + 1, forward, later + DAY + 1],
    ["the end of the gap, if it lies within the step", later + HOUR, forward, later + DAY],
    ["earlier, where the clock was set back since", START, back, START - DAY],
    ["of two that it can be the later one", later - DAY + 1, back, later - DAY + 1],
  ])("%s", (_, time, steps, expected) => {
    expect(presentOf(time, steps, (steps[0]?.to ?? later) + MINUTE)).toBe(expected);
  });

  test("right again, when a wrong step was taken back, whenever it was written", () => {
    const steps = [
      { from: later, to: later + YEARS },
      { from: later + YEARS + HOUR, to: later + HOUR },
    ];
    const now = later + 2 * HOUR;
    expect(presentOf(START, steps, now)).toBe(START); // before
    expect(presentOf(later + YEARS + MINUTE, steps, now)).toBe(later + MINUTE); // meanwhile
    expect(presentOf(later + HOUR + MINUTE, steps, now)).toBe(later + HOUR + MINUTE); // after
  });

  test("right too, when the machine came up in 1970 and learned the time later", () => {
    const steps = [
      { from: START, to: 1000 },
      { from: MINUTE, to: START + MINUTE },
    ];
    expect(presentOf(START - HOUR, steps, START + HOUR)).toBe(START - HOUR + 1000);
    expect(presentOf(30_000, steps, START + HOUR)).toBe(START + 30_000);
  });

  test("no older than now, if nobody has ever seen it", () => {
    expect(presentOf(START + YEARS, [{ from: START, to: START + DAY }], START + 2 * DAY)).toBe(START + 2 * DAY);
  });
});

describe("the clock", () => {
  test.each([
    ["forward by a day", DAY],
    ["back by a day", -DAY],
    ["forward by ten years", YEARS],
    ["back by ten years", -YEARS],
  ])("%s: it is said, written down, and no age changes, also for a process that starts later", (_, step) => {
    const { clocks, pass, set } = machine();
    const log = memoryLog();
    const timeline = new Timeline(log, clocks);
    timeline.save();
    const written = clocks.wall();
    pass(HOUR);
    expect(timeline.now() - timeline.present(written)).toBe(HOUR);
    set(step);
    expect(timeline.now() - timeline.present(written)).toBe(HOUR);
    expect(log.lines).toEqual([expect.stringMatching(/^warning: the clock went (forward|back) by \d+s/)]);
    expect(timeline.isUnsaved).toBe(true);
    timeline.save();
    pass(MINUTE);
    const other = new Timeline(memoryLog(), clocks);
    expect(other.now() - other.present(written)).toBe(HOUR + MINUTE);
  });

  test("is known to have been set while nothing ran, since the machine was not started anew", () => {
    const { clocks, pass, set } = machine();
    new Timeline(memoryLog(), clocks).save();
    const written = clocks.wall();
    pass(3 * HOUR);
    set(YEARS);
    const timeline = new Timeline(memoryLog(), clocks);
    expect(timeline.now() - timeline.present(written)).toBe(3 * HOUR);
  });

  test.each([
    ["a short pause counts", 10 * MINUTE, 10 * MINUTE],
    ["a long one counts an hour", 40 * DAY, HOUR],
    ["one of ten years, too", YEARS, HOUR],
    ["a clock that is behind counts nothing", -YEARS, 0],
  ])("over a boot of the machine %s", (_, passed, counted) => {
    const { state, clocks } = machine();
    new Timeline(memoryLog(), clocks).save();
    const written = clocks.wall();
    state.boot = "two";
    state.uptime = 20_000;
    state.wall += passed;
    const timeline = new Timeline(memoryLog(), clocks);
    expect(timeline.now() - timeline.present(written)).toBe(counted);
  });

  test("is no matter of a few seconds, and time that the machine slept has passed", () => {
    const { state, clocks, set } = machine();
    const log = memoryLog();
    const monotonic = state.uptime;
    const timeline = new Timeline(log, { ...clocks, monotonic: () => monotonic });
    set(30_000);
    timeline.now();
    state.wall += DAY; // asleep
    state.uptime += DAY;
    const written = START - HOUR;
    expect(timeline.now() - timeline.present(written)).toBe(DAY + HOUR + 30_000);
    expect(log.lines).toEqual([]);
  });
});

test("a step that qmgr wrote, and another process saw later, or before it, is one", () => {
  const { clocks, pass, set } = machine();
  const qmgr = new Timeline(memoryLog(), clocks);
  qmgr.save();
  const [early, late] = [new Timeline(memoryLog(), clocks), new Timeline(memoryLog(), clocks)];
  set(DAY);
  early.now();
  pass(2000);
  qmgr.now();
  qmgr.save();
  pass(40_000);
  for (const other of [early, late]) {
    other.reload();
    expect(other.present(START - HOUR)).toBe(START - HOUR + DAY);
  }
});

const attempt = (time: number) =>
  ({
    kind: "attempt",
    recipient: 0,
    attempt: 1,
    type: "refused",
    outcome: "deferred",
    time,
    dsn: "4.4.1",
    text: "Connection refused",
  }) as const;

test("nobody is given up, warned or made to wait longer by a step", () => {
  const { clocks, pass, set } = machine();
  const timeline = new Timeline(memoryLog(), clocks);
  const rules = new RetryRules(testConfig({ maximal_queue_lifetime: "2d" }), new Tables({ warn() {} }), timeline);
  const arrival = clocks.wall();
  const envelope: Envelope = {
    id: "x",
    arrival,
    sender: "a@b.test",
    recipients: [{ address: "c@d.test" }],
    origin: "smtpd",
  };
  pass(HOUR);
  const { recipients } = foldJournal(envelope, [attempt(arrival + HOUR)]);
  const [state] = recipients;
  if (state === undefined) throw new Error("no recipient");
  for (const [step, way] of [
    [YEARS, "forward"],
    [-YEARS, "back again"],
    [-YEARS, "back"],
  ] as const) {
    set(step);
    const plan = rules.after(envelope, 0, state, arrival + HOUR, timeline.now(), 0);
    expect(plan, way).toMatchObject({ isOver: false, waitMs: 30 * MINUTE });
  }
  pass(2 * DAY);
  expect(rules.after(envelope, 0, state, arrival + HOUR, timeline.now(), 0).isOver).toBe(true);
});

test("what waits in deferred/ goes on waiting when the clock jumps, as long as it would have", async () => {
  const { clocks, pass, set } = machine();
  const timeline = new Timeline(memoryLog(), clocks);
  const rules = new RetryRules(testConfig({}), new Tables({ warn() {} }), timeline);
  const deferred = new Deferred(rules, timeline, memoryLog(), () => {});
  const admitted: string[] = [];
  deferred.room = { room: 100, admitted: ({ id }) => admitted.push(id) };
  const waits = { soon: 10 * MINUTE, late: 25 * MINUTE };
  const ids = new Map<string, string>();
  for (const [name, wait] of Object.entries(waits)) {
    const next = START + wait;
    const id = await spooled("incoming", { records: [attempt(START), { kind: "schedule", time: START, next }] });
    utimesSync(`incoming/${id}`, next / 1000, next / 1000);
    renameSync(`incoming/${id}`, `deferred/${id}`);
    ids.set(name, id);
  }
  const scanned = async () => {
    const done = vi.fn<() => void>();
    deferred.scan(false);
    setImmediate(() => setImmediate(() => setImmediate(done)));
    await until("the scan", () => done.mock.calls.length > 0);
    return admitted.splice(0);
  };
  pass(MINUTE);
  set(YEARS);
  expect(await scanned()).toEqual([]);
  pass(10 * MINUTE);
  expect(await scanned()).toEqual([ids.get("soon")]);
  expect(lstatSync(`deferred/${ids.get("late")}`).mtimeMs).toBe(START + waits.late + YEARS);
  set(-2 * YEARS);
  expect(await scanned()).toEqual([]); // worked out again
  expect(lstatSync(`deferred/${ids.get("late")}`).mtimeMs).toBe(START + waits.late - YEARS);
  pass(15 * MINUTE);
  expect(await scanned()).toEqual([ids.get("late")]);
});
