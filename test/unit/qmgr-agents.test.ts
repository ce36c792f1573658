import { expect, test } from "vitest";
import { testConfig } from "../../src/config/load.ts";
import type { Link } from "../../src/ipc/link.ts";
import type { Deliver, Message } from "../../src/ipc/messages.ts";
import { Agents, type AgentEvents } from "../../src/process/qmgr/agents.ts";
import type { Entry } from "../../src/process/qmgr/destination.ts";
import { ActiveMessage } from "../../src/process/qmgr/message.ts";
import { Scheduler } from "../../src/process/qmgr/scheduler.ts";

const IGNORE: AgentEvents = { onReport() {}, onOldReport() {}, onReturned() {}, onCredit() {} };

/** An agent's end of a link: what it was told. */
function agent(pid: number, credit = 10): { link: Link; told: Deliver[] } {
  const told: Deliver[] = [];
  const link = {
    peer: { type: "hello", version: 1, name: "smtp", pid, credit },
    send(message: Message) {
      if (message.type === "deliver") told.push(message);
    },
  } as Link;
  return { link, told };
}

function message(id: string, domain: string): ActiveMessage {
  const recipients = [{ address: `bob@${domain}` }];
  const envelope = { id, arrival: 0, sender: "alice@sender.test", recipients, origin: "smtpd" as const };
  return new ActiveMessage(envelope, { offset: 1, length: 1, feeder: "cleanup", queuedMs: 0 });
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("an agent of whose end master told before it was heard gets no work, and what it gets is handed out again", async () => {
  const returned: Entry[] = [];
  const agents = new Agents([], { ...IGNORE, onReturned: (entry) => returned.push(entry) });
  const { link } = agent(4711);
  agents.gone(4711, false);
  agents.connected(link); // its greeting was still unread
  agents.inventory(link, []);
  expect(agents.free("smtp", false)).toBeUndefined();
  expect(agents.has("smtp", false)).toBe(false);
  agents.disconnected(link);
  expect(agents.busy).toBe(0);
  // Later another process may have the same number.
  const { link: another } = agent(4711);
  agents.connected(another);
  agents.inventory(another, []);
  expect(agents.free("smtp", false)).toBeDefined();
});

test("a delivery that succeeds ends its destination's suspension", async () => {
  const out: Entry[] = [];
  const agents = new Agents([], IGNORE);
  const suspended: string[] = [];
  const scheduler = new Scheduler(testConfig({}), () => () => ({ transport: "smtp", nexthop: "d.test" }), agents, {
    onOwn() {},
    onWanted() {},
    onRecall() {},
    freeFor: () => 1000,
    onRestrained() {},
    onSuspended: (entry) => suspended.push(entry.message.id),
  });
  const { link, told } = agent(4711);
  agents.connected(link);
  agents.inventory(link, []);
  const hand = agents.hand.bind(agents);
  agents.hand = (to, entry, describe) => {
    out.push(entry);
    hand(to, entry, describe);
  };
  for (const id of ["a", "b", "c", "d"]) scheduler.enqueue(message(id, "d.test"));
  await turn();
  expect(told).toHaveLength(4);
  for (const entry of out.slice(0, 3)) scheduler.reported(entry, { fault: "connect to d.test: refused", results: [] });
  expect(scheduler.suspensions()).toHaveLength(1);
  scheduler.enqueue(message("e", "d.test"));
  await turn();
  expect(suspended).toEqual(["e"]);
  scheduler.reported(out[3] as Entry, { results: [] });
  expect(scheduler.suspensions()).toHaveLength(0);
  scheduler.enqueue(message("f", "d.test"));
  await turn();
  expect(told.at(-1)?.id).toBe("f");
});
