/**
 * NAME
 *   defer - keeps deferred mail and brings back what is due
 * DESCRIPTION
 *   Messages that failed for now wait in deferred/, up to millions of them, away from the process that schedules
 *   deliveries. On qmgr's word defer looks through the directory and moves what is due to active/, as qmgr grants
 *   room; a flush takes all, or the messages that it names, and so does a recall of what qmgr had set aside. Holds, deletes, requeues and expires waiting mail by order.
 * SECURITY
 *   Talks to qmgr only.
 * FILES
 *   deferred/ (owned), active/, hold/, corrupt/, state/clock
 * PARAMETERS
 *   maximal_backoff_time, retry_profiles, retry_profile_maps
 * BUGS
 *   A scan goes in directory order: which of two due messages comes first is chance. A message that
 *   waits longer than any profile has it, by its sender's wish, is read at each scan.
 */
import { Tables } from "../../config/tables.ts";
import { Feeder } from "../../service/feeder.ts";
import { answerOrder } from "../../service/orders.ts";
import { RetryRules } from "../../service/retry-rules.ts";
import { runService, type Service } from "../../service/service.ts";
import { Timeline } from "../../service/timeline.ts";
import { Deferred } from "./deferred.ts";

runService("defer", (context): Service => {
  const { log } = context;
  const tables = new Tables({ warn: (text) => log.warn(text) });
  const timeline = new Timeline();
  const deferred = new Deferred(new RetryRules(context.config, tables, timeline), timeline, log, (process) =>
    context.wake(process),
  );
  deferred.room = new Feeder(context, {
    onRoom: () => deferred.pump(),
    onMessage: (message, client) => {
      if (message.type === "scan") deferred.scan(message.all === true);
      else if (message.type === "recall") deferred.recall(message.ids, message.all === true);
      else if (message.type === "order") {
        void answerOrder(message, client, log, (verb, id, reason) => deferred.execute(verb, id, reason));
      }
    },
  });
  return {
    reload(config) {
      deferred.retry = new RetryRules(config, tables, timeline);
    },
  };
});
