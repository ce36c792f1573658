/**
 * What the journal says of a message: the envelope and the records folded into one value. Pure; every process that
 * wants to know the state of a message folds it anew from the file.
 */
import type { Attempt } from "./attempt.ts";
import type { Envelope } from "./envelope.ts";
import type { HoldRecord, JournalRecord, ReportAction } from "./journal.ts";

export interface RecipientState {
  /**
   * waiting: still to be delivered; sent: a next hop took it; failed: refused for good or given up; expanded: others
   * stand in its place.
   */
  readonly status: "waiting" | "sent" | "failed" | "expanded";
  readonly attempts: number; // real attempts so far
  readonly suspensions: number; // times that it was put off untried since the last of them
  readonly last?: Attempt; // the newest record
  readonly next?: number; // ms, when due; absent: never deferred
  readonly since?: number; // ms, when that was decided
  readonly waitMs?: number; // what its retry profile said
  readonly scheduled: boolean; // `next` was asked for and is not to be recomputed
  readonly warnedMs: number; // the last of the delay warning times that are owed or were sent; 0: none
  readonly settled: readonly ReportAction[]; // reports that were made, or are not owed
}

export interface MessageState {
  readonly recipients: readonly RecipientState[]; // by index, as in the envelope
  readonly attempts: readonly Attempt[]; // all, oldest first
  readonly firstDeferred?: number; // ms, when a recipient was first deferred: the lifetime counts from here
  readonly held?: HoldRecord; // why it is on hold, unless released since
  readonly isReleased: boolean; // an administrator let it go: the hold transport does not hold it again
  readonly forcedExpire: boolean; // to be returned at once
  readonly isDeleted: boolean; // to be removed at once
  readonly isSuspect: boolean; // a process died while it held the message, and no attempt has ended since
  readonly deathsAlone: number; // deaths since then of processes that held nothing else
  readonly reporting: ReadonlyMap<string, { action: ReportAction; recipients: readonly number[] }>; // begun, not confirmed
}

interface Draft {
  status: RecipientState["status"];
  attempts: number;
  suspensions: number;
  last?: Attempt;
  next?: number;
  since?: number;
  waitMs?: number;
  scheduled: boolean;
  warnedMs: number;
  settled: ReportAction[];
}

/** `envelope`: as read (mail/rewritten.ts). Records that name a recipient the envelope does not have are passed over. */
export function foldJournal(envelope: Envelope, records: readonly JournalRecord[]): MessageState {
  const recipients: Draft[] = envelope.recipients.map(() => ({
    status: "waiting",
    attempts: 0,
    suspensions: 0,
    scheduled: false,
    warnedMs: 0,
    settled: [],
  }));
  const attempts: Attempt[] = [];
  const reporting = new Map<string, { action: ReportAction; recipients: readonly number[] }>();
  let firstDeferred: number | undefined;
  let held: HoldRecord | undefined;
  let isReleased = false;
  let forcedExpire = false;
  let isDeleted = false;
  let isSuspect = false;
  let deathsAlone = 0;

  const named = (indexes: readonly number[]) =>
    indexes.map((index) => recipients[index]).filter((recipient) => recipient !== undefined);
  const waiting = () => recipients.filter((recipient) => recipient.status === "waiting");

  for (const record of records) {
    switch (record.kind) {
      case "attempt": {
        const recipient = recipients[record.recipient];
        if (recipient === undefined) break;
        attempts.push(record);
        if (!record.suspended) {
          isSuspect = false;
          deathsAlone = 0;
        }
        recipient.attempts = Math.max(recipient.attempts, record.attempt);
        if (recipient.status !== "waiting") break; // decided is decided
        recipient.suspensions = record.suspended ? recipient.suspensions + 1 : 0;
        recipient.last = record;
        if (record.outcome === "sent") recipient.status = "sent";
        else if (record.outcome === "deferred") firstDeferred ??= record.time;
        else recipient.status = "failed";
        break;
      }
      case "schedule":
        for (const recipient of record.recipients ? named(record.recipients) : waiting()) {
          recipient.next = record.next;
          recipient.since = record.time;
          recipient.waitMs = record.wait ?? record.next - record.time;
          recipient.scheduled = record.scheduled === true;
        }
        break;
      case "hold":
        held = record;
        isDeleted = false;
        break;
      case "release":
      case "requeue":
        held = undefined;
        isReleased = record.kind === "release"; // to requeue is to route anew
        isDeleted = false;
        isSuspect = false; // an administrator's word: another chance
        deathsAlone = 0;
        for (const recipient of waiting()) {
          recipient.next = record.time;
          recipient.since = record.time;
          recipient.waitMs = 0;
          recipient.scheduled = false;
        }
        break;
      case "expire":
        held = undefined;
        forcedExpire = true;
        break;
      case "delete":
        isDeleted = true;
        break;
      case "delayed":
        for (const recipient of named(record.recipients)) {
          recipient.warnedMs = record.after ?? 1;
          recipient.settled = recipient.settled.filter((action) => action !== "delayed"); // another one is owed
        }
        break;
      case "reporting":
        reporting.set(record.report, { action: record.action, recipients: record.recipients });
        break;
      case "reported":
      case "dropped":
        reporting.delete(record.report);
        for (const recipient of named(record.recipients)) recipient.settled.push(record.action);
        break;
      case "rewritten":
        for (const recipient of named(record.replaced)) recipient.status = "expanded";
        break;
      case "suspect":
        isSuspect = true;
        if (record.alone) deathsAlone += 1;
        break;
      case "transcript":
        break; // for people: it decides nothing
    }
  }
  return {
    recipients,
    attempts,
    ...(firstDeferred === undefined ? {} : { firstDeferred }),
    ...(held === undefined ? {} : { held }),
    isReleased,
    forcedExpire,
    isDeleted,
    isSuspect,
    deathsAlone,
    reporting,
  };
}

/** The earliest time at which a waiting recipient is due; undefined when none waits or none was scheduled. */
export function nextDue(state: MessageState): number | undefined {
  let next: number | undefined;
  for (const recipient of state.recipients) {
    if (recipient.status !== "waiting" || recipient.next === undefined) continue;
    if (next === undefined || recipient.next < next) next = recipient.next;
  }
  return next;
}
