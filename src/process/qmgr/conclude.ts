/**
 * What happens to a message when no agent holds it and nothing of it is in line. In this order, so that a crash at
 * any point costs nothing but time: records on disk, names in bounce/, time of the next attempt, the one rename.
 */
import { messageOf, ScesError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Config } from "../../config/config.ts";
import type { Attempt } from "../../mail/attempt.ts";
import { type BackoffLimits, isExpired, nextAttempt } from "../../mail/backoff.ts";
import type { JournalRecord } from "../../mail/journal.ts";
import { reportsOwed, wantsDelay } from "../../mail/owed.ts";
import { setApart } from "../../service/set-apart.ts";
import { reportRules } from "../../service/report-rules.ts";
import { appendRecords, appendSynced, setDue } from "../../spool/journal.ts";
import { addSecondName, moveMessage, removeMessage } from "../../spool/moves.ts";
import { queuePath } from "../../spool/queues.ts";
import type { ActiveMessage, ActiveRecipient } from "./message.ts";

export type Fate = "sent" | "deferred" | "bounced" | "held" | "deleted" | "corrupt" | "again" | "gone";

export interface ConcludeOptions {
  readonly config: Config;
  readonly log: Log;
  /** There is work in that queue. */
  wake(process: string): void;
}

/**
 * Takes the message out of active/, or says "again": it is to be put in line once more. Throws ScesError when the
 * spool cannot be written now; the message is then unchanged and can be concluded again.
 */
export async function conclude(message: ActiveMessage, options: ConcludeOptions): Promise<Fate> {
  const { log } = options;
  const { id } = message;
  try {
    if (message.damage !== undefined) return toCorrupt(message, message.damage, options);
    if (message.intent === "delete") {
      if (!removeMessage(id, "active")) return "gone";
      log.info(`${id}: removed`);
      return "deleted";
    }
    const now = Date.now();
    if (message.hasWaiting && isOver(message, options.config, now)) expire(message, log, now);
    warnOfDelay(message, options.config, now);
    const rules = reportRules(options.config);
    const isOwed = reportsOwed(message.envelope, message, rules).reports.length > 0;
    if (!message.hasWaiting) return await finish(message, isOwed, options);
    return await postpone(message, isOwed, options, now);
  } catch (error) {
    if (error instanceof ScesError && error.code === "FILE_GONE") return "gone";
    throw error;
  }
}

/** Every recipient is decided: the message goes, or stays until the reports on it are made. */
async function finish(message: ActiveMessage, isOwed: boolean, options: ConcludeOptions): Promise<Fate> {
  const { id } = message;
  const fate = message.recipients.some((recipient) => recipient.status === "failed") ? "bounced" : "sent";
  if (isOwed) {
    await write(message, []);
    if (!moveMessage(id, "active", "bounce")) return "gone";
    options.wake("bounce");
    return fate;
  }
  if (!removeMessage(id, "active")) return "gone";
  options.log.info(`${id}: removed`);
  return fate;
}

/** Some recipients wait: deferred, held, or routed anew. */
async function postpone(message: ActiveMessage, isOwed: boolean, options: ConcludeOptions, now: number): Promise<Fate> {
  const { id, intent, intentReason } = message;
  const { log, config } = options;
  const path = queuePath("active", id);
  if (intent === "requeue") {
    await write(message, [{ kind: "requeue", time: now }]);
    message.intent = undefined;
    message.isReleased = false;
    log.info(`${id}: requeued`);
    return "again";
  }
  const holdReason = intent === "hold" ? intentReason : message.holdReason;
  if (holdReason !== undefined) {
    const wish = { kind: "hold", time: now, reason: holdReason } as const;
    await write(message, message.isIntentNoted ? [] : [wish], true);
    nameInBounce(message, isOwed, options);
    if (!moveMessage(id, "active", "hold")) return "gone";
    log.info(`${id}: placed on hold`);
    return "held";
  }
  const first = message.firstDeferredMs ?? now;
  const next = Math.min(
    nextAttempt(now, message.envelope.arrival, first, limitsFor(message, config)),
    ...resumed(message),
  );
  await write(message, [{ kind: "schedule", time: now, next }]);
  nameInBounce(message, isOwed, options);
  setDue(path, next);
  return moveMessage(id, "active", "deferred") ? "deferred" : "gone";
}

/** When suspensions end because of which recipients were not tried. */
function resumed(message: ActiveMessage): number[] {
  return message.recipients.flatMap(({ status, last }) => (status === "waiting" ? (last?.until ?? []) : []));
}

function nameInBounce(message: ActiveMessage, isOwed: boolean, options: ConcludeOptions): void {
  if (!isOwed) return;
  // Once, also when the rename behind it has to be tried again and again.
  if (!message.isNamedInBounce) addSecondName(message.id, "active", "bounce");
  message.isNamedInBounce = true;
  options.wake("bounce");
}

/** Appends what the message has gathered and more. What has been written is not written again. */
async function write(message: ActiveMessage, more: readonly JournalRecord[], sync = false): Promise<void> {
  const count = message.records.length;
  const records = [...message.records, ...more];
  if (records.length > 0 || sync) {
    const path = queuePath("active", message.id);
    if (message.mustSync || sync) await appendSynced(path, records);
    else appendRecords(path, records);
  }
  message.records.splice(0, count); // some may have come meanwhile
  message.mustSync &&= message.records.length > 0;
}

function toCorrupt(message: ActiveMessage, why: string, options: ConcludeOptions): Fate {
  const quarantined = () => options.wake("corrupt");
  return setApart("active", message.id, why, { log: options.log, quarantined }) ? "corrupt" : "gone";
}

export function limitsFor(message: ActiveMessage, config: Config): BackoffLimits {
  const { maximal_queue_lifetime, bounce_queue_lifetime } = config;
  // As Postfix: mail from the null sender never waits longer than other mail.
  const bounceMs = Math.min(bounce_queue_lifetime, maximal_queue_lifetime);
  return {
    minimalMs: config.minimal_backoff_time,
    maximalMs: config.maximal_backoff_time,
    lifetimeMs: message.envelope.sender === "" ? bounceMs : maximal_queue_lifetime,
  };
}

function isOver(message: ActiveMessage, config: Config, now: number): boolean {
  if (message.forcedExpire) return true;
  if (message.intent !== undefined || !message.wasTried || message.firstDeferredMs === undefined) return false;
  return isExpired(now, message.firstDeferredMs, limitsFor(message, config));
}

/** Gives up the waiting recipients; the words of the last attempt stay with them. */
function expire(message: ActiveMessage, log: Log, now: number): void {
  const status = message.forcedExpire ? "force-expired" : "expired";
  log.info(`${message.id}: from=<${message.envelope.sender}>, status=${status}, returned to sender`);
  for (const recipient of message.recipients) {
    if (recipient.status !== "waiting") continue;
    if (message.toHold.has(recipient) && !message.forcedExpire) continue; // on hold no time passes
    const attempt = expiredAttempt(recipient, now);
    message.records.push(attempt);
    message.mustSync = true;
    message.apply(attempt);
  }
}

function expiredAttempt(recipient: ActiveRecipient, now: number): Attempt {
  const { last, index, attempts } = recipient;
  const told = last ?? { dsn: "4.4.7", text: "message expired before it was tried" };
  const {
    relayedDsn: _,
    suspended: __,
    until: _____,
    use: ___,
    delays: ____,
    ...kept
  } = { ...told } as Partial<Attempt>;
  return {
    ...kept,
    kind: "attempt",
    recipient: index,
    attempt: attempts,
    type: "expired",
    outcome: "expired",
    time: now,
    dsn: told.dsn,
    text: told.text,
  };
}

function warnOfDelay(message: ActiveMessage, config: Config, now: number): void {
  const afterMs = config.delay_warning_time;
  const { envelope } = message;
  if (afterMs === 0 || envelope.sender === "" || now - envelope.arrival < afterMs || message.forcedExpire) return;
  const late = message.recipients.filter((recipient) => {
    const told = envelope.recipients[recipient.index];
    return recipient.status === "waiting" && !recipient.warned && told !== undefined && wantsDelay(told);
  });
  if (late.length === 0) return;
  for (const recipient of late) recipient.warned = true;
  message.records.push({ kind: "delayed", time: now, recipients: late.map((recipient) => recipient.index) });
  message.mustSync = true;
}

/** For the log: conclude could not be done now. */
export function concludeTrouble(message: ActiveMessage, error: unknown): string {
  return `${message.id}: cannot be concluded now, tried again: ${messageOf(error)}`;
}
