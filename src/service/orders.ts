/** How the owner of a directory answers qmgr's orders: one verb on some ids, each done or not there. */
import type { Client } from "../ipc/client.ts";
import type { Order, Verb } from "../ipc/messages.ts";
import type { Log } from "../base/log.ts";
import { messageOf } from "../base/errors.ts";

/** Returns whether it was done; false: the message is not here, or the verb means nothing for it here. */
export type Executor = (verb: Verb, id: string, reason: string) => boolean | Promise<boolean>;

/** Carries out an order and answers it. Trouble with one message is logged and counts as not done. */
export async function answerOrder(order: Order, client: Client, log: Log, execute: Executor): Promise<void> {
  const affected: string[] = [];
  const missing: string[] = [];
  for (const [index, id] of order.ids.entries()) {
    let isDone = false;
    try {
      isDone = Date.now() <= order.until && (await execute(order.verb, id, order.reason ?? ""));
    } catch (error) {
      log.warn(`${id}: cannot ${order.verb} it: ${messageOf(error)}`);
    }
    (isDone ? affected : missing).push(id);
    if (index % 100 === 99) await new Promise((resolve) => setImmediate(resolve));
  }
  client.send({ type: "done", request: order.request, affected, missing });
}
