/** How the owner of a directory answers qmgr's orders: one verb on some ids, each done or not there. */
import type { Client } from "../ipc/client.ts";
import type { Order, Verb } from "../ipc/messages.ts";
import type { Log } from "../base/log.ts";
import { messageOf, ScesError } from "../base/errors.ts";

/** Returns whether it was done; false: the message is not here, or the verb means nothing for it here. */
export type Executor = (verb: Verb, id: string, reason: string) => boolean | Promise<boolean>;

/** Messages at once, so that they share the disk's syncs. */
const AT_ONCE = 32;

/** Carries out an order and answers it. Trouble with one message is logged, told, and counts as not done. */
export async function answerOrder(order: Order, client: Client, log: Log, execute: Executor): Promise<void> {
  const affected: string[] = [];
  const missing: string[] = [];
  let trouble: string | undefined;
  async function carryOut(id: string): Promise<void> {
    let isDone = false;
    try {
      isDone = Date.now() <= order.until && (await execute(order.verb, id, order.reason ?? ""));
    } catch (error) {
      if (!(error instanceof ScesError) || error.code !== "FILE_DAMAGED") trouble = messageOf(error);
      log.warn(`${id}: cannot ${order.verb} it: ${messageOf(error)}`);
    }
    (isDone ? affected : missing).push(id);
  }
  for (let at = 0; at < order.ids.length; at += AT_ONCE) {
    await Promise.all(order.ids.slice(at, at + AT_ONCE).map(carryOut));
    await new Promise((resolve) => setImmediate(resolve)); // other work in between
  }
  client.send({
    type: "done",
    request: order.request,
    affected,
    missing,
    ...(trouble === undefined ? {} : { trouble }),
  });
}
