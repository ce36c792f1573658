/**
 * What happens to a message when no agent holds it and nothing of it is in line. In this order, so that a crash at
 * any point costs nothing but time: records on disk, names in bounce/, time of the next attempt, the one rename.
 */
import { messageOf, ScesError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Config } from "../../config/config.ts";
import type { Attempt } from "../../mail/attempt.ts";
import type { JournalRecord } from "../../mail/journal.ts";
import { reportsOwed, wantsDelay } from "../../mail/owed.ts";
import type { RetryRules } from "../../service/retry-rules.ts";
import { setApart } from "../../service/set-apart.ts";
import { reportRules } from "../../service/report-rules.ts";
import { appendRecords, appendSynced, setDue } from "../../spool/journal.ts";
import { addSecondName, moveMessage, removeMessage } from "../../spool/moves.ts";
import { queuePath } from "../../spool/queues.ts";
import type { SpentFiles } from "../../spool/spent.ts";
import type { ActiveMessage, ActiveRecipient } from "./message.ts";
import { judge, type Judgement, scheduleOf } from "./retry.ts";

export type Fate = "sent" | "deferred" | "bounced" | "held" | "deleted" | "corrupt" | "again" | "gone";

export interface ConcludeOptions {
  readonly config: Config;
  readonly retry: RetryRules;
  readonly log: Log;
  readonly spent: SpentFiles;
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
    const { over, plans } = judge(message, options.retry, now, Math.random());
    expire(message, over, log, now);
    warnOfDelay(message, options, now);
    const rules = reportRules(options.config);
    const isOwed = reportsOwed(message.envelope, message, rules).reports.length > 0;
    if (!message.hasWaiting) return await finish(message, isOwed, options);
    return await postpone(message, { plans, isOwed, now }, options);
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
  const isThere = message.isFresh ? options.spent.retire(id, message.length) : removeMessage(id, "active");
  if (!isThere) return "gone";
  options.log.info(`${id}: removed`);
  return fate;
}

/** Some recipients wait: deferred, held, or routed anew. */
async function postpone(
  message: ActiveMessage,
  { plans, isOwed, now }: Pick<Judgement, "plans"> & { readonly isOwed: boolean; readonly now: number },
  { config, retry, log, wake }: ConcludeOptions,
): Promise<Fate> {
  const { id, intent, intentReason } = message;
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
    nameInBounce(message, isOwed, wake);
    if (!moveMessage(id, "active", "hold")) return "gone";
    log.info(`${id}: placed on hold`);
    return "held";
  }
  const { records, due } = scheduleOf(message, plans, retry, now, config.maximal_backoff_time);
  await write(message, records);
  nameInBounce(message, isOwed, wake);
  setDue(path, due);
  if (!moveMessage(id, "active", "deferred")) return "gone";
  if (message.recipients.some(({ status, turn }) => status === "waiting" && turn === "aside")) {
    log.info(`${id}: set aside, for much mail waits in line for the same destination`);
  }
  return "deferred";
}

function nameInBounce(message: ActiveMessage, isOwed: boolean, wake: ConcludeOptions["wake"]): void {
  if (!isOwed) return;
  // Once, also when the rename behind it has to be tried again and again.
  if (!message.isNamedInBounce) addSecondName(message.id, "active", "bounce");
  message.isNamedInBounce = true;
  wake("bounce");
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

/** Gives recipients up; the words of their last attempt stay with them. */
function expire(message: ActiveMessage, over: Judgement["over"], log: Log, now: number): void {
  if (over.length === 0) return;
  const status = message.forcedExpire ? "force-expired" : "expired";
  log.info(`${message.id}: from=<${message.envelope.sender}>, status=${status}, returned to sender`);
  for (const { recipient, isEarly } of over) {
    const attempt = finalAttempt(recipient, isEarly, now);
    message.records.push(attempt);
    message.mustSync = true;
    message.apply(attempt);
  }
}

/** `isEarly`: the last real attempt is the final one, as it was. Else type `expired`, in its words. */
function finalAttempt({ last, index, attempts }: ActiveRecipient, isEarly: boolean, now: number): Attempt {
  const told = last ?? { dsn: "4.4.7", text: "message expired before it was tried" };
  const {
    relayedDsn: _,
    suspended: __,
    until: ___,
    use: ____,
    delays: _____,
    ...kept
  } = { ...told } as Partial<Attempt>;
  const isKept = isEarly && last !== undefined;
  return {
    ...kept,
    kind: "attempt",
    recipient: index,
    attempt: attempts,
    type: isKept ? last.type : "expired",
    outcome: "expired",
    time: isKept ? last.time : now,
    dsn: told.dsn,
    text: told.text,
  };
}

/** Each of the delay warning times once; of several that have come, only the last. */
function warnOfDelay(message: ActiveMessage, { config, retry }: ConcludeOptions, now: number): void {
  const { envelope } = message;
  const age = now - retry.timeline.present(envelope.arrival, now);
  const after = config.delay_warning_time.findLast((time) => time <= age);
  if (after === undefined || envelope.sender === "" || message.forcedExpire) return;
  const late = message.recipients.filter((recipient) => {
    const told = envelope.recipients[recipient.index];
    return recipient.status === "waiting" && recipient.warnedMs < after && told !== undefined && wantsDelay(told);
  });
  if (late.length === 0) return;
  for (const recipient of late) {
    recipient.warnedMs = after;
    recipient.settled = recipient.settled.filter((action) => action !== "delayed");
  }
  message.records.push({ kind: "delayed", time: now, after, recipients: late.map((recipient) => recipient.index) });
  message.mustSync = true;
}

/** For the log: conclude could not be done now. */
export function concludeTrouble(message: ActiveMessage, error: unknown): string {
  return `${message.id}: cannot be concluded now, tried again: ${messageOf(error)}`;
}
