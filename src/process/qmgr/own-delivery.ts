/** How recipients end that no agent saw: by the transports discard and error (hold tries nothing), or untried. */
import type { Attempt } from "../../mail/attempt.ts";
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

/** `5.7.1 text` or `4.3.0 text`; without a code 5.0.0, and by the transport retry 4.0.0, as Postfix's error(8). */
export function erred(transport: string, nexthop: string): Ending {
  const [, code, words = nexthop] = /^([45]\.\d{1,3}\.\d{1,3})(?:\s+(.*))?$/s.exec(nexthop) ?? [];
  const isForNow = transport === "retry" || code?.startsWith("4") === true;
  // The transport's word is stronger than a code that contradicts it.
  const dsn = code === undefined ? (isForNow ? "4.0.0" : "5.0.0") : isForNow ? code.replace(/^5/, "4") : code;
  const text = words === "" || words === code ? "Address is undeliverable" : words;
  return { type: "error", outcome: isForNow ? "deferred" : "bounced", dsn, text, description: text };
}
