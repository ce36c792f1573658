/** A delivery to mailboxes of this system: one letter for each recipient, one Attempt for each. */
import { join } from "node:path";
import { errnoOf, messageOf, ScesError } from "../../base/errors.ts";
import { clean } from "../../base/text.ts";
import type { Deliver, DeliverRecipient } from "../../ipc/messages.ts";
import { localOf } from "../../mail/address.ts";
import type { Attempt } from "../../mail/attempt.ts";
import { deliveryHead } from "../../mail/delivery-head.ts";
import { splitExtension } from "../../mail/lookup-keys.ts";
import type { Content } from "../../spool/file.ts";
import { mailboxName } from "./mailbox-name.ts";
import { deliverToMaildir, uniqueName } from "./maildir.ts";

export interface LocalOptions {
  readonly mailDirectory: string; // holds the mailboxes
  readonly delimiters: string; // recipient_delimiter: what is behind one is not part of the mailbox's name
  /** Whether there is such a user. Throws TABLE_UNREADABLE. */
  isKnown(address: string): boolean;
  /** Throws FILE_GONE, FILE_DAMAGED, SPOOL_IO. */
  openContent(delivery: Deliver): Content;
  /** The first letter is about to get its name. */
  pastFinalDot(): void;
}

export interface Done {
  readonly results: readonly Attempt[];
  readonly damaged?: string; // the queue file cannot be read
}

export async function deliverLocally(delivery: Deliver, options: LocalOptions): Promise<Done> {
  const startedAt = Date.now();
  let content: Content;
  try {
    content = options.openContent(delivery);
  } catch (error) {
    const damage = damageOf(error);
    if (damage !== undefined) return { results: [], damaged: damage };
    return { results: delivery.recipients.map((recipient) => failed(delivery, recipient, startedAt, error)) };
  }
  const results: Attempt[] = [];
  options.pastFinalDot();
  try {
    for (const recipient of delivery.recipients) {
      const { user } = splitExtension(localOf(recipient.address), options.delimiters);
      try {
        if (!options.isKnown(recipient.address)) {
          results.push(unknown(delivery, recipient, startedAt, user));
          continue;
        }
        await deliverToMaildir({
          directory: join(options.mailDirectory, mailboxName(user)),
          name: uniqueName(delivery.arrival, delivery.id, recipient.index),
          head: deliveryHead(
            { sender: delivery.sender, recipient: recipient.address, original: recipient.original },
            { returnPath: true, originalTo: true, deliveredTo: true },
          ),
          chunks: content.chunks(),
        });
        results.push(delivered(delivery, recipient, startedAt));
      } catch (error) {
        const damage = damageOf(error);
        if (damage !== undefined) return { results: [], damaged: damage };
        results.push(failed(delivery, recipient, startedAt, error));
      }
    }
  } finally {
    content.close();
  }
  return { results };
}

function damageOf(error: unknown): string | undefined {
  const isDamage = error instanceof ScesError && (error.code === "FILE_DAMAGED" || error.code === "FILE_GONE");
  return isDamage ? error.message : undefined;
}

function attemptOf(delivery: Deliver, recipient: DeliverRecipient, startedAt: number) {
  const now = Date.now();
  return {
    kind: "attempt",
    recipient: recipient.index,
    attempt: recipient.attempt,
    time: now,
    host: "local",
    delays: [delivery.queued - delivery.arrival, startedAt - delivery.queued, 0, now - startedAt],
  } as const;
}

function delivered(delivery: Deliver, recipient: DeliverRecipient, startedAt: number): Attempt {
  const text = "delivered to maildir";
  return {
    ...attemptOf(delivery, recipient, startedAt),
    type: "success",
    outcome: "sent",
    dsn: "2.0.0",
    text,
    state: "accept",
  };
}

/** The table may be newer than the message: smtpd has asked it too. */
function unknown(delivery: Deliver, recipient: DeliverRecipient, startedAt: number, user: string): Attempt {
  const text = clean(`unknown user: "${user}"`, 500);
  const attempt = attemptOf(delivery, recipient, startedAt);
  return { ...attempt, type: "error", outcome: "bounced", dsn: "5.1.1", text, description: text, state: "rcpt to" };
}

/** No mailbox ever refuses for good: space can be made, and rights can be set right. */
function failed(delivery: Deliver, recipient: DeliverRecipient, startedAt: number, error: unknown): Attempt {
  const errno = errnoOf(error);
  if (errno === "" && !(error instanceof ScesError)) throw error;
  const [dsn, what] =
    errno === "EDQUOT"
      ? ["4.2.2", "mailbox is over quota"]
      : errno === "ENOSPC"
        ? ["4.3.1", "no space for the mailbox"]
        : ["4.3.0", "cannot deliver"];
  const text = clean(
    `maildir delivery failed: ${what}: ${error instanceof ScesError ? error.message : errno || messageOf(error)}`,
    500,
  );
  return {
    ...attemptOf(delivery, recipient, startedAt),
    type: error instanceof ScesError ? "nodata" : "error",
    outcome: "deferred",
    dsn,
    text,
    description: text,
    state: "data",
  };
}
