/**
 * NAME
 *   sces-sendmail - hands in mail as sendmail(1) does
 * DESCRIPTION
 *   Reads a message from standard input and writes it as one file into drop/, with its envelope in front, where pickup
 *   finds it: at once when the system runs, else when it starts. -bp, -q and -bs go to sces-queue and to the running
 *   smtpd. `sces-sendmail --help` lists the flags.
 * SECURITY
 *   Runs as who called it and needs nothing but the right to write into drop/ (mode 1730 and a group). The envelope is
 *   judged here, for a clear answer, and by pickup, which trusts nobody. Fields in the message that would be taken for
 *   the envelope are left out.
 * FILES
 *   drop/
 * PARAMETERS
 *   queue_directory, myorigin, myhostname, message_size_limit, drop_size_limit, drop_stable_time, header_size_limit,
 *   smtpd_listen
 * BUGS
 *   -bs is seen by smtpd as a client on this machine, whoever calls. Signals during the last rename may come too late.
 */
import { runAsProcess } from "./entry.ts";
import { run } from "./sendmail/run.ts";

await runAsProcess("sces-sendmail", run);
