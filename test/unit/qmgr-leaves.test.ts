/** Who may connect and send when throttles count what several processes do. */
import { expect, test, vi } from "vitest";
import { throttles } from "../../src/config/throttles.ts";
import type { Link } from "../../src/ipc/link.ts";
import type { Answer, Ask, Message } from "../../src/ipc/messages.ts";
import { Leaves } from "../../src/process/qmgr/leaves.ts";

function agent() {
  const answers: Answer[] = [];
  const link = { send: (message: Message) => message.type === "answer" && answers.push(message) } as unknown as Link;
  return { link, answers, said: () => answers.map(({ waitMs, refusal }) => refusal?.why ?? waitMs) };
}

let asked = 0;
function ask(what: Ask["what"], address: string, source = "192.0.2.1", nexthop = "d.test"): Ask {
  asked += 1;
  return { type: "ask", ask: asked, what, nexthop, address, source };
}

const parse = (text: string) => throttles.parse(text, "");

test("open connections to an address are counted over all agents, and given back by those that close or die", () => {
  const leaves = new Leaves(parse("198.51.100.1 connections=2"));
  const [one, two] = [agent(), agent()];
  const first = ask("connect", "198.51.100.1");
  leaves.ask(one.link, first);
  leaves.ask(two.link, ask("connect", "198.51.100.1", "192.0.2.2", "e.test"));
  leaves.ask(two.link, ask("connect", "198.51.100.1"));
  leaves.ask(two.link, ask("connect", "198.51.100.1"));
  leaves.ask(two.link, ask("connect", "198.51.100.9"));
  expect([one.said(), two.said()]).toEqual([[0], [0, 0]]); // the second of these is of the other address
  leaves.left(one.link, first.ask);
  expect(two.said()).toEqual([0, 0, 0]);
  leaves.left(one.link, first.ask); // said twice counts once
  expect(two.said()).toEqual([0, 0, 0]);
  const three = agent();
  leaves.ask(three.link, ask("connect", "198.51.100.1"));
  leaves.gone(two.link); // with what it had open, and what it waited for
  expect(three.said()).toEqual([0]);
});

test("turns are even, and one that is too far away is refused; a waiting one too", () => {
  vi.useFakeTimers();
  const leaves = new Leaves(parse("198.51.100.1 connects=6/m, * from 192.0.2.9 messages=60/m connections=1"));
  const one = agent();
  for (let count = 0; count < 4; count += 1) leaves.ask(one.link, ask("connect", "198.51.100.1"));
  expect(one.said()).toEqual([0, 10_000, 20_000, "throttled: [198.51.100.1]"]);
  expect(one.answers[3]?.refusal?.forMs).toBe(30_000);
  const two = agent();
  for (let count = 0; count < 3; count += 1) leaves.ask(two.link, ask("message", "203.0.113.1", "192.0.2.9"));
  expect(two.said()).toEqual([0, 1000, 2000]);
  const three = agent();
  for (let count = 0; count < 2; count += 1) leaves.ask(three.link, ask("connect", "203.0.113.1", "192.0.2.9"));
  vi.advanceTimersByTime(20_000);
  expect(three.said()).toEqual([0, "throttled: * 192.0.2.9"]);
  vi.useRealTimers();
});

test("what qmgr holds by its schedule needs no leave, unless the source counts", () => {
  const ends = { nexthop: "d.test", address: "198.51.100.1", source: "192.0.2.1" };
  expect(parse("d.test messages=1 connections=1").needingLeave(ends)).toEqual([{ key: "d.test" }]);
  expect(parse("d.test messages=1 connects=9").needingLeave(ends)).toEqual([{ key: "d.test", connects: 9 }]);
  const paired = parse("d.test messages=1, d.test from 192.0.2.7 messages=2");
  expect(paired.needingLeave(ends)).toEqual([{ key: "d.test", messages: 1 }]);
  expect(paired.needingLeave({ ...ends, source: "192.0.2.7" })).toEqual([{ key: "d.test 192.0.2.7", messages: 2 }]);
});
