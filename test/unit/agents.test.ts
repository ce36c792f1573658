import { describe, expect, test } from "vitest";
import type { Link } from "../../src/ipc/link.ts";
import type { Message } from "../../src/ipc/messages.ts";
import { Agents } from "../../src/process/qmgr/agents.ts";
import type { Entry } from "../../src/process/qmgr/destination.ts";

const PID = 4711;

/** What an agent's connection is to qmgr. */
function agentLink(): Link {
  const peer = { type: "hello", version: 1, name: "smtp", pid: PID, credit: 5 };
  return { peer, send: (_message: Message) => {} } as unknown as Link;
}

function agents(): { readonly table: Agents; readonly returned: boolean[] } {
  const returned: boolean[] = [];
  const table = new Agents([], {
    onReport: () => {},
    onOldReport: () => {},
    onReturned: (_entry, died) => returned.push(died),
    onCredit: () => {},
  });
  return { table, returned };
}

function hand(table: Agents): void {
  const agent = table.free("smtp", false);
  if (!agent) throw new Error("no agent takes work");
  table.hand(agent, {} as Entry, (job) => ({ type: "deliver", job }) as never);
}

describe("what an agent held when it died comes back", () => {
  test("when its link closes before master says so", () => {
    const { table, returned } = agents();
    const link = agentLink();
    table.connected(link);
    table.inventory(link, []);
    hand(table);
    table.disconnected(link);
    expect(returned).toEqual([]);
    table.gone(PID, false);
    expect(returned).toEqual([true]);
  });

  test("when master says so before its link closes", () => {
    const { table, returned } = agents();
    const link = agentLink();
    table.connected(link);
    table.inventory(link, []);
    hand(table);
    table.gone(PID, true);
    expect(returned).toEqual([]);
    table.disconnected(link);
    expect(returned).toEqual([false]);
  });

  test("and a dead one, whose last words are read only now, gets no more work", () => {
    const { table } = agents();
    const link = agentLink();
    table.gone(PID, false);
    table.connected(link);
    table.inventory(link, []);
    expect(table.free("smtp", false)).toBeUndefined();
    expect(table.has("smtp", false)).toBe(false);
  });
});
