/**
 * NAME
 *   maildir - delivers mail to mailboxes of this system
 *
 * DESCRIPTION
 *   Takes deliveries from qmgr for the domains in mydestination and writes each message into the maildir of its
 *   recipient, `mail_spool_directory`/NAME with tmp, new and cur, with Return-Path and Delivered-To in front of it and
 *   lines ended by LF. NAME is the local part in lower case, without what is behind recipient_delimiter; characters
 *   that are not plain are written as %XX. The domain makes no difference. A mailbox is made when the first mail comes:
 *   for every local part, or if local_recipient_maps is set for those that it has. Mail for others is returned.
 *
 *   A message is synced, and so is the name that it has in new/, before it counts as delivered. Whatever else goes
 *   wrong is temporary.
 *
 *   The process runs when there is work and ends after max_idle.
 *
 * SECURITY
 *   A local part, which comes from outside, becomes one file name and never a path. Files are 0600, directories 0700,
 *   all owned by the user as whom this process runs: reading them as their recipient is for an IMAP server with the
 *   right to do so.
 *
 * FILES
 *   active/ID                            the message
 *   mail_spool_directory/NAME/new/...    where it goes
 *
 * PARAMETERS
 *   mail_spool_directory, recipient_delimiter, local_recipient_maps, max_idle
 *
 * BUGS
 *   A message delivered in the instant before a crash is delivered again if it was read meanwhile.
 */
import { Tables } from "../../config/tables.ts";
import { openContent } from "../../spool/file.ts";
import { queuePath } from "../../spool/queues.ts";
import { runAgent } from "../../service/agent.ts";
import { isListed } from "../../service/listed-recipient.ts";
import { runService } from "../../service/service.ts";
import { deliverLocally } from "./deliver.ts";

const DELIVERIES_AT_ONCE = 10; // each waits for the disk
const MEMORY_BYTES = 64 * 1024;

runService("maildir", (context) => {
  const tables = new Tables({ warn: (text) => context.log.warn(text) });
  return runAgent(context, {
    credit: context.alone ? 1 : DELIVERIES_AT_ONCE,
    deliver(delivery, hooks) {
      const { mail_spool_directory, recipient_delimiter, local_recipient_maps } = context.config.forTransport(
        delivery.transport,
      );
      const users = tables.open(local_recipient_maps);
      return deliverLocally(delivery, {
        mailDirectory: mail_spool_directory,
        delimiters: recipient_delimiter,
        isKnown: (address) => users.isEmpty || isListed(users, address, recipient_delimiter, true),
        openContent: ({ id }) => openContent(queuePath("active", id), MEMORY_BYTES),
        pastFinalDot: hooks.pastFinalDot,
      });
    },
  });
});
