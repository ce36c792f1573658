/** What cleanup makes of aliases in mail with a history: a crash before the move, a hold before that. */
import { appendFileSync } from "node:fs";
import { expect, test } from "vitest";
import { memoryLog } from "../../src/base/log.ts";
import { testConfig } from "../../src/config/load.ts";
import type { Admission } from "../../src/ipc/messages.ts";
import { Incoming } from "../../src/process/cleanup/incoming.ts";
import { readQueueFile } from "../../src/spool/file.ts";
import { encodeRecord } from "../../src/spool/record.ts";
import { useSpool } from "../harness/spool.ts";
import { spooled } from "../harness/spooled.ts";
import { until } from "../harness/until.ts";

useSpool();

const record = {
  kind: "rewritten",
  time: 1,
  replaced: [0],
  added: [{ address: "old@two.test", original: "b@two.test" }],
} as const;

/** A cleanup that has just been started: what it brings to active/. */
async function start(): Promise<Admission> {
  const config = testConfig({ virtual_alias_maps: "inline:{b@two.test=new@two.test}" });
  const incoming = new Incoming(config, memoryLog(), () => {});
  let admitted: Admission | undefined;
  incoming.room = { room: 1, admitted: (admission) => (admitted = admission) };
  incoming.rescan();
  return until("it to move", () => admitted);
}
const recipients = (id: string) => readQueueFile(`active/${id}`).envelope.recipients.map(({ address }) => address);

test("killed behind the record: it holds, though the alias has changed", async () => {
  const id = await spooled("incoming", { records: [record] });
  expect(await start()).toEqual({ id }); // for qmgr to read
  expect(recipients(id)).toEqual(["b@two.test", "old@two.test"]);
});

test("killed within the record: it is written anew", async () => {
  const id = await spooled("incoming");
  appendFileSync(`incoming/${id}`, encodeRecord(record).slice(0, 60));
  expect(await start()).toEqual({ id });
  expect(recipients(id)).toEqual(["b@two.test", "new@two.test"]);
});

test("mail that was held before it was delivered is expanded when it is released", async () => {
  const time = Date.now();
  const id = await spooled("incoming", {
    records: [
      { kind: "hold", time, reason: "" },
      { kind: "release", time },
    ],
  });
  expect(await start()).toEqual({ id });
  expect(recipients(id)).toEqual(["b@two.test", "new@two.test"]);
});
