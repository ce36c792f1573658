import { expect, test } from "vitest";
import { memoryLog } from "../../src/base/log.ts";
import { ScesError } from "../../src/base/errors.ts";
import type { Client } from "../../src/ipc/client.ts";
import type { Message, Order } from "../../src/ipc/messages.ts";
import { answerOrder } from "../../src/service/orders.ts";

const order: Order = { type: "order", request: 1, verb: "delete", ids: ["a", "b", "c"], until: Number.MAX_VALUE };

test("what a failing disk keeps from being done is missing, and the asker is told why", async () => {
  const said: Message[] = [];
  const client = { send: (message: Message) => said.push(message) } as unknown as Client;
  await answerOrder(order, client, memoryLog(), (_verb, id) => {
    if (id === "b") throw new ScesError("SPOOL_IO", "removing deferred/b: EROFS");
    if (id === "c") throw new ScesError("FILE_DAMAGED", "it is no message");
    return true;
  });
  const trouble = "removing deferred/b: EROFS"; // damage is not for now
  expect(said).toEqual([{ type: "done", request: 1, affected: ["a"], missing: ["b", "c"], trouble }]);
});
