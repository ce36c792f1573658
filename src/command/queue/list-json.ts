/** A message as `postqueue -j` prints it, with more members behind its own. */
import type { RetryRules } from "../../service/retry-rules.ts";
import { type Json, jsonLine, seconds } from "./json-line.ts";
import {
  attemptsOf,
  expiresAt,
  failedUntold,
  isUnreadable,
  nextAttemptOf,
  type OpenRecipient,
  openRecipients,
  type Unreadable,
  type View,
} from "./view.ts";

export function listedJson(view: View | Unreadable, sizeBytes: number, rules: RetryRules): string {
  if (isUnreadable(view)) {
    return jsonLine({ queue_name: view.queue, queue_id: view.id, message_size: sizeBytes, unreadable: view.problem });
  }
  const { envelope, state } = view;
  return jsonLine({
    queue_name: view.queue,
    queue_id: view.id,
    arrival_time: seconds(envelope.arrival),
    message_size: view.sizeBytes,
    forced_expire: state.forcedExpire,
    sender: envelope.sender === "" ? "MAILER-DAEMON" : envelope.sender,
    recipients: recipientsJson(view),
    attempts: attemptsOf(view),
    first_deferred: seconds(state.firstDeferred),
    next_attempt: seconds(nextAttemptOf(view)),
    expires: seconds(expiresAt(view, rules)),
    hold_reason: view.queue === "hold" ? (state.held?.reason ?? "") : undefined,
  });
}

/** Those that wait, with why; and those that failed and are being returned, with why. */
function recipientsJson(view: View): Json[] {
  const open = openRecipients(view);
  const listed = new Set(open.map(({ index }) => index));
  const all = view.envelope.recipients.flatMap((recipient, index): OpenRecipient[] => {
    const state = view.state.recipients[index];
    return state === undefined ? [] : [{ index, recipient, state }];
  });
  const failed = failedUntold(all).filter(({ index }) => !listed.has(index));
  return [...open, ...failed].map(({ recipient, state }) => ({
    orig_address: recipient.original === recipient.address ? undefined : recipient.original,
    address: recipient.address,
    delay_reason: state.status === "waiting" ? state.last?.text : undefined,
    bounce_reason: state.status === "failed" ? state.last?.text : undefined,
  }));
}
