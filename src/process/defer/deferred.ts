/**
 * The owner of deferred/, which may hold millions: nothing is kept in memory but the place where a scan is, and the
 * messages that a command named. A file's mtime says when it is due (the journal is the truth, mtime its index), so
 * a scan only stats. It looks in short slices and rests between them, for what it looks at is rarely due, and other
 * processes need the processor more; what a command wants does not wait for it.
 */
import { lstatSync, type Stats } from "node:fs";
import { messageOf, ScesError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { clean } from "../../base/text.ts";
import type { Verb } from "../../ipc/messages.ts";
import type { Envelope } from "../../mail/envelope.ts";
import type { JournalRecord, ScheduleRecord } from "../../mail/journal.ts";
import { isQueueId } from "../../mail/queue-id.ts";
import { foldJournal, type MessageState, nextDue } from "../../mail/state.ts";
import type { Room } from "../../service/feeder.ts";
import type { RetryRules } from "../../service/retry-rules.ts";
import { setApartSoon } from "../../service/set-apart.ts";
import type { Timeline } from "../../service/timeline.ts";
import { readQueueFile } from "../../spool/file.ts";
import { appendIfThere, appendRecords, setDue } from "../../spool/journal.ts";
import { moveMessage, removeMessage } from "../../spool/moves.ts";
import { queuePath } from "../../spool/queues.ts";
import { Scan } from "../../spool/scan.ts";

/** Names listed at once, and the time after which the loop has other work to do. */
const SLICE = 500;
const SLICE_MS = 5;
/** Of one processor, for looking at what is not due: a million messages take about a minute. */
const SHARE = 0.04;
/** The kernel's clock for files and ours differ by less. */
const CLOCK_STEP_MS = 1000;

export class Deferred {
  readonly #timeline: Timeline;
  readonly #log: Log;
  readonly #wake: (process: string) => void;
  #retry: RetryRules;
  #room: Room = { room: 0, admitted() {} };
  #scan: Scan | undefined;
  #found: string[] = []; // listed by the scan, not yet looked at
  #flushStarted = 0; // ms; a scan that takes all passes over what was deferred again since
  #again: "due" | "all" | undefined; // asked for while a scan was under way
  readonly #named = new Map<string, boolean>(); // to be brought now: whether with recipients that are not due
  #busy = false;
  #rest: NodeJS.Timeout | undefined; // the scan goes on after it

  constructor(retry: RetryRules, timeline: Timeline, log: Log, wake: (process: string) => void) {
    this.#retry = retry;
    this.#timeline = timeline;
    this.#log = log;
    this.#wake = wake;
  }

  set room(room: Room) {
    this.#room = room;
  }

  set retry(retry: RetryRules) {
    this.#retry = retry;
  }

  /** qmgr's word: bring what is due, or all. */
  scan(all: boolean): void {
    const isUnderWay = this.#scan !== undefined;
    if (isUnderWay && !(all && this.#flushStarted === 0)) {
      if (all || this.#again === undefined) this.#again = all ? "all" : "due";
      return;
    }
    this.#scan?.close(); // who takes all need not wait until what is due was found
    this.#found = [];
    this.#timeline.reload();
    this.#scan = new Scan("deferred");
    this.#flushStarted = all ? Date.now() : 0;
    this.#wakeUp();
    this.pump();
  }

  /** qmgr's word: bring these, in this order. */
  recall(ids: readonly string[], all: boolean): void {
    for (const id of ids) if (isQueueId(id)) this.#named.set(id, all);
    this.pump();
  }

  /** Goes on where room ended. */
  pump(): void {
    if (this.#busy) return;
    this.#busy = true;
    setImmediate(() => {
      this.#busy = false;
      if (this.#slice()) this.pump();
    });
  }

  /** Looking at so many cost so much of the processor's time: nothing is looked at for a while. */
  #restAfter(cpuMs: number): void {
    const restMs = Math.floor(cpuMs * (1 / SHARE - 1));
    if (restMs < 1) return;
    this.#rest = setTimeout(() => {
      this.#rest = undefined;
      this.pump();
    }, restMs);
  }

  #wakeUp(): void {
    clearTimeout(this.#rest);
    this.#rest = undefined;
  }

  async execute(verb: Verb, id: string, reason: string): Promise<boolean> {
    const path = queuePath("deferred", id);
    switch (verb) {
      case "release":
        return false;
      case "hold": {
        if (!(await this.#note(path, { kind: "hold", time: Date.now(), reason: clean(reason, 500) }))) return false;
        const isHeld = moveMessage(id, "deferred", "hold");
        if (isHeld) this.#log.info(`${id}: placed on hold`);
        return isHeld;
      }
      case "delete": {
        this.#named.delete(id);
        const isRemoved = removeMessage(id, "deferred");
        if (isRemoved) this.#log.info(`${id}: removed`);
        return isRemoved;
      }
      case "flush":
        // Due now by its file too: a word that is lost with this process is no order.
        if (!isSetDue(path)) return false;
        break;
      case "requeue":
      case "expire":
        if (!(await this.#note(path, { kind: verb, time: Date.now() }))) return false;
        if (verb === "requeue") this.#log.info(`${id}: requeued`);
        break;
    }
    this.#named.set(id, true);
    this.pump();
    return true;
  }

  /** Writes an order down; false if the message is gone. Due now, also for a later scan. */
  async #note(path: string, record: JournalRecord): Promise<boolean> {
    return (await appendIfThere(path, [record])) && isSetDue(path);
  }

  /** A little work; returns whether there is more that can be done now. */
  #slice(): boolean {
    if (this.#room.room <= 0) return false; // onRoom comes back
    for (const [id, all] of this.#named) {
      this.#named.delete(id);
      this.#bring(id, all);
      if (this.#room.room <= 0) return false;
    }
    const scan = this.#scan;
    if (scan === undefined || this.#rest !== undefined) return false;
    this.#look(scan);
    if (this.#found.length > 0 || !scan.ended) return true;
    this.#scan = undefined;
    for (const name of scan.foreign) this.#quarantine(name, "is no message, yet it was in deferred/");
    const again = this.#again;
    this.#again = undefined;
    if (again !== undefined) this.scan(again === "all");
    return this.#named.size > 0;
  }

  #look(scan: Scan): void {
    const cpu = process.threadCpuUsage();
    const until = performance.now() + SLICE_MS;
    let looked = 0;
    let brought = 0;
    try {
      if (this.#found.length === 0) for (const { id } of scan.next(SLICE)) this.#found.push(id);
    } catch (error) {
      this.#log.warn(`scan of deferred ended early: ${messageOf(error)}`);
    }
    while (this.#found.length > 0 && this.#room.room > 0) {
      const id = this.#found.pop();
      looked += 1;
      if (id !== undefined && this.#isDue(id)) {
        this.#bring(id, this.#flushStarted > 0);
        brought += 1;
      }
      if ((looked & 31) === 0 && performance.now() > until) break;
    }
    if (looked === 0) return;
    const { user, system } = process.threadCpuUsage(cpu);
    this.#restAfter(((user + system) / 1000) * (1 - brought / looked));
  }

  #isDue(id: string): boolean {
    const path = queuePath("deferred", id);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return false;
    const now = this.#timeline.now();
    // A time still to come was set before the clock was set back.
    if (this.#flushStarted > 0) return stat.ctimeMs < this.#flushStarted || stat.ctimeMs > now + CLOCK_STEP_MS;
    if (stat.mtimeMs > now) {
      if (stat.mtimeMs > now + this.#retry.longestMs) this.#recompute(id, path, now);
      return false;
    }
    // A report written under the second name has touched the time, or the clock was set: the journal knows better.
    const isSure = stat.nlink === 1 && stat.mtimeMs >= this.#timeline.settledSince;
    return isSure || this.#isDueByJournal(id, path, stat, now);
  }

  #isDueByJournal(id: string, path: string, stat: Stats, now: number): boolean {
    try {
      const file = readQueueFile(path);
      const next = this.#nextDue(foldJournal(file.envelope, file.records), now) ?? 0;
      if (next <= now) return true;
      if (Math.abs(next - stat.mtimeMs) > 1000) setDue(path, next);
      return false;
    } catch (error) {
      this.#trouble(id, error);
      return false;
    }
  }

  /** As nextDue, by the clock of now. */
  #nextDue({ recipients }: MessageState, now: number): number | undefined {
    const waiting = recipients.filter(({ status }) => status === "waiting");
    const times = waiting.flatMap((recipient) => this.#timeline.dueOf(recipient, now) ?? []);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** Due later than the limits allow: they were changed, or the clock was. What its sender scheduled stays. */
  #recompute(id: string, path: string, now: number): void {
    try {
      const file = readQueueFile(path);
      const records = this.#shorten(file.envelope, foldJournal(file.envelope, file.records), now);
      if (records.length > 0) appendRecords(path, records);
      setDue(path, nextDue(foldJournal(file.envelope, [...file.records, ...records])) ?? now);
    } catch (error) {
      this.#trouble(id, error);
    }
  }

  #shorten(envelope: Envelope, { recipients }: MessageState, now: number): ScheduleRecord[] {
    return recipients.flatMap((recipient, index) => {
      if (recipient.status !== "waiting" || recipient.scheduled || recipient.next === undefined) return [];
      const latest = now + this.#retry.longestFor(envelope, index, recipient);
      if (recipient.next <= latest) return [];
      const due = this.#timeline.dueOf(recipient, now) ?? latest; // what is left of its wait
      const next = Math.max(now, Math.min(due, latest));
      return [{ kind: "schedule", time: now, next, recipients: [index] }];
    });
  }

  /** `all`: with the recipients that are not due. */
  #bring(id: string, all: boolean): void {
    try {
      if (moveMessage(id, "deferred", "active")) this.#room.admitted({ id, ...(all ? { all: true as const } : {}) });
    } catch (error) {
      this.#trouble(id, error);
    }
  }

  #trouble(id: string, error: unknown): void {
    if (error instanceof ScesError && error.code === "FILE_GONE") return;
    if (error instanceof ScesError && error.code === "FILE_DAMAGED") {
      this.#quarantine(id, error.message);
    } else {
      this.#log.warn(`${id}: stays deferred for now: ${messageOf(error)}`);
    }
  }

  #quarantine(name: string, reason: string): void {
    setApartSoon("deferred", name, reason, { log: this.#log, quarantined: () => this.#wake("corrupt") });
  }
}

/** Due now; false if it is gone. */
function isSetDue(path: string): boolean {
  try {
    setDue(path, Date.now());
    return true;
  } catch (error) {
    if (error instanceof ScesError && error.code === "FILE_GONE") return false;
    throw error;
  }
}
