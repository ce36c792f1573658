/** All about a message as one JSON object: times are milliseconds since 1970, attempts are the journal's own records. */
import type { Attempt } from "../../mail/attempt.ts";
import { lastTranscripts, type TranscriptRecord } from "../../mail/transcript.ts";
import type { RetryRules } from "../../service/retry-rules.ts";
import { sessionJson } from "../transcript-json.ts";
import { eventsOf } from "./events.ts";
import { type Json, jsonLine } from "./json-line.ts";
import { attemptsOf, expiresAt, nextAttemptOf, type View } from "./view.ts";

export function shownJson(view: View, rules: RetryRules, quarantine: string | undefined): string {
  const { envelope, state } = view;
  const { id, arrival, sender, recipients, messageId, ...rest } = envelope;
  return jsonLine({
    queue_name: view.queue,
    queue_id: id,
    arrival_ms: arrival,
    message_size: view.sizeBytes,
    sender,
    message_id: messageId,
    ...(rest as unknown as Record<string, Json>),
    forced_expire: state.forcedExpire,
    attempts: attemptsOf(view),
    first_deferred_ms: state.firstDeferred ?? null,
    next_attempt_ms: nextAttemptOf(view) ?? null,
    expires_ms: expiresAt(view, rules) ?? null,
    hold_reason: view.queue === "hold" ? (state.held?.reason ?? "") : undefined,
    corrupt_reason: quarantine,
    unreadable_records: view.unreadable,
    recipients: recipients.map((recipient, index) => {
      const its = state.recipients[index];
      return {
        ...(recipient as unknown as Record<string, Json>),
        status: its?.status,
        attempts: its?.attempts,
        next_attempt_ms: its?.next,
        tries: state.attempts.filter((attempt) => attempt.recipient === index).map(tryJson),
      };
    }),
    transcripts: lastTranscripts(view.records).map(transcriptJson),
    events: eventsOf(view).map(({ time, text }) => ({ time_ms: time, text })),
  });
}

function tryJson(attempt: Attempt): Json {
  const { kind: _, recipient: __, ...members } = attempt;
  return members as unknown as Json;
}

/** `recipients`: their places in the list of that name. */
function transcriptJson({ time, recipients, sessions }: TranscriptRecord): Json {
  return {
    time_ms: time,
    recipients: [...recipients],
    sessions: sessions.map(sessionJson),
  };
}
