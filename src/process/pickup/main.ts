/**
 * NAME
 *   pickup - turns files that are dropped into the spool into messages
 * DESCRIPTION
 *   Whoever may write into drop/ can send mail by putting a file there: NAME.eml, a message as in RFC 5322, or
 *   NAME.json, a message in MailerQ's form. A file is taken when it has not changed for drop_stable_time, or at once
 *   if it was last written that long ago; to have a new file taken at once, write it under a name that begins with a
 *   dot or ends in .tmp, set its time back, and rename it. Each file becomes one message, also if pickup is killed
 *   while it is at it, and is then removed.
 *
 *   The sender of an .eml file is taken from the first of these header fields: X-Sender, x-mq-envelope, Return-Path,
 *   Sender, From. Recipients are those in X-Receiver, one in each such field, else all in To, Cc and Bcc. Bcc,
 *   Return-Path, Content-Length, X-Sender, X-Receiver and all x-mq- fields are not sent. x-mq-dsn-notify, -ret,
 *   -envid and -orcpt ask for reports (RFC 3461). Lines are ended by CR LF; a Received field is put in front, and
 *   Message-ID and Date are added where they are missing. Addresses in envelope and header get their canonical form, and those
 *   without a domain $myorigin.
 *
 *   A .json file is an object with the properties envelope (the sender; without it the null sender), recipient or
 *   recipients, mime, and dsn (notify, ret, envid, orcpt). Others are passed over.
 *
 *   What is something else, or can't be understood, goes to quarantine (corrupt/) as it is, with the reason beside it.
 *   While the spool has no room, or new mail comes in faster than it is worked on, files stay in drop/.
 * SECURITY
 *   drop/ may be open to a group of local users, so nothing in it is trusted: no link is followed, a file with
 *   several names is refused, FIFOs, sockets, devices and directories are moved unopened, and each file is opened
 *   once and judged and read by that descriptor. Names are bytes.
 * FILES
 *   drop/ (owned), drop/.taken/ (files that are being taken), incoming/, corrupt/
 * PARAMETERS
 *   drop_scan_interval, drop_stable_time, drop_size_limit, message_size_limit, header_size_limit, hopcount_limit,
 *   spool_memory_limit, queue_minfree, queue_minfree_inodes, myhostname, myorigin, mail_name,
 *   canonical_maps, sender_canonical_maps, recipient_canonical_maps, *canonical_classes, masquerade_*,
 *   recipient_delimiter, propagate_unmatched_extensions
 * BUGS
 *   A writer that pauses for longer than drop_stable_time is cut off. Resent- fields are not looked at. A JSON file
 *   is read whole, and may have 32 MB. Of the x-mq- fields only those above have an effect yet, and responsive (JSON)
 *   email has none.
 */
import { messageOf } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { Doorway } from "../../service/doorway.ts";
import { runService, type Service } from "../../service/service.ts";
import { Intake } from "../../spool/intake.ts";
import { DROP } from "../../spool/queues.ts";
import { sweepTemps } from "../../spool/temp.ts";
import { Pickup } from "./pickup.ts";

/** Nobody takes longer to hand in a message. */
const ABANDONED_MS = 3_600_000;

runService("pickup", (context): Service => {
  const doorway = new Doorway(context);
  const pickup = new Pickup({
    config: context.config,
    log: context.log,
    intake: new Intake(),
    flow: () => doorway.flow,
    accepted: (envelope, offset, length) => doorway.accepted(envelope, offset, length),
    quarantined: () => context.wake("corrupt"),
  });
  sweepDrop(context.log);
  pickup.start();
  return {
    reload(config) {
      pickup.config = config;
    },
    wake() {
      pickup.wake();
    },
    stop: () => pickup.stop(),
  };
});

/** What an sces-sendmail that was killed has left: it was never handed in. */
function sweepDrop(log: Log): void {
  try {
    const swept = sweepTemps(DROP, ABANDONED_MS);
    if (swept > 0) log.info(`removed ${swept} unfinished file${swept === 1 ? "" : "s"} from ${DROP}`);
  } catch (error) {
    log.warn(`${DROP}: ${messageOf(error)}`);
  }
}
