/** Deliveries that an agent cannot begin. */
import { ScesError } from "../base/errors.ts";
import type { Deliver } from "../ipc/messages.ts";
import type { Attempt } from "../mail/attempt.ts";
import type { DeliveryResult } from "./agent.ts";

/** A queue file that is damaged or gone is no attempt; one that cannot be read now may be later. */
export function unreadable(delivery: Deliver, error: unknown): DeliveryResult {
  if (!(error instanceof ScesError)) throw error;
  return error.code === "FILE_DAMAGED" || error.code === "FILE_GONE"
    ? { results: [], damaged: error.message }
    : putOff(delivery, "nodata", error.message);
}

/** The settings have changed since qmgr handed it out, or have not reached this process. */
export function unavailable(delivery: Deliver): DeliveryResult {
  return putOff(delivery, "error", "mail transport unavailable");
}

function putOff(delivery: Deliver, type: Attempt["type"], text: string): DeliveryResult {
  const ending = { type, outcome: "deferred", dsn: "4.3.0", text, description: text, state: "init" } as const;
  const time = Date.now();
  const results = delivery.recipients.map(
    ({ index, attempt }): Attempt => ({ kind: "attempt", recipient: index, attempt, time, ...ending }),
  );
  return { results };
}
