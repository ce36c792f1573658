/** Whose turn it is in a message that came to active/, and when each recipient's next one is. Pure. */
import type { Planned } from "../../config/retry-profile.ts";
import type { ScheduleRecord } from "../../mail/journal.ts";
import type { RetryRules } from "../../service/retry-rules.ts";
import type { ActiveMessage, ActiveRecipient } from "./message.ts";

/** Recipients that are due so soon go along, as in Postfix's scan. */
const SOON_MS = 1000;

/** Gives each waiting recipient its turn. `all`: by command, due or not. */
export function giveTurns(message: ActiveMessage, rules: RetryRules, now: number, all: boolean): void {
  const { envelope, firstDeferredMs: first } = message;
  const waiting = message.recipients.filter(({ status }) => status === "waiting");
  for (const recipient of waiting) {
    recipient.wasTried = false;
    if (rules.isOverBefore(envelope, recipient.index, recipient, first, now)) recipient.turn = "over";
    else recipient.turn = all || dueOf(message, recipient, rules, now) <= now + SOON_MS ? "due" : "later";
  }
  // A command brought it, and the word was lost: an early attempt is better than none, unless the sender set the time.
  const isUncalled = waiting.every(({ turn, next, scheduled }) => turn === "later" && next !== undefined && !scheduled);
  if (isUncalled) for (const recipient of waiting) recipient.turn = "due";
}

function dueOf({ envelope }: ActiveMessage, recipient: ActiveRecipient, { timeline }: RetryRules, now: number): number {
  return timeline.dueOf(recipient, now) ?? (recipient.attempts === 0 ? (envelope.retry?.nextAttempt ?? 0) : 0);
}

export interface Judgement {
  /** To be given up. `isEarly`: with the last error as the final one. */
  readonly over: readonly { readonly recipient: ActiveRecipient; readonly isEarly: boolean }[];
  readonly plans: ReadonlyMap<ActiveRecipient, Planned>; // of those that had their turn and wait again
}

/** After a round. `chance`: from 0 to 1, the same for all, so that equal recipients stay together. */
export function judge(message: ActiveMessage, rules: RetryRules, now: number, chance: number): Judgement {
  const over: { recipient: ActiveRecipient; isEarly: boolean }[] = [];
  const plans = new Map<ActiveRecipient, Planned>();
  const first = message.firstDeferredMs ?? now;
  for (const recipient of message.recipients) {
    if (recipient.status !== "waiting") continue;
    if (message.forcedExpire) over.push({ recipient, isEarly: false });
    else if (message.toHold.has(recipient))
      continue; // no time passes for it
    else if (message.intent !== undefined || recipient.turn === "later" || recipient.turn === "aside") continue;
    else if (recipient.turn === "over") over.push({ recipient, isEarly: false });
    else {
      const retry = rules.after(message.envelope, recipient.index, recipient, first, now, chance);
      if (!retry.isOver) plans.set(recipient, retry);
      else if (recipient.wasTried) over.push({ recipient, isEarly: retry.isEarly });
      else plans.set(recipient, { since: now, due: now, waitMs: 0 }); // taken back before its attempt
    }
  }
  return { over, plans };
}

export interface Schedule {
  readonly records: readonly ScheduleRecord[];
  readonly due: number; // ms, of the first
}

/**
 * What is written of the recipients that wait now: one record for each time, none for those whose time stands, or who
 * were set aside. These are called back, but in case that is forgotten they come after `asideMs` by themselves.
 */
export function scheduleOf(
  message: ActiveMessage,
  plans: Judgement["plans"],
  rules: RetryRules,
  now: number,
  asideMs: number,
): Schedule {
  const byTime = new Map<string, { record: ScheduleRecord; recipients: number[] }>();
  const waiting = message.recipients.filter(({ status }) => status === "waiting");
  let first = Number.POSITIVE_INFINITY;
  for (const recipient of waiting) {
    if (message.toHold.has(recipient)) continue; // comes along with the others, until none waits
    if (recipient.turn === "aside") {
      first = Math.min(first, now + asideMs);
      continue;
    }
    const plan = plans.get(recipient);
    const due = plan?.due ?? dueOf(message, recipient, rules, now);
    first = Math.min(first, due);
    if (plan === undefined && recipient.next !== undefined) continue;
    const wait = plan === undefined || plan.waitMs === due - now ? {} : { wait: plan.waitMs };
    const asked = plan === undefined ? ({ scheduled: true } as const) : {};
    const record: ScheduleRecord = { kind: "schedule", time: now, next: due, ...wait, ...asked };
    const key = `${due} ${plan?.waitMs}`;
    const known = byTime.get(key);
    if (known === undefined) byTime.set(key, { record, recipients: [recipient.index] });
    else known.recipients.push(recipient.index);
  }
  const records = [...byTime.values()].map(({ record, recipients }) =>
    recipients.length === waiting.length ? record : { ...record, recipients },
  );
  return { records, due: first };
}
