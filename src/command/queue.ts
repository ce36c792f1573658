/**
 * NAME
 *   sces-queue - looks at the queue and works on it
 * DESCRIPTION
 *   list, show and summary read the queue directories themselves. The verbs that change something (flush, hold,
 *   release, delete, requeue, expire) ask the running system, through qmgr; when it is stopped they take the spool's
 *   lock and do the same with the files; so do pause, resume and suppress, while destinations needs qmgr. `sces-queue --help`
 *   names verbs, filters and exit statuses.
 * SECURITY
 *   Runs as who called it: whoever may enter the spool. Ids are checked before they become paths; all text that came
 *   from outside is made safe before it is printed.
 * FILES
 *   All queues; run/qmgr.sock, run/lock.db
 * PARAMETERS
 *   queue_directory, command_timeout, maximal_queue_lifetime, bounce_queue_lifetime
 * BUGS
 *   A message that is moved while the directories are read may be missed, rarely; with more than 100,000, less rarely.
 */
import { runAsProcess } from "./entry.ts";
import { run } from "./queue/run.ts";

await runAsProcess("sces-queue", run);
