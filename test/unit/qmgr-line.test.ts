/** Who is next at a destination, what is set aside, and who gets the last places of the agents. */
import { expect, test } from "vitest";
import { testConfig } from "../../src/config/load.ts";
import type { Link } from "../../src/ipc/link.ts";
import type { Deliver, Message } from "../../src/ipc/messages.ts";
import { Agents } from "../../src/process/qmgr/agents.ts";
import { Aside } from "../../src/process/qmgr/aside.ts";
import { ActiveMessage } from "../../src/process/qmgr/message.ts";
import { Scheduler } from "../../src/process/qmgr/scheduler.ts";

const SETTINGS = { default_destination_recipient_limit: "2" };

/** A scheduler with one agent: what it was handed, and what was recalled. */
function office({ credit = 1000, free = 1000, settings = {} as Readonly<Record<string, string>> } = {}) {
  const out: Deliver[] = [];
  const recalled: string[] = [];
  const room = { free };
  const jobs = new Map<number, Parameters<Scheduler["reported"]>[0]>();
  const agents = new Agents([], { onReport() {}, onOldReport() {}, onReturned() {}, onCredit() {} });
  const hand = agents.hand.bind(agents);
  agents.hand = (to, entry, describe) =>
    hand(to, entry, (job) => {
      jobs.set(job, entry);
      return describe(job);
    });
  const config = testConfig({ ...SETTINGS, ...settings });
  const route = (address: string) => ({ transport: "smtp", nexthop: address.slice(address.indexOf("@") + 1) });
  const scheduler = new Scheduler(config, () => route, agents, {
    onOwn() {},
    onWanted() {},
    onSuspended() {},
    onRestrained() {},
    onRecall: (ids) => recalled.push(...ids),
    freeFor: () => room.free,
  });
  const peer = { type: "hello", version: 1, name: "smtp", pid: 4711, credit } as const;
  const link = { peer, send: (message: Message) => message.type === "deliver" && out.push(message) } as unknown as Link;
  agents.connected(link);
  agents.inventory(link, []);
  return {
    out,
    recalled,
    room,
    scheduler,
    /** Delivers what is out, one after the other, until nothing is; says in which order. */
    async deliverAll(): Promise<string[]> {
      const order: string[] = [];
      for (await turn(); order.length < out.length; await turn()) {
        const { job, id, results = [] } = { ...(out[order.length] as Deliver), results: [] };
        order.push(id);
        agents.report(link, { type: "report", job, id, results, recorded: true });
        const entry = jobs.get(job);
        if (entry !== undefined) scheduler.reported(entry, { results });
      }
      return order;
    },
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

function message(id: string, sender: string, ...to: readonly string[]): ActiveMessage {
  return messageBy("cleanup", id, sender, ...to);
}

function messageBy(feeder: string, id: string, sender: string, ...to: readonly string[]): ActiveMessage {
  const recipients = to.map((address) => ({ address }));
  const envelope = { id, arrival: 0, sender, recipients, origin: "smtp" } as unknown as ActiveMessage["envelope"];
  return new ActiveMessage(envelope, { offset: 0, length: 0, feeder, queuedMs: 0 });
}

const many = (count: number, domain: string) => Array.from({ length: count }, (_, at) => `r${at}@${domain}`);

test("senders to one destination take turns", async () => {
  const { scheduler, deliverAll } = office({ settings: { default_destination_concurrency_limit: "1" } });
  for (const id of ["a1", "a2", "a3", "a4"]) scheduler.enqueue(message(id, "a@s.test", "x@d.test"));
  for (const id of ["b1", "b2"]) scheduler.enqueue(message(id, "b@s.test", "x@d.test"));
  expect(await deliverAll()).toEqual(["a1", "b1", "a2", "b2", "a3", "a4"]);
});

test("of one sender a message to many does not hold up those behind it, nor they it", async () => {
  const { scheduler, deliverAll } = office({ settings: { default_destination_concurrency_limit: "1" } });
  scheduler.enqueue(message("big", "a@s.test", ...many(10, "d.test")));
  for (const id of ["1", "2", "3"]) scheduler.enqueue(message(id, "a@s.test", "x@d.test"));
  expect(await deliverAll()).toEqual(["big", "big", "1", "big", "2", "big", "3", "big"]);
});

test("the destinations of one message do not hold up another message's", async () => {
  const { scheduler, out } = office({ credit: 20 });
  const to = Array.from({ length: 100 }, (_, at) => `x@d${at}.test`);
  scheduler.enqueue(message("big", "a@s.test", ...to));
  for (const id of ["1", "2", "3"]) scheduler.enqueue(message(id, "a@s.test", `x@other${id}.test`));
  await turn();
  expect(out.map(({ id }) => id).slice(0, 7)).toEqual(["big", "big", "1", "big", "2", "big", "3"]);
  expect(out).toHaveLength(15); // the reserve is not for them
});

test("destinations with much out leave places for others, and get them when others are done", async () => {
  const { scheduler, out, deliverAll } = office({ credit: 20, settings: { initial_destination_concurrency: "20" } });
  for (let count = 0; count < 50; count += 1) scheduler.enqueue(message(`s${count}`, "a@s.test", "x@slow.test"));
  await turn();
  expect(out).toHaveLength(15);
  scheduler.enqueue(message("fast", "a@s.test", "x@fast.test"));
  await turn();
  expect(out.at(-1)?.id).toBe("fast");
  expect(await deliverAll()).toHaveLength(51);
});

test("a destination takes no more than what is left, and its mail is recalled in order as its line gets shorter", async () => {
  const settings = { default_destination_concurrency_limit: "2" };
  const { scheduler, room, recalled, deliverAll } = office({ free: 30, settings });
  const refused: string[] = [];
  for (let count = 0; count < 60; count += 1) {
    const id = `4jXCKj2RJyz${String(count).padStart(3, "B")}`;
    const one = message(id, "a@s.test", "x@d.test");
    scheduler.enqueue(one);
    if (one.pending > 0) room.free -= 1;
    else refused.push(id);
  }
  expect(refused.length).toBe(50); // a sender alone: a third of what was free
  const other = message("other", "b@s.test", "x@d.test");
  scheduler.enqueue(other);
  expect(other.pending).toBe(1);
  await deliverAll();
  expect(recalled).toEqual(refused.slice(0, 9)); // in portions
  const again = message(recalled[0] ?? "", "a@s.test", "x@d.test");
  scheduler.enqueue(again);
  expect(again.pending).toBe(1);
});

test("a message that waits for crowded destinations only is set aside, and one that does not stays", async () => {
  const { scheduler, room } = office({ free: 1000, settings: { default_destination_concurrency_limit: "1" } });
  for (let count = 0; count < 10; count += 1) scheduler.enqueue(message(`s${count}`, "a@s.test", "x@slow.test"));
  const both = message("both", "b@s.test", "x@slow.test", "x@slow2.test");
  scheduler.enqueue(both);
  await turn();
  room.free = 5;
  scheduler.setAside(both); // one part of it is out
  expect(both.inLine.size).toBe(1);
  both.pending = both.inLine.size;
  scheduler.setAside(both);
  expect(both.pending).toBe(0);
});

test("what was taken back from a line is not kept in it", async () => {
  const { scheduler, deliverAll } = office({ settings: { default_destination_concurrency_limit: "1" } });
  const messages = Array.from({ length: 500 }, (_, at) => message(`m${at}`, `s${at % 7}@s.test`, "x@d.test"));
  for (const one of messages) scheduler.enqueue(one);
  await turn();
  for (const one of messages.slice(0, 490)) scheduler.withdraw(one);
  expect((await deliverAll()).sort()).toEqual(["m0", ...messages.slice(490).map(({ id }) => id)].sort());
});

test("a recalled message that does not come is not waited for longer than a minute", () => {
  const aside = new Aside();
  for (let count = 0; count < 10; count += 1) aside.add("a@s.test", `m${count}`);
  aside.add("a@s.test", "m0"); // known already
  expect(aside.size).toBe(10);
  expect(aside.recall(4, 1, 0)).toEqual(["m0", "m1", "m2", "m3"]);
  expect(aside.recall(4, 1, 1000)).toEqual([]);
  expect(aside.arrived("m0")).toBe(true);
  expect(aside.arrived("m0")).toBe(false);
  expect(aside.recall(4, 1, 60_000)).toEqual(["m4", "m5", "m6", "m7"]);
});

test("[E12] ten thousand destinations are forgotten when their mail is out", async () => {
  const { scheduler, deliverAll } = office({ credit: 20_000, free: 20_000 });
  for (let at = 0; at < 10_000; at++) scheduler.enqueue(message(`m${at}`, "a@s.test", `x@d${at}.test`));
  expect(scheduler.destinations().length).toBeGreaterThan(5000);
  expect(new Set(await deliverAll()).size).toBe(10_000);
  expect(scheduler.destinations()).toEqual([]);
});

test("retries are too many while some are set aside, until these are back and the line is short", async () => {
  const settings = { default_destination_concurrency_limit: "2" };
  const { scheduler, recalled, deliverAll } = office({ free: 40, settings });
  for (let count = 0; count < 20; count += 1)
    scheduler.enqueue(messageBy("defer", `r${count}`, "a@s.test", "x@d.test"));
  expect(scheduler.isOverfed).toBe(false);
  for (let count = 20; count < 30; count += 1)
    scheduler.enqueue(messageBy("defer", `r${count}`, "a@s.test", "x@d.test"));
  expect(scheduler.isOverfed).toBe(true);
  await deliverAll();
  expect(recalled).toHaveLength(10);
  expect(scheduler.isOverfed).toBe(false);
});

test("new mail that is set aside does not hold retries back", () => {
  const { scheduler } = office({ free: 40 });
  for (let count = 0; count < 60; count += 1) scheduler.enqueue(message(`n${count}`, "a@s.test", "x@d.test"));
  expect(scheduler.isOverfed).toBe(false);
});
