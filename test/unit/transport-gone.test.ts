/** A transport that a reload takes away, while mail for it is in line or on its way to an agent. */
import { expect, test } from "vitest";
import { memoryLog } from "../../src/base/log.ts";
import { testConfig } from "../../src/config/load.ts";
import type { ClientEvents } from "../../src/ipc/client.ts";
import type { Link } from "../../src/ipc/link.ts";
import type { Deliver, Message, Report } from "../../src/ipc/messages.ts";
import { Agents } from "../../src/process/qmgr/agents.ts";
import { ActiveMessage } from "../../src/process/qmgr/message.ts";
import { Scheduler } from "../../src/process/qmgr/scheduler.ts";
import { runAgent } from "../../src/service/agent.ts";
import type { Context } from "../../src/service/service.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("qmgr routes what is in line anew", async () => {
  const agents = new Agents([], { onReport() {}, onOldReport() {}, onReturned() {}, onCredit: () => scheduler.pump() });
  const scheduler: Scheduler = new Scheduler(
    testConfig({ transports: "slow:smtp" }),
    (config) => () => ({ transport: config.agentOf("slow") === undefined ? "smtp" : "slow", nexthop: "d.test" }),
    agents,
    { onOwn() {}, onWanted() {}, onRecall() {}, freeFor: () => 1000, onSuspended() {}, onRestrained() {} },
  );
  const recipients = [{ address: "a@d.test" }, { address: "b@d.test" }];
  const envelope = { id: "x", arrival: 0, sender: "s@s.test", recipients, origin: "smtpd" as const };
  const message = new ActiveMessage(envelope, { offset: 1, length: 1, feeder: "cleanup", queuedMs: 0 });
  scheduler.enqueue(message);
  scheduler.config = testConfig({});
  const waiting = scheduler.destinations().filter((destination) => destination.waiting > 0);
  expect(waiting).toMatchObject([{ transport: "smtp", waiting: 1 }]);
  expect([message.pending, message.inLine.size]).toEqual([1, 1]);
  const told: Deliver[] = [];
  const link = {
    peer: { type: "hello", version: 1, name: "smtp", pid: 1, credit: 5 },
    send: (said: Message) => said.type === "deliver" && told.push(said),
  } as unknown as Link;
  agents.connected(link);
  agents.inventory(link, []);
  await turn();
  expect(told).toMatchObject([{ transport: "smtp", recipients: [{ address: "a@d.test" }, { address: "b@d.test" }] }]);
  expect(scheduler.destinations()).toMatchObject([{ transport: "smtp", waiting: 0, busy: 1 }]);
});

test("an agent puts off what it was handed, and lives", async () => {
  const said: Message[] = [];
  let events: ClientEvents | undefined;
  const context = {
    log: memoryLog(),
    config: testConfig({}),
    alone: false,
    busy() {},
    idle() {},
    dial(_: string, given: ClientEvents) {
      events = given;
      return { send: (message: Message) => said.push(message) };
    },
  } as unknown as Context;
  runAgent(context, { credit: 1, deliver: () => Promise.reject(new Error("not to be called")) });
  events?.onOpen?.({} as Link);
  const recipients = [{ address: "a@d.test", index: 0, attempt: 3 }];
  const rest = { nexthop: "d.test", sender: "", offset: 0, length: 0, arrival: 0, queued: 0 };
  events?.onMessage({ type: "deliver", job: 7, id: "4jXCKj2RJyz7k", transport: "gone", recipients, ...rest });
  await turn();
  const report = said.find((message): message is Report => message.type === "report");
  expect(report).toMatchObject({
    job: 7,
    results: [{ outcome: "deferred", attempt: 3, dsn: "4.3.0", text: "mail transport unavailable" }],
  });
});
