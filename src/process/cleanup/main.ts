/**
 * NAME
 *   cleanup - checks every new message and brings it to the active queue
 * DESCRIPTION
 *   Doors (smtpd, pickup, bounce, released mail) write messages into incoming/ and tell cleanup. It applies the hold
 *   rules, writes down what aliases make of the recipients (virtual aliases, then local ones), and moves each message
 *   to active/ as qmgr grants room. Mail whose aliases cannot be read or followed waits in incoming/ meanwhile. It
 *   sweeps what was never acknowledged, and looks through incoming/ at start and on a timer for what nobody told of.
 *   Doors hear how far behind it is.
 * SECURITY
 *   Reads files that came from outside: only their envelope and header, checked and bounded. Foreign files are moved
 *   unopened.
 * FILES
 *   incoming/ (owned), active/, hold/, corrupt/, drop/; run/cleanup.sock
 * PARAMETERS
 *   queue_run_delay, drop_scan_interval, in_flow_delay, hold_client_checks,
 *   hold_sender_checks, hold_recipient_checks, hold_header_checks, header_size_limit,
 *   virtual_alias_maps, virtual_alias_recursion_limit, virtual_alias_expansion_limit,
 *   alias_maps, recipient_delimiter, propagate_unmatched_extensions, mydestination, myorigin, myhostname,
 *   postmaster_recipient
 * BUGS
 *   With hold_header_checks each new message is read once more.
 *   owner-NAME aliases do not change the sender: a message has one, whatever its recipients were expanded from.
 */
import { messageOf } from "../../base/errors.ts";
import type { Link } from "../../ipc/link.ts";
import type { Flow } from "../../ipc/messages.ts";
import { Feeder } from "../../service/feeder.ts";
import { answerOrder } from "../../service/orders.ts";
import { type Context, runService, type Service } from "../../service/service.ts";
import { BACKLOG_LIMIT, Incoming } from "./incoming.ts";

const FLOW_INTERVAL_MS = 500;
/** Doors are told to slow down when so many messages wait here, and to stop when twice as many do. */
const SLOW_AT = BACKLOG_LIMIT / 2;

runService("cleanup", async (context: Context): Promise<Service> => {
  const incoming = new Incoming(context.config, context.log, (process) => context.wake(process));
  const doors = new Set<Link>();
  let told: Flow = { type: "flow", delayMs: 0, stop: false };

  incoming.sweep();
  incoming.room = new Feeder(context, {
    onRoom: () => incoming.pump(),
    onMessage: (message, client) => {
      if (message.type === "order") {
        void answerOrder(message, client, context.log, (verb, id, reason) => incoming.execute(verb, id, reason));
      }
    },
  });
  await context.serve({
    onMessage(link, message) {
      if (message.type === "hello") {
        doors.add(link);
        link.send(told);
        guarded(() => incoming.rescan()); // for what it wrote while it could not tell
      } else if (message.type === "new") {
        incoming.appeared({ id: message.envelope.id, ...message });
      } else if (message.type === "appeared") {
        for (const id of message.ids) incoming.appeared({ id });
        if (message.ids.length === 0) guarded(() => incoming.rescan());
      }
    },
    onClose: (link) => doors.delete(link),
  });

  function flow(): void {
    const isBehind = incoming.waiting > SLOW_AT;
    const stop = incoming.waiting >= BACKLOG_LIMIT;
    const delayMs = isBehind ? context.config.in_flow_delay : 0;
    if (delayMs === told.delayMs && stop === told.stop) return;
    told = { type: "flow", delayMs, stop };
    if (isBehind) context.log.warn(`${incoming.waiting} messages wait in incoming: slowing down new mail`);
    for (const door of doors) door.send(told);
  }
  /** Work on the directory that may fail for now and is done again. */
  function guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      context.log.warn(`incoming: ${messageOf(error)}`);
    }
  }
  guarded(() => incoming.rescan());
  setInterval(flow, FLOW_INTERVAL_MS);
  let foreignTimer = setInterval(() => guarded(() => incoming.moveForeign()), context.config.drop_scan_interval);
  const run = () =>
    guarded(() => {
      incoming.sweep();
      incoming.rescan();
    });
  let scanTimer = setInterval(run, context.config.queue_run_delay);
  guarded(() => incoming.moveForeign());
  return {
    reload(config) {
      incoming.config = config;
      clearInterval(foreignTimer);
      clearInterval(scanTimer);
      foreignTimer = setInterval(() => guarded(() => incoming.moveForeign()), config.drop_scan_interval);
      scanTimer = setInterval(run, config.queue_run_delay);
    },
  };
});
