/** The records that are appended to a queue file after its content. Each is one JSON object on one line. */
import type { Attempt } from "./attempt.ts";
import type { Recipient } from "./envelope.ts";
import type { TranscriptRecord } from "./transcript.ts";

/** The waiting recipients (all, or those named) are due at `next`. */
export interface ScheduleRecord {
  readonly kind: "schedule";
  readonly time: number; // ms, when decided
  readonly next: number; // ms, when due
  readonly recipients?: readonly number[]; // absent: all that wait
  readonly wait?: number; // ms, what the retry profile said, if that is not next - time
  readonly scheduled?: true; // asked for by the sender: not to be recomputed when limits change
}

/** An administrator or a rule put the message on hold. */
export interface HoldRecord {
  readonly kind: "hold";
  readonly time: number;
  readonly reason: string; // cleaned
}

/** Released, requeued or force-expired by command; `release` and `requeue` mean: due now. */
export interface OrderRecord {
  readonly kind: "release" | "requeue" | "expire";
  readonly time: number;
}

/** To be removed as soon as no agent holds it; nothing is tried again and nobody is told. */
export interface DeleteRecord {
  readonly kind: "delete";
  readonly time: number;
}

/** A delay warning for these recipients is owed (written once for each time, before the name in bounce/). */
export interface DelayedRecord {
  readonly kind: "delayed";
  readonly time: number;
  readonly after?: number; // ms, the one of delay_warning_time that has come
  readonly recipients: readonly number[];
}

/** A report is about to be published as message `report`, or (`reported`) it has been, or none is owed (`dropped`). */
export interface ReportRecord {
  readonly kind: "reporting" | "reported" | "dropped";
  readonly time: number;
  readonly report: string; // queue id of the NDR; "" for dropped
  readonly action: ReportAction;
  readonly recipients: readonly number[];
}
export type ReportAction = "failed" | "delayed" | "delivered";

/** Aliases put other recipients in the place of some (mail/rewritten.ts). */
export interface RewrittenRecord {
  readonly kind: "rewritten";
  readonly time: number;
  readonly replaced: readonly number[]; // indexes into the envelope's recipients
  readonly added: readonly Recipient[]; // numbered behind the envelope's own
}

/** A process died while it held the message; `alone` when nothing else was in it. */
export interface SuspectRecord {
  readonly kind: "suspect";
  readonly time: number;
  readonly alone: boolean;
}

export type JournalRecord =
  | Attempt
  | ScheduleRecord
  | HoldRecord
  | OrderRecord
  | DeleteRecord
  | DelayedRecord
  | ReportRecord
  | RewrittenRecord
  | SuspectRecord
  | TranscriptRecord;
