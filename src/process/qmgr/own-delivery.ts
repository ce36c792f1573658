/** How recipients end that no agent saw: by the transports discard and error (hold tries nothing), or untried. */
import type { Attempt } from "../../mail/attempt.ts";
import { mishapOf } from "../../service/error-transport.ts";
import type { Route } from "../../service/router.ts";
import type { ActiveMessage, ActiveRecipient } from "./message.ts";

export type Ending = Pick<Attempt, "type" | "outcome" | "dsn" | "text" | "description" | "suspended" | "until">;

/** Puts the ending on record, for the message's conclusion. */
export function endUntried(message: ActiveMessage, recipient: ActiveRecipient, ending: Ending): Attempt {
  const now = Date.now();
  const attempt: Attempt = {
    kind: "attempt",
    recipient: recipient.index,
    attempt: recipient.attempts + (ending.suspended ? 0 : 1),
    time: now,
    delays: [message.queuedMs - message.envelope.arrival, now - message.queuedMs, 0, 0],
    ...ending,
  };
  message.apply(attempt);
  message.records.push(attempt);
  message.mustSync ||= attempt.outcome !== "deferred";
  return attempt;
}

/** `text`: the next hop. */
export function discarded(text: string): Ending {
  return { type: "success", outcome: "sent", dsn: "2.0.0", text: text === "" ? "discarded" : text };
}

/** The transports error and retry. */
export function erred(route: Route): Ending {
  const { dsn, text } = mishapOf(route);
  const outcome = dsn.startsWith("4") ? "deferred" : "bounced";
  return { type: "error", outcome, dsn, text, description: text };
}
