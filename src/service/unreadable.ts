/** A queue file that an agent cannot read. */
import { ScesError } from "../base/errors.ts";
import type { Deliver } from "../ipc/messages.ts";
import type { Attempt } from "../mail/attempt.ts";
import type { DeliveryResult } from "./agent.ts";

/** A file that is damaged or gone is no attempt; one that cannot be read now may be later. */
export function unreadable(delivery: Deliver, error: unknown): DeliveryResult {
  if (!(error instanceof ScesError)) throw error;
  if (error.code !== "SPOOL_IO") return { results: [], damaged: error.message };
  const now = Date.now();
  const results = delivery.recipients.map(
    (recipient): Attempt => ({
      kind: "attempt",
      recipient: recipient.index,
      attempt: recipient.attempt,
      type: "nodata",
      outcome: "deferred",
      time: now,
      state: "init",
      dsn: "4.3.0",
      text: error.message,
      description: error.message,
    }),
  );
  return { results };
}
