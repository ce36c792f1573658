/**
 * NAME
 *   bounce - tells senders what became of their mail
 * DESCRIPTION
 *   Messages come to bounce/ when reports on them are owed: recipients failed, are late, or the sender asked to hear
 *   of success. bounce writes each report once, as a message from the null sender in incoming/, and then removes its
 *   name of the message; a message of which nothing else is left goes with it. A message may have a second name here
 *   while other recipients of it still wait in deferred/. Damaged files go to corrupt/. A report that cannot be
 *   written (disk full) is tried again after 5 s to 5 min; the message stays until then.
 * SECURITY
 *   Everything in a report comes from outside: addresses, replies, the returned message. Fields are cleaned and
 *   folded, the MIME boundary is random and checked against the content. No report to the null sender, and none about
 *   a report about a report, so that mail never loops.
 * FILES
 *   bounce/ (owned), bounce/ID.ndr (reports before they are published), incoming/, corrupt/; run/cleanup.sock
 * PARAMETERS
 *   bounce_size_limit, bounce_contact, notify_classes, bounce_notice_recipient, 2bounce_notice_recipient,
 *   delay_notice_recipient, double_bounce_sender, header_size_limit, maximal_queue_lifetime, myhostname, mail_name,
 *   max_idle
 * BUGS
 *   The postmaster's copies (notify_classes bounce, delay) are not written once for certain: a crash may lose one.
 *   A delivery by LMTP is reported as relayed. After a power cut a report may come twice.
 */
import { messageOf } from "../../base/errors.ts";
import { Tables } from "../../config/tables.ts";
import type { Order } from "../../ipc/messages.ts";
import { Doorway } from "../../service/doorway.ts";
import { answerOrder } from "../../service/orders.ts";
import { type Context, runService, type Service } from "../../service/service.ts";
import { Intake } from "../../spool/intake.ts";
import { Returns } from "./returns.ts";

runService("bounce", (context: Context): Service => {
  const { log } = context;
  const intake = new Intake();
  const doorway = new Doorway(context);
  const tables = new Tables({ warn: (text) => log.warn(text) });

  const returns = new Returns({
    log,
    desk: () => ({
      intake,
      log,
      config: context.config,
      tables,
      now: Date.now,
      accepted: (envelope, offset, length) => doorway.accepted(envelope, offset, length),
      appeared: (id) => doorway.appeared([id]),
    }),
    flow: () => doorway.flow,
    quarantined: () => context.wake("corrupt"),
    busy: () => context.busy(),
    idle: () => context.idle(),
  });

  async function carryOut(order: Order): Promise<void> {
    context.busy();
    try {
      const names = await returns.namesOf(new Set(order.ids));
      await answerOrder(order, client, log, (verb, id) => returns.execute(verb, id, names.get(id) ?? []));
    } catch (error) {
      log.warn(`cannot ${order.verb} in bounce: ${messageOf(error)}`);
      client.send({ type: "done", request: order.request, affected: [], missing: order.ids });
    }
    await returns.wake(); // and back to idle
  }
  const client = context.dial("qmgr", {
    onMessage(message) {
      if (message.type === "order") void carryOut(message);
    },
  });

  void returns.wake(); // never rejects
  return {
    wake: () => void returns.wake(),
    stop: () => returns.stop(),
  };
});
