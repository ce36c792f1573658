/**
 * NAME
 *   hold - keeps mail on hold until it is released
 * DESCRIPTION
 *   Mail comes to hold/ by a rule or a command, with the reason in its journal, and waits there without being tried.
 *   By order it is released (tried at once, with its history), requeued, returned to its sender (expire) or deleted:
 *   the order is written down first, then the message moves to incoming/. With hold_expire_time mail that is held for
 *   longer is returned to its sender.
 *
 *   The process runs when there is work and ends after max_idle; master starts it again on every scan while anything
 *   is on hold.
 * SECURITY
 *   Talks to qmgr and cleanup only. Files that are no messages or damaged go to quarantine.
 * FILES
 *   hold/ (owned), incoming/, corrupt/, state/clock
 * PARAMETERS
 *   hold_expire_time, max_idle, queue_run_delay
 * BUGS
 *   Each start reads all held messages once.
 */
import { Doorway } from "../../service/doorway.ts";
import { runOwner } from "../../service/owner.ts";
import { runService } from "../../service/service.ts";
import { Timeline } from "../../service/timeline.ts";
import { Held } from "./held.ts";

runService("hold", (context) => {
  const doorway = new Doorway(context);
  const timeline = new Timeline();
  const held = new Held({
    log: context.log,
    now: () => timeline.now(),
    present: (time) => timeline.present(time),
    expireMs: () => context.config.hold_expire_time,
    appeared: (ids) => doorway.appeared(ids),
    quarantined: () => context.wake("corrupt"),
  });
  return runOwner(context, {
    sweep() {
      timeline.reload();
      return held.sweep();
    },
    execute: (verb, id, reason) => held.execute(verb, id, reason),
    stop: () => held.stop(),
  });
});
