/**
 * Who is to be told what became of a message: a pure decision on envelope and journal, shared by qmgr (which gives
 * the message a name in bounce/ when something is owed) and bounce (which writes the reports).
 */
import type { Envelope, Recipient } from "./envelope.ts";
import type { ReportAction } from "./journal.ts";
import type { MessageState, RecipientState } from "./state.ts";

export interface ReportRules {
  readonly doubleBounceSender: string; // whole address; mail from it that fails is given up
  readonly notifyClasses: readonly string[]; // notify_classes
  readonly confirmsDelayCleared: boolean; // who was warned hears of the delivery, too
}

/** One report that is to be written: one message to one reader about some recipients. */
export interface OwedReport {
  readonly action: ReportAction;
  readonly to: "sender" | "postmaster"; // postmaster: a failed message that has no sender to tell
  readonly recipients: readonly number[]; // indexes, ascending, at least one
}

export interface Owed {
  readonly reports: readonly OwedReport[]; // at most one of each action; failures first
  readonly dropped: readonly number[]; // failed, not settled, and nobody is to be told: null sender or double bounce
}

/**
 * What is owed and not yet confirmed by a `reported` or `dropped` record. A recipient whose report has been begun
 * (`reporting`) still counts. Never a report to the null sender (RFC 5321 6.1), never one about a double bounce.
 */
export function reportsOwed(envelope: Envelope, state: Pick<MessageState, "recipients">, rules: ReportRules): Owed {
  const pick = (action: ReportAction, isOwed: (recipient: Recipient, state: RecipientState) => boolean): number[] => {
    const found: number[] = [];
    for (const [index, recipient] of envelope.recipients.entries()) {
      const one = state.recipients[index];
      if (one !== undefined && !one.settled.includes(action) && isOwed(recipient, one)) found.push(index);
    }
    return found;
  };
  const failed = pick("failed", (recipient, one) => one.status === "failed" && wantsFailure(recipient));
  if (envelope.sender === "" || envelope.sender === rules.doubleBounceSender) {
    const isTold = envelope.sender === "" && rules.notifyClasses.includes("2bounce");
    return isTold ? { reports: report("failed", "postmaster", failed), dropped: [] } : { reports: [], dropped: failed };
  }
  // A warning that comes after the end of the matter would only confuse.
  const delayed = pick(
    "delayed",
    (recipient, one) => one.status === "waiting" && one.warnedMs > 0 && wantsDelay(recipient),
  );
  const delivered = pick(
    "delivered",
    (recipient, one) => one.status === "sent" && (isOwedSuccess(recipient, one) || isOwedAllClear(one, rules)),
  );
  return {
    reports: [
      ...report("failed", "sender", failed),
      ...report("delayed", "sender", delayed),
      ...report("delivered", "sender", delivered),
    ],
    dropped: [],
  };
}

function report(action: ReportAction, to: OwedReport["to"], recipients: readonly number[]): OwedReport[] {
  return recipients.length === 0 ? [] : [{ action, to, recipients }];
}

// RFC 3461 4.1: without NOTIFY the sender hears of failures and may hear of delays; NEVER stands alone.
function wantsFailure({ notify }: Recipient): boolean {
  return notify === undefined || notify.includes("FAILURE");
}

/** Whether a delay warning may be sent for this recipient at all (qmgr asks before it writes a `delayed` record). */
export function wantsDelay({ notify }: Recipient): boolean {
  return notify === undefined || notify.includes("DELAY");
}

/** Asked for with NOTIFY. By the next hop to make, if it could be told so (RFC 3461 5.2.1). */
export function wantsSuccess({ notify }: Recipient): boolean {
  return notify?.includes("SUCCESS") === true;
}

function isOwedSuccess(recipient: Recipient, { last }: RecipientState): boolean {
  return wantsSuccess(recipient) && last?.relayedDsn !== true;
}

/** Its sender has a warning that is not true any more. */
function isOwedAllClear({ settled }: RecipientState, rules: ReportRules): boolean {
  return rules.confirmsDelayCleared && settled.includes("delayed");
}
