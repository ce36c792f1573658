import { renameSync } from "node:fs";
import { expect, test } from "vitest";
import { memoryLog } from "../../src/base/log.ts";
import { testConfig } from "../../src/config/load.ts";
import { Incoming } from "../../src/process/cleanup/incoming.ts";
import { spooled } from "../harness/spooled.ts";
import { useSpool } from "../harness/spool.ts";
import { until } from "../harness/until.ts";

useSpool();

test("a scan that the disk breaks off is not the last", async () => {
  const id = await spooled("incoming");
  const log = memoryLog();
  const admitted: string[] = [];
  const incoming = new Incoming(testConfig({}), log, () => {});
  incoming.room = { room: 1, admitted: (one) => admitted.push(one.id) };
  renameSync("incoming", "elsewhere");
  incoming.rescan();
  expect(log.lines[0]).toMatch(/scan of incoming ended early: listing incoming/);
  renameSync("elsewhere", "incoming");
  incoming.rescan();
  await until("the message", () => admitted.length > 0);
  expect(admitted).toEqual([id]);
});
