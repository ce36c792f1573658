/** What was said in the sessions of a delivery that failed, as the journal keeps it. No content, no credentials. */
import type { JournalRecord } from "./journal.ts";

/** Time in ms since the connection was begun; C: we said, S: the server said, *: what happened; the text, cleaned. */
export type TranscriptLine = readonly [ms: number, who: "C" | "S" | "*", text: string];

/** With one server, by one connection or (TLS given up) two. */
export interface SessionTranscript {
  readonly host: string; // as routed, or as the MX said
  readonly address: string;
  readonly port: number;
  readonly time: number; // ms since 1970, when the connection was begun
  readonly lines: readonly TranscriptLine[];
}

/**
 * One for a delivery, however many recipients it had: written in one go with their attempts. To people it says why; a
 * reader that does not know it misses nothing.
 */
export interface TranscriptRecord {
  readonly kind: "transcript";
  readonly time: number; // ms since 1970, when the delivery ended
  readonly recipients: readonly number[]; // those that were not delivered
  readonly sessions: readonly SessionTranscript[]; // in the order in which the hosts were tried
}

/** Of each recipient the last one, oldest first, none twice. */
export function lastTranscripts(records: readonly JournalRecord[]): TranscriptRecord[] {
  const seen = new Set<number>();
  const last: TranscriptRecord[] = [];
  for (const record of records.toReversed()) {
    if (record.kind !== "transcript" || record.recipients.every((index) => seen.has(index))) continue;
    for (const index of record.recipients) seen.add(index);
    last.unshift(record);
  }
  return last;
}
