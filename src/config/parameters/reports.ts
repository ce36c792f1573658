/** Reports to senders and to the postmaster. */
import { row, type Section } from "../parameter.ts";
import { size, someOf, text, yesNo } from "../values.ts";

export const reports = {
  soft_bounce: row(
    yesNo,
    "no",
    `
    A safety net for changes: recipients that a next hop or a transport refuses for good are tried again, until
    their time is over, and smtpd's 5xx replies become 4xx.`,
  ),
  bounce_size_limit: row(
    size(0),
    "50000",
    `
    Up to this size in bytes a message is returned whole with a report, larger ones with their header only.`,
  ),
  bounce_contact: row(
    text,
    "$postmaster_recipient",
    `
    Whom a report names as the one to ask for help: an address, a telephone number, a page.`,
  ),
  notify_classes: row(
    someOf(["bounce", "2bounce", "delay", "policy", "protocol", "resource", "software", "data"]),
    "resource, software",
    `
    Of what the postmaster is told. bounce: a copy of every report of failure, without the message. 2bounce: reports
    that could not be delivered. delay: a copy of delay warnings. resource: no room, no descriptors. software: damaged
    files and processes that died. policy, protocol and data: SMTP sessions that were refused for rules, for errors of
    protocol, for content.`,
  ),
  bounce_notice_recipient: row(
    text,
    "$postmaster_recipient",
    `
    Who gets the copies of reports of failure.`,
  ),
  "2bounce_notice_recipient": row(
    text,
    "$postmaster_recipient",
    `
    Who gets reports that could not be delivered.`,
  ),
  delay_notice_recipient: row(
    text,
    "$postmaster_recipient",
    `
    Who gets the copies of delay warnings.`,
  ),
  error_notice_recipient: row(
    text,
    "$postmaster_recipient",
    `
    Who is told of trouble with resources and software.`,
  ),
  double_bounce_sender: row(
    text,
    "double-bounce",
    `
    The local part of the sender of notices to the postmaster. Mail that cannot be delivered and has this sender is
    given up, so that no report is ever about a report about a report.`,
  ),
} satisfies Section;
