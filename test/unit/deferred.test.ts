/** deferred/ may hold millions: what that costs the others. */
import { utimesSync, writeFileSync } from "node:fs";
import { beforeEach, expect, test } from "vitest";
import { memoryLog } from "../../src/base/log.ts";
import type { Admission } from "../../src/ipc/messages.ts";
import { makeQueueId } from "../../src/mail/queue-id.ts";
import { Deferred } from "../../src/process/defer/deferred.ts";
import { Timeline } from "../../src/service/timeline.ts";
import { retryRules } from "../harness/retrying.ts";
import { useSpool } from "../harness/spool.ts";
import { until } from "../harness/until.ts";

useSpool();

const WAITING = 700;
const DUE = 7;

let deferred: Deferred;
let admitted: Admission[];
let due: string[];

beforeEach(() => {
  admitted = [];
  due = [];
  const now = Date.now() / 1000;
  for (let number = 0; number < WAITING; number += 1) {
    const id = makeQueueId(1_795_000_000, number, 1000 + number);
    const isDue = number % (WAITING / DUE) === 0;
    writeFileSync(`deferred/${id}`, "");
    utimesSync(`deferred/${id}`, now, isDue ? now - 1 : now + 1000);
    if (isDue) due.push(id);
  }
  deferred = new Deferred(retryRules(), new Timeline(), memoryLog(), () => {});
  deferred.room = { room: 2 * WAITING, admitted: (admission) => admitted.push(admission) };
});

test("a scan finds what is due, and leaves most of the processor to others", async () => {
  const cpu = process.threadCpuUsage();
  const begun = performance.now();
  deferred.scan(false);
  await until("what is due", () => admitted.length === DUE);
  const { user, system } = process.threadCpuUsage(cpu);
  expect((user + system) / 1000).toBeLessThan((performance.now() - begun) / 2);
  expect(admitted.map(({ id }) => id).sort()).toEqual(due.sort());
});

test("what a command names does not wait for the scan", async () => {
  deferred.scan(false);
  await until("a first one", () => admitted.length > 0);
  const named = makeQueueId(1_795_000_000, 1, 1001);
  expect(await deferred.execute("flush", named, "")).toBe(true);
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  expect(admitted).toContainEqual({ id: named, all: true }); // the scan may have brought more since
});

test("a flush does not wait until a scan has ended", async () => {
  deferred.scan(false);
  await until("a first one", () => admitted.length > 0);
  deferred.scan(true);
  await until("all", () => admitted.length === WAITING);
  expect(new Set(admitted.map(({ id }) => id)).size).toBe(WAITING);
});
