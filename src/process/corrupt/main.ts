/**
 * NAME
 *   corrupt - the quarantine: keeps what could not be used
 * DESCRIPTION
 *   Damaged queue files, broken dropped files and whatever else has no business in the spool are moved to corrupt/ by
 *   the process that meets them, unopened and whole, each with a file NAME.reason beside it. corrupt tells the
 *   postmaster of what is new, in one mail for many (if notify_classes has software), removes what is older than
 *   corrupt_retention_time, and by order recovers or deletes: a queue file that can be read after all, or again, goes
 *   back to incoming/; a dropped file goes back to drop/.
 *
 *   The process runs when there is work and ends after max_idle; master starts it again on every scan while anything
 *   is in quarantine.
 * SECURITY
 *   What is here is hostile by assumption: no link is followed, nothing but queue files is opened, and those by the
 *   readers that every process uses. Names in orders must have the forms that we make.
 * FILES
 *   corrupt/ (owned), incoming/, drop/; state/corrupt-notice (its time is that of the last notice), state/clock
 * PARAMETERS
 *   corrupt_retention_time, notify_classes, error_notice_recipient, max_idle, queue_run_delay, myhostname, mail_name
 * BUGS
 *   The time that a machine was off counts one hour at most.
 */
import { Doorway } from "../../service/doorway.ts";
import { runOwner } from "../../service/owner.ts";
import { runService } from "../../service/service.ts";
import { Timeline } from "../../service/timeline.ts";
import { Intake } from "../../spool/intake.ts";
import { Herald } from "./herald.ts";
import { Kept } from "./kept.ts";

runService("corrupt", (context) => {
  const { log } = context;
  const doorway = new Doorway(context);
  const timeline = new Timeline();
  const kept = new Kept({
    log,
    now: () => timeline.now(),
    present: (time) => timeline.present(time),
    retentionMs: () => context.config.corrupt_retention_time,
    appeared: (ids) => doorway.appeared(ids),
    dropped: () => context.wake("pickup"),
  });
  const herald = new Herald({
    log,
    intake: new Intake(),
    now: Date.now,
    config: () => context.config,
    accepted: (envelope, offset, length) => doorway.accepted(envelope, offset, length),
  });
  return runOwner(context, {
    async sweep() {
      timeline.reload();
      const news = await kept.sweep();
      return doorway.flow.stop ? Number.POSITIVE_INFINITY : herald.tell(news);
    },
    execute: (verb, name) => kept.execute(verb, name),
  });
});
