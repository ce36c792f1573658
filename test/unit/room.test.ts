import { afterEach, expect, test, vi } from "vitest";
import { Backlog } from "../../src/process/cleanup/backlog.ts";
import { Room } from "../../src/process/qmgr/room.ts";
import type { Link } from "../../src/ipc/link.ts";
import type { Message } from "../../src/ipc/messages.ts";

afterEach(() => vi.useRealTimers());

/** Counts what is granted; a Link is only asked to send. */
function feeder(): { link: Link; granted: () => number } {
  let granted = 0;
  const link = {
    send(message: Message) {
      if (message.type === "grant") granted += message.count;
    },
  } as Link;
  return { link, granted: () => granted };
}

test("nothing is granted before what was in active has been counted", () => {
  const room = new Room(100);
  const cleanup = feeder();
  room.connected("cleanup", cleanup.link);
  expect(cleanup.granted()).toBe(0);
  room.open();
  expect(cleanup.granted()).toBeGreaterThan(0);
});

test("neither feeder can take all of the room, and both together never more than the limit", () => {
  const room = new Room(100);
  const cleanup = feeder();
  const defer = feeder();
  room.open();
  room.connected("defer", defer.link);
  for (let used = 0; used < defer.granted(); used += 1) {
    room.entered("defer");
    room.replenish();
  }
  expect(defer.granted()).toBe(80);
  room.connected("cleanup", cleanup.link);
  for (let used = 0; used < cleanup.granted(); used += 1) {
    room.entered("cleanup");
    room.replenish();
  }
  expect(cleanup.granted()).toBe(20);
  expect(room.total).toBe(100);
  room.left("defer");
  room.replenish();
  expect(cleanup.granted() + defer.granted()).toBe(101);
});

test("a feeder that came back is granted anew, and what it had moved counts", () => {
  const room = new Room(100);
  room.open();
  const first = feeder();
  room.connected("cleanup", first.link);
  for (let used = 0; used < 10; used += 1) room.entered("cleanup");
  room.disconnected("cleanup", first.link);
  const second = feeder();
  room.connected("cleanup", second.link);
  expect(second.granted()).toBeGreaterThan(0);
  expect(second.granted() + room.total).toBeLessThanOrEqual(100);
});

test("a backlog keeps the order, takes nothing twice, and knows when it is incomplete", () => {
  const backlog = new Backlog(3);
  expect(["a", "b", "a", "c", "d"].map((id) => backlog.add({ id }))).toEqual([true, true, false, true, false]);
  expect(backlog.isIncomplete).toBe(true);
  backlog.forget("b");
  expect(backlog.add({ id: "b", offset: 1 })).toBe(true); // told anew: what was known of it before is void
  expect([backlog.take(), backlog.take(), backlog.take(), backlog.take()]).toEqual([
    { id: "a" },
    { id: "c" },
    { id: "b", offset: 1 },
    undefined,
  ]);
});

test("who brings more than is taken is granted little at a time, but what was recalled has its place", () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "performance"] });
  let isPaced = false;
  const room = new Room(20_000, () => isPaced);
  const defer = feeder();
  room.open();
  room.connected("defer", defer.link);
  expect(defer.granted()).toBe(1000);
  for (let used = 0; used < 1000; used += 1) room.entered("defer");
  isPaced = true;
  room.replenish();
  expect(defer.granted()).toBe(1000);
  room.invite("defer", 100);
  expect(defer.granted()).toBe(1100);
  vi.advanceTimersByTime(500);
  expect(defer.granted()).toBe(1250);
  isPaced = false;
  room.replenish();
  expect(defer.granted()).toBe(2000);
});
