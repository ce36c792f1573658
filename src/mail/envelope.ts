/**
 * The envelope: who sent a message, to whom, and how it came in. It is written once, when the message is
 * accepted, as the second line of the queue file, and never changes afterwards; what happens later is journal.
 */

import type { RetryWish } from "./retry-wish.ts";

/** RFC 3461 4.1: when the sender wants to hear of this recipient. Absent means FAILURE (and DELAY, if we are asked). */
export type Notify = "NEVER" | "SUCCESS" | "FAILURE" | "DELAY";

/** The door by which a message came in: the process that wrote it. */
export type Origin = "smtpd" | "pickup" | "bounce" | "corrupt" | "tlsrpt" | "amqp" | "http";

export interface Recipient {
  readonly address: string; // local part as given, domain lower case and as A-labels; never empty
  readonly notify?: readonly Notify[]; // NOTIFY= of RCPT TO
  readonly orcpt?: string; // ORCPT= of RCPT TO, xtext decoded, e.g. "rfc822;user@example.org"
  readonly original?: string; // the address before aliases changed it (orig_to)
}

export interface Client {
  readonly name: string; // verified host name, or "unknown"
  readonly address: string; // IP address, no brackets
  readonly helo: string; // as cleaned for logs
  readonly proto: string; // SMTP, ESMTP, ESMTPS, ESMTPSA ...
  readonly user?: string; // the authenticated user
}

export interface Envelope {
  readonly id: string; // queue id, Postfix's long form; equals the file's name
  readonly arrival: number; // ms since 1970, when the message was accepted
  readonly sender: string; // reverse-path without brackets; "" is the null sender
  readonly recipients: readonly Recipient[]; // at least one; journal records name them by index; aliases add more (rewritten.ts)
  readonly origin: Origin;
  readonly dialect?: "mailerq"; // came as JSON in MailerQ's form, whose rules of retry then hold
  readonly retry?: RetryWish; // what the message itself says about its retries
  readonly client?: Client; // where it came from, if by SMTP
  readonly ret?: "FULL" | "HDRS"; // RFC 3461 4.3
  readonly envid?: string; // RFC 3461 4.4, xtext decoded
  readonly smtputf8?: true; // RFC 6531: asked for with MAIL FROM
  readonly body?: "8BITMIME"; // BODY= of MAIL FROM, or found in a dropped file
  readonly tlsOptional?: true; // what a domain asks of TLS (DANE, MTA-STS) is no reason to hold it back (RFC 8460 3)
  readonly messageId?: string; // the Message-ID field with its brackets, cleaned; for the log
  readonly subject?: string; // the Subject field, cleaned and cut to 200 characters; for list and hold rules
  readonly hops?: number; // number of Received fields before ours, where counted
  readonly hold?: string; // an access table wants it to wait for an administrator: why, or ""
  readonly notice?: string; // our own report: the id of the message that it is about
}

/** What a door knows before the queue file exists: everything but the id and the time. */
export type EnvelopeDraft = Omit<Envelope, "id" | "arrival">;
