/**
 * The owner of bounce/: sees to every name in it, several messages at a time. A message here is
 *
 *   listed    found by a scan, after a wake or at start          -> working, if there is a slot
 *   working   its reports are being written (report-once.ts)     -> gone; moved to corrupt/; or put off
 *   put off   a report could not be written now                  -> listed again after a growing pause, or by flush
 *
 * A full disk puts off all of them at once.
 */
import { pause } from "../../base/clock.ts";
import { messageOf, ScesError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Verb } from "../../ipc/messages.ts";
import { setApartSoon } from "../../service/set-apart.ts";
import { listDrafts, removeDraft } from "../../spool/draft.ts";
import { removeMessage, removeSecondName } from "../../spool/moves.ts";
import { type Listed, listQueue } from "../../spool/scan.ts";
import { type Desk, pathOf, reportOnce } from "./report-once.ts";

/** Reports under way at once: enough to share directory syncs. */
const SLOTS = 16;
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 300_000;
/** How often it is asked whether incoming/ takes mail again. */
const STOPPED_MS = 500;

interface PutOff {
  readonly until: number; // monotonic, ms
  readonly pauseMs: number;
}

export interface ReturnsOptions {
  readonly log: Log;
  /** Made anew for each message, so that it has the settings of now. */
  readonly desk: () => Desk;
  /** How doors are to behave while incoming/ is behind. */
  readonly flow: () => { readonly delayMs: number; readonly stop: boolean };
  /** Something is in corrupt/. */
  readonly quarantined: () => void;
  readonly busy: () => void;
  /** Nothing is left to do and nothing is put off. */
  readonly idle: () => void;
  readonly firstPauseMs?: number; // for tests
}

export class Returns {
  readonly #options: ReturnsOptions;
  readonly #working = new Map<string, Promise<void>>(); // by id: names of one message wait for each other
  readonly #putOff = new Map<string, PutOff>();
  #full: PutOff | undefined; // no room on the disk
  #swept = false;
  #slots = SLOTS;
  #freed: (() => void) | undefined;
  #scanning: Promise<void> | undefined;
  #again = false;
  #stopping = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ReturnsOptions) {
    this.#options = options;
  }

  /** There may be work: looks through bounce/. Resolves when all that was found is seen to. */
  wake(): Promise<void> {
    this.#again = true;
    this.#scanning ??= this.#scan();
    return this.#scanning;
  }

  /** Finishes what is under way. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    await this.#scanning;
  }

  /** The names that messages have here, for `execute`. */
  async namesOf(ids: ReadonlySet<string>): Promise<Map<string, Listed[]>> {
    const found = new Map<string, Listed[]>();
    for await (const name of listQueue("bounce")) {
      if (!ids.has(name.id)) continue;
      const names = found.get(name.id);
      if (names === undefined) found.set(name.id, [name]);
      else names.push(name);
    }
    return found;
  }

  /** An administrator's order on one message. A failed message can be deleted or tried to be returned at once. */
  async execute(verb: Verb, id: string, names: readonly Listed[]): Promise<boolean> {
    if (names.length === 0 || (verb !== "delete" && verb !== "flush")) return false;
    if (verb === "flush") {
      this.#putOff.delete(id);
      this.#full = undefined;
      void this.wake(); // never rejects
      return true;
    }
    for (let work = this.#working.get(id); work !== undefined; work = this.#working.get(id)) await work;
    let isRemoved = false;
    // The message's own name last: a crash in between leaves what can be deleted again.
    for (const { generation } of names.toSorted((a, b) => b.generation - a.generation)) {
      const done = generation === 0 ? removeMessage(id, "bounce") : removeSecondName(id, "bounce", generation);
      isRemoved ||= done;
    }
    removeDraft(id);
    this.#putOff.delete(id);
    if (isRemoved) this.#options.log.info(`${id}: removed`);
    return isRemoved;
  }

  async #scan(): Promise<void> {
    const { log, busy, idle } = this.#options;
    busy();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#again && !this.#stopping) {
      this.#again = false;
      try {
        await this.#sweepDrafts();
        await this.#pass();
      } catch (error) {
        log.warn(`bounce: ${messageOf(error)}`);
        this.#schedule(performance.now() + FIRST_PAUSE_MS);
      }
      await Promise.all(this.#working.values());
    }
    this.#scanning = undefined;
    if (this.#stopping) return;
    let next = this.#full?.until ?? Number.POSITIVE_INFINITY;
    for (const { until } of this.#putOff.values()) next = Math.min(next, until);
    if (next < Number.POSITIVE_INFINITY) this.#schedule(next);
    else if (this.#timer === undefined) idle();
  }

  #schedule(at: number): void {
    clearTimeout(this.#timer);
    const delayMs = Math.max(100, at - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.wake();
    }, delayMs);
  }

  /**
   * Once, before the first report: removes drafts of messages that are gone from here. An administrator deleted the
   * message, and then a crash came.
   */
  async #sweepDrafts(): Promise<void> {
    if (this.#swept) return;
    const orphans = new Set(listDrafts());
    if (orphans.size > 0) for await (const { id } of listQueue("bounce")) orphans.delete(id);
    for (const id of orphans) {
      if (removeDraft(id)) this.#options.log.info(`${id}: its unfinished report is removed, as the message was`);
    }
    this.#swept = true;
  }

  async #pass(): Promise<void> {
    const present = new Set<string>();
    const foreign = (name: string) => this.#quarantine(name, "is no message, yet it was in bounce/");
    for await (const name of listQueue("bounce", foreign)) {
      if (this.#stopping || (this.#full !== undefined && this.#full.until > performance.now())) return;
      const putOff = this.#putOff.get(name.id);
      if (putOff !== undefined) {
        present.add(name.id);
        if (putOff.until > performance.now()) continue;
      }
      await this.#inflow();
      await this.#slot();
      this.#begin(name);
    }
    for (const id of this.#putOff.keys()) if (!present.has(id) && !this.#working.has(id)) this.#putOff.delete(id);
  }

  async #inflow(): Promise<void> {
    while (this.#options.flow().stop && !this.#stopping) await pause(STOPPED_MS);
    const { delayMs } = this.#options.flow();
    if (delayMs > 0) await pause(delayMs);
  }

  async #slot(): Promise<void> {
    while (this.#slots === 0) {
      await new Promise<void>((resolve) => {
        this.#freed = resolve;
      });
    }
    this.#slots -= 1;
  }

  #begin(name: Listed): void {
    const before = this.#working.get(name.id) ?? Promise.resolve();
    const work = before
      .then(() => this.#see(name))
      .then(() => {
        if (this.#working.get(name.id) === work) this.#working.delete(name.id);
        this.#slots += 1;
        this.#freed?.();
      });
    this.#working.set(name.id, work);
  }

  /** Sees to one name. Trouble with one message never stops the others; unknown trouble counts as temporary. */
  async #see(name: Listed): Promise<void> {
    const { log, desk } = this.#options;
    try {
      for await (const _ of reportOnce(name, desk())) {
        // each step is on disk; the next begins at once
      }
      this.#putOff.delete(name.id);
      this.#full = undefined;
    } catch (error) {
      const code = error instanceof ScesError ? error.code : undefined;
      if (code === "FILE_GONE") return;
      if (code === "FILE_DAMAGED") {
        this.#toCorrupt(name, messageOf(error));
        return;
      }
      if (code === "SPOOL_FULL") this.#full = this.#grown(this.#full);
      else this.#later(name.id);
      log.info(`${name.id}: status=deferred (bounce failed)`);
      const detail = code === undefined && error instanceof Error ? (error.stack ?? error.message) : messageOf(error);
      log.warn(`${name.id}: cannot be reported on now, tried again later: ${detail}`);
    }
  }

  #later(id: string): void {
    this.#putOff.set(id, this.#grown(this.#putOff.get(id)));
  }

  /** The next pause: twice the last one. Several that fail for the same full disk in one pause count once. */
  #grown(before: PutOff | undefined): PutOff {
    const now = performance.now();
    if (before !== undefined && before.until > now) return before;
    const first = this.#options.firstPauseMs ?? FIRST_PAUSE_MS;
    const pauseMs = before === undefined ? first : Math.min(before.pauseMs * 2, LONGEST_PAUSE_MS);
    return { until: now + pauseMs, pauseMs };
  }

  #toCorrupt(name: Listed, why: string): void {
    const path = pathOf(name);
    if (!this.#quarantine(path.slice(path.indexOf("/") + 1), why)) this.#later(name.id);
  }

  /** Returns whether it is no longer here. */
  #quarantine(name: string, why: string): boolean {
    return setApartSoon("bounce", name, why, this.#options);
  }
}
