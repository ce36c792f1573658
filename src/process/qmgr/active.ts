/**
 * The messages in active/, and what happens to each:
 *
 *   admitted   a feeder moved it here, or it was found here   -> in line at its destinations
 *   in line / out                                             -> concluding when nothing of it is left in line or out
 *   concluding records and moves                              -> gone from here; in line again (requeue); tried again
 *                                                                after a second while the spool cannot be written
 */
import { lstatSync } from "node:fs";
import { messageOf, ScesError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Config } from "../../config/config.ts";
import type { OwnAgent } from "../../config/transports.ts";
import type { Admission, Report } from "../../ipc/messages.ts";
import type { Envelope } from "../../mail/envelope.ts";
import { deliveryLine } from "../../mail/log-line.ts";
import type { DeleteRecord, HoldRecord, OrderRecord } from "../../mail/journal.ts";
import { softAttempt } from "../../mail/soft-bounce.ts";
import { foldJournal } from "../../mail/state.ts";
import type { RetryRules } from "../../service/retry-rules.ts";
import { setApartSoon } from "../../service/set-apart.ts";
import { readMessage } from "../../spool/file.ts";
import { appendRecords, appendSynced } from "../../spool/journal.ts";
import { queuePath } from "../../spool/queues.ts";
import { listQueue } from "../../spool/scan.ts";
import type { SpentFiles } from "../../spool/spent.ts";
import { conclude, concludeTrouble, type Fate } from "./conclude.ts";
import type { Entry } from "./destination.ts";
import { ActiveMessage, type ActiveRecipient, type Intent } from "./message.ts";
import { OldReports } from "./old-reports.ts";
import { discarded, type Ending, endUntried, erred } from "./own-delivery.ts";
import { giveTurns } from "./retry.ts";
import type { Room } from "./room.ts";
import type { Scheduler } from "./scheduler.ts";

const RETRY_MS = 1000;
/** Messages looked at before other work has its turn. */
const BAR_SLICE = 500;
/** A file in active/ that nobody told of for so long is not on its way to us. */
const ORPHAN_AGE_MS = 10_000;
/** Deaths of a process that held nothing but this message, after which it is damage. */
const DEATHS = 3;
const KILLER = `${DEATHS} processes died while they held nothing but this message`;

export interface ActiveEvents {
  readonly spent: SpentFiles;
  wake(process: string): void;
  onConcluded(message: ActiveMessage, fate: Fate): void;
  /** How a recipient ends untried, if it is not to be tried. */
  barOf(envelope: Envelope, index: number): Ending | undefined;
}

export class Active {
  readonly #messages = new Map<string, ActiveMessage>();
  readonly #room: Room;
  readonly #log: Log;
  readonly #events: ActiveEvents;
  #config: Config;
  #retry: RetryRules;
  #scheduler: Scheduler | undefined;
  readonly #old = new OldReports();
  #concluding = 0;
  #isTakenUp = false;
  /** A file was removed and the directory not synced since. */
  isDirty = false;

  constructor(config: Config, retry: RetryRules, log: Log, room: Room, events: ActiveEvents) {
    this.#config = config;
    this.#retry = retry;
    this.#log = log;
    this.#room = room;
    this.#events = events;
  }

  set scheduler(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  configure(config: Config, retry: RetryRules): void {
    this.#config = config;
    this.#retry = retry;
  }

  get(id: string): ActiveMessage | undefined {
    return this.#messages.get(id);
  }

  get size(): number {
    return this.#messages.size;
  }

  admit(feeder: string, entries: readonly Admission[]): void {
    for (const { id, envelope, offset, length, fresh, all } of entries) {
      this.#room.entered(feeder);
      if (this.#messages.has(id)) {
        this.#room.left(feeder); // found by a search before its feeder could tell
      } else if (fresh && envelope !== undefined && offset !== undefined && length !== undefined) {
        this.#start(new ActiveMessage(envelope, { offset, length, feeder, queuedMs: Date.now() }));
      } else {
        this.#load(id, feeder, all);
      }
    }
    this.#room.replenish(); // not only when messages leave: those here may be waiting for a server that hangs
  }

  /** Some message is on its way out at this moment. */
  get isConcluding(): boolean {
    return this.#concluding > 0;
  }

  /**
   * An outcome from before this qmgr's time: taken into account when the message is loaded, and acknowledged when it
   * is concluded. It may be nowhere on disk, and this qmgr may end before, too.
   */
  remember(report: Report, ack: () => void): void {
    if (!this.#isTakenUp) this.#old.add(report, ack);
    else this.#acknowledge(this.#messages.get(report.id), ack);
  }

  /** Now, if the message is gone. */
  #acknowledge(message: ActiveMessage | undefined, ack: () => void): void {
    if (message === undefined) ack();
    else message.acks.push(ack);
  }

  /** Takes up what is in active/ and not known: all of it at start; later what a lost word left there. */
  async takeUp(onlyOrphans: boolean): Promise<void> {
    if (onlyOrphans && !this.#isTakenUp) return; // an agent of an earlier qmgr may still hold them
    const foreign = (name: string) => this.#quarantine(name, "is no message, yet it was in active/");
    for await (const { id } of listQueue("active", foreign)) {
      if (this.#messages.has(id)) continue;
      if (onlyOrphans) {
        const stat = lstatSync(queuePath("active", id), { throwIfNoEntry: false });
        if (stat === undefined || Math.abs(Date.now() - stat.ctimeMs) < ORPHAN_AGE_MS) continue; // clocks are set back
      }
      this.#room.entered("");
      this.#load(id, "");
    }
    if (onlyOrphans) return;
    this.#old.close();
    this.#isTakenUp = true;
  }

  /** Takes up a message that nobody told of. Undefined if it cannot be, now or ever. */
  adopt(id: string): ActiveMessage | undefined {
    if (!this.#isTakenUp) return undefined; // an agent of an earlier qmgr may still hold it
    this.#room.entered("");
    this.#load(id, "");
    return this.#messages.get(id);
  }

  onReport(entry: Entry, report: Report, ack: () => void): void {
    const { message } = entry;
    message.pending -= 1;
    // A single recipient that was sent has no record: the file must be gone first.
    if (report.recorded && message.only === undefined) ack();
    else message.acks.push(ack);
    if (report.damaged !== undefined) message.damage = report.damaged;
    for (const attempt of report.results) message.apply(attempt);
    if (!report.recorded && report.damaged === undefined) {
      // The outcome is in memory only: no further recipient is tried until it is on disk.
      message.records.push(...report.results);
      message.mustSync = true;
      this.#withdraw(message);
    }
    this.#concludeIfDone(message);
  }

  /** The agent that had it is gone. `died`: by accident, so the message may be the cause. */
  onReturned(entry: Entry, died: boolean, alone: boolean): void {
    const { message } = entry;
    if (died) {
      this.#applyRecorded(message);
      if (entry.recipients.some((recipient) => recipient.status === "waiting")) this.#suspect(message, alone);
    }
    const isWanted = message.intent === undefined && !message.forcedExpire && message.damage === undefined;
    this.#scheduler?.returned(entry, isWanted);
    this.#concludeIfDone(message);
  }

  /** A process died that held it, and nothing else if `alone`. */
  #suspect(message: ActiveMessage, alone: boolean): void {
    message.isSuspect = true;
    if (alone) message.deathsAlone += 1;
    message.records.push({ kind: "suspect", time: Date.now(), alone });
    // At once, for the next to die may be this process.
    const records = message.records;
    message.records = [];
    void appendSynced(queuePath("active", message.id), records).catch(() => message.records.unshift(...records));
    if (message.deathsAlone < DEATHS) return;
    message.damage = KILLER;
    this.#withdraw(message);
  }

  /** The agent may have died between writing an outcome down and telling of it. */
  #applyRecorded(message: ActiveMessage): void {
    try {
      for (const record of readMessage("active", message.id).records) {
        if (record.kind !== "attempt") continue;
        const recipient = message.recipients[record.recipient];
        if (recipient?.status === "waiting" && record.attempt > recipient.attempts) message.apply(record);
      }
    } catch (error) {
      this.#log.warn(`${message.id}: cannot be read again: ${messageOf(error)}`);
    }
  }

  /** The destination is suspended: its recipients are deferred untried. */
  onSuspended(entry: Entry, why: string, until: number): void {
    const text = `delivery temporarily suspended: ${why}`;
    const ending = { type: "connect", outcome: "deferred", dsn: "4.4.1", text, description: why } as const;
    this.#end(entry, { ...ending, suspended: true, until });
  }

  /** The transport is our own: discard, error or hold. */
  onOwn(entry: Entry, agent: OwnAgent): void {
    const { message, destination, recipients } = entry;
    if (agent !== "hold") {
      const { transport, nexthop } = destination;
      const ending = agent === "discard" ? discarded(nexthop) : erred({ transport, nexthop });
      this.#end(entry, this.#config.soft_bounce ? softAttempt(ending) : ending);
      return;
    }
    const about = `transport ${destination.transport}`;
    for (const recipient of recipients) {
      message.toHold.set(recipient, destination.nexthop || about);
      const { address } = message.envelope.recipients[recipient.index] ?? { address: "" };
      this.#log.info(`${message.id}: hold: ${about} for <${address}>: ${destination.nexthop}`.replace(/: $/, ""));
    }
    message.pending -= 1;
    this.#concludeIfDone(message);
  }

  /** Each recipient of an entry that no agent saw ends like this. */
  #end({ message, recipients }: Entry, ending: Ending): void {
    message.pending -= 1;
    for (const recipient of recipients) this.#endOne(message, recipient, ending);
    this.#concludeIfDone(message);
  }

  #endOne(message: ActiveMessage, recipient: ActiveRecipient, ending: Ending): void {
    const attempt = endUntried(message, recipient, ending);
    const told = message.envelope.recipients[recipient.index];
    if (told !== undefined) this.#log.info(deliveryLine(message.id, told, attempt));
  }

  /** Something was paused: what stands in line and is not to be tried any more ends at once. */
  async applyBars(): Promise<void> {
    let count = 0;
    for (const message of [...this.#messages.values()]) {
      for (const entry of [...message.inLine]) {
        this.#bar(message, entry.recipients);
        this.#scheduler?.narrow(entry);
      }
      this.#concludeIfDone(message);
      count += 1;
      if (count % BAR_SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Who is not to be tried, by an administrator's word. */
  #bar(message: ActiveMessage, recipients: readonly ActiveRecipient[]): void {
    for (const recipient of recipients) {
      if (recipient.status !== "waiting" || recipient.turn !== "due") continue;
      const ending = this.#events.barOf(message.envelope, recipient.index);
      if (ending === undefined) continue;
      recipient.turn = "barred";
      this.#endOne(message, recipient, ending);
    }
  }

  /** An administrator's wish. Returns whether it has to wait for a delivery that is under way. */
  intend(message: ActiveMessage, intent: Intent | "expire", reason: string): boolean {
    const time = Date.now();
    if (intent === "expire") {
      if (!message.forcedExpire) message.records.push({ kind: "expire", time });
      message.forcedExpire = true;
      message.mustSync = true;
    } else {
      message.intent = intent;
      message.intentReason = reason;
      message.isIntentNoted = false;
    }
    this.#withdraw(message);
    const isLater = message.pending > 0;
    if (isLater) this.#note(message, intent === "hold" ? { kind: intent, time, reason } : { kind: intent, time });
    this.#concludeIfDone(message);
    return isLater;
  }

  /** What was promised for later must not end with this process. */
  #note(message: ActiveMessage, wish: HoldRecord | OrderRecord | DeleteRecord): void {
    if (wish.kind === "requeue") return; // a new qmgr tries it at once in any case
    try {
      appendRecords(queuePath("active", message.id), [wish]);
      if (wish.kind === "expire") message.records = message.records.filter(({ kind }) => kind !== "expire");
      else message.isIntentNoted = true;
    } catch (error) {
      this.#log.warn(`${message.id}: the order (${wish.kind}) is kept in memory only: ${messageOf(error)}`);
    }
  }

  /** Takes back what is still in line. */
  #withdraw(message: ActiveMessage): void {
    this.#scheduler?.withdraw(message);
  }

  #load(id: string, feeder: string, all = false): void {
    try {
      const file = readMessage("active", id);
      if (file.unreadable > 0)
        this.#log.warn(`${id}: ${file.unreadable} journal records cannot be read and are passed over`);
      const state = foldJournal(file.envelope, file.records);
      const { offset, length } = file;
      const message = new ActiveMessage(file.envelope, { offset, length, feeder, queuedMs: Date.now() }, state);
      this.#old.apply(message);
      if (state.held !== undefined) {
        // The hold was written down, and then a crash came before the move.
        message.intent = "hold";
        message.intentReason = state.held.reason;
        message.isIntentNoted = true;
      }
      if (state.isDeleted) message.intent = "delete";
      this.#start(message, all);
    } catch (error) {
      this.#room.left(feeder);
      if (error instanceof ScesError && error.code === "FILE_GONE") return;
      if (error instanceof ScesError && error.code === "FILE_DAMAGED") {
        this.#quarantine(id, error.message);
        return;
      }
      this.#log.warn(`${id}: cannot be read now: ${messageOf(error)}`); // an orphan, for a later search
    }
  }

  #quarantine(name: string, reason: string): void {
    setApartSoon("active", name, reason, { log: this.#log, quarantined: () => this.#events.wake("corrupt") });
  }

  /** `all`: recipients that are not due yet, too. */
  #start(message: ActiveMessage, all = false): void {
    const { id, envelope, length, recipients } = message;
    this.#messages.set(id, message);
    const count = recipients.reduce((sum, { status }) => (status === "expanded" ? sum : sum + 1), 0);
    this.#log.info(`${id}: from=<${envelope.sender}>, size=${length}, nrcpt=${count} (queue active)`);
    if (message.deathsAlone >= DEATHS) {
      message.damage = KILLER;
    } else if (!message.forcedExpire && message.intent === undefined) {
      this.#enqueue(message, all);
    }
    this.#concludeIfDone(message);
  }

  #enqueue(message: ActiveMessage, all: boolean): void {
    message.isFlushed = all;
    giveTurns(message, this.#retry, Date.now(), all);
    this.#bar(message, message.recipients);
    this.#scheduler?.enqueue(message);
  }

  #concludeIfDone(message: ActiveMessage): void {
    // Some destinations have had it, the others have long lines: it need not stay here for them.
    if (message.pending > 0) this.#scheduler?.setAside(message);
    if (message.pending > 0 || message.isConcluding) return;
    message.isConcluding = true;
    void this.#conclude(message);
  }

  async #conclude(message: ActiveMessage): Promise<void> {
    let fate: Fate;
    this.#concluding += 1;
    try {
      const ours = { config: this.#config, retry: this.#retry, log: this.#log };
      fate = await conclude(message, { ...ours, ...this.#events });
    } catch (error) {
      if (!(error instanceof ScesError)) throw error;
      this.#log.warn(concludeTrouble(message, error));
      setTimeout(() => void this.#conclude(message), RETRY_MS);
      return;
    } finally {
      this.#concluding -= 1;
    }
    message.isConcluding = false;
    for (const ack of message.acks.splice(0)) ack();
    if (fate === "again") {
      message.isNamedInBounce = false;
      message.toHold.clear();
      this.#enqueue(message, true);
      return this.#concludeIfDone(message);
    }
    this.#messages.delete(message.id);
    if (fate === "sent" || fate === "deleted") this.isDirty = true;
    this.#room.left(message.feeder);
    this.#events.onConcluded(message, fate);
    this.#room.replenish();
  }
}
