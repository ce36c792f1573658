/** A clock that was set back must not make mail wait until the time comes again. */
import { readdirSync, renameSync } from "node:fs";
import { afterEach, expect, test, vi } from "vitest";
import { memoryLog } from "../../src/base/log.ts";
import { testConfig } from "../../src/config/load.ts";
import { Deferred } from "../../src/process/defer/deferred.ts";
import { Active } from "../../src/process/qmgr/active.ts";
import type { ActiveMessage } from "../../src/process/qmgr/message.ts";
import { Timeline } from "../../src/service/timeline.ts";
import { Room } from "../../src/process/qmgr/room.ts";
import type { Scheduler } from "../../src/process/qmgr/scheduler.ts";
import { SpentFiles } from "../../src/spool/spent.ts";
import { retryRules } from "../harness/retrying.ts";
import { useSpool } from "../harness/spool.ts";
import { spooled } from "../harness/spooled.ts";
import { until } from "../harness/until.ts";

useSpool();
afterEach(() => vi.useRealTimers());

const HOUR_MS = 3_600_000;

test("a flush takes what was deferred in a time that is still to come, and nothing twice", async () => {
  const id = await spooled("incoming");
  renameSync(`incoming/${id}`, `deferred/${id}`);
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() - HOUR_MS });
  const deferred = new Deferred(retryRules(), new Timeline(), memoryLog(), () => {});
  const admitted: string[] = [];
  deferred.room = { room: 100, admitted: (admission) => admitted.push(admission.id) };
  deferred.scan(true);
  await until("the flush", () => admitted.length > 0);
  expect(admitted).toEqual([id]);
});

test("what a lost word left in active is found", async () => {
  const id = await spooled("incoming");
  const active = new Active(testConfig({}), retryRules(), memoryLog(), new Room(100), {
    spent: new SpentFiles(0),
    wake() {},
    onConcluded() {},
    barOf: () => undefined,
  });
  active.scheduler = {
    enqueue: (message: ActiveMessage) => {
      message.pending = 1;
    },
  } as Scheduler;
  await active.takeUp(false);
  renameSync(`incoming/${id}`, `active/${id}`);
  await active.takeUp(true);
  expect(active.size).toBe(0); // it may have been told a moment ago
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() - HOUR_MS });
  await active.takeUp(true);
  expect(active.get(id)?.id).toBe(id);
  expect(readdirSync("active")).toEqual([id]);
});

test("nothing is taken for lost before all of active is taken up: an agent of an earlier qmgr may have it", async () => {
  const id = await spooled("incoming");
  renameSync(`incoming/${id}`, `active/${id}`);
  const active = new Active(testConfig({}), retryRules(), memoryLog(), new Room(100), {
    spent: new SpentFiles(0),
    wake() {},
    onConcluded() {},
    barOf: () => undefined,
  });
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + HOUR_MS });
  await active.takeUp(true);
  expect(active.size).toBe(0);
});
