/**
 * The owner of hold/. A message there is
 *
 *   held      its newest hold, release, requeue or expire record is a hold (or it has none)  -> the next two, or removed
 *   released  that record is another one: it was written, and the move was interrupted       -> incoming/
 *   expired   held for longer than hold_expire_time: it gets an expire record                -> incoming/
 */
import { lstatSync } from "node:fs";
import { messageOf, ScesError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { clean } from "../../base/text.ts";
import type { Verb } from "../../ipc/messages.ts";
import type { JournalRecord, OrderRecord } from "../../mail/journal.ts";
import { foldJournal } from "../../mail/state.ts";
import { setApart } from "../../service/set-apart.ts";
import { type QueueFile, readMessage } from "../../spool/file.ts";
import { appendIfThere } from "../../spool/journal.ts";
import { moveMessage, removeMessage } from "../../spool/moves.ts";
import { queuePath } from "../../spool/queues.ts";
import { listQueue } from "../../spool/scan.ts";

export interface HeldOptions {
  readonly log: Log;
  now(): number; // ms
  /** What a time that was written down is by the clock of now. */
  present(time: number): number;
  expireMs(): number; // 0: never
  /** Messages with a history are in incoming/. */
  appeared(ids: readonly string[]): void;
  /** There is something new in quarantine. */
  quarantined(): void;
}

const WORDS = { release: "released from hold", requeue: "requeued", expire: "expired" } as const;

export class Held {
  readonly #options: HeldOptions;
  readonly #log: Log;
  #since = new Map<string, number>(); // ms; of the messages that were read
  #moved: string[] = [];
  #isStopping = false;

  constructor(options: HeldOptions) {
    this.#options = options;
    this.#log = options.log;
  }

  stop(): void {
    this.#isStopping = true;
  }

  /** An order of qmgr for a message here. Throws SPOOL_IO or SPOOL_FULL; then nothing has changed. */
  async execute(verb: Verb, id: string, reason: string): Promise<boolean> {
    switch (verb) {
      case "release":
      case "requeue":
      case "expire":
        return this.#read(id) !== undefined && this.#pass(id, verb);
      case "delete": {
        const isRemoved = removeMessage(id, "hold");
        if (isRemoved) this.#log.info(`${id}: removed`);
        return isRemoved;
      }
      case "hold":
        return this.#renew(id, reason);
      case "flush":
        return false; // mail on hold is not tried
    }
  }

  /** Looks at every message. Resolves with the ms until one may expire. Throws SPOOL_IO. */
  async sweep(): Promise<number> {
    const since = new Map<string, number>();
    let nextMs = Number.POSITIVE_INFINITY;
    const foreign = (name: string) => this.#quarantine(name, "is no message, yet it was in hold/");
    for await (const { id } of listQueue("hold", foreign)) {
      if (this.#isStopping) return nextMs;
      try {
        const held = this.#since.get(id) ?? (await this.#examine(id));
        if (held === undefined) continue;
        since.set(id, held);
        const leftMs = await this.#expire(id, held);
        nextMs = Math.min(nextMs, leftMs);
      } catch (error) {
        this.#log.warn(`${id}: stays on hold for now: ${messageOf(error)}`);
      }
    }
    this.#since = since;
    return nextMs;
  }

  /** Since when it is held, ms; undefined if it is not, or no longer here. */
  async #examine(id: string): Promise<number | undefined> {
    const file = this.#read(id);
    if (file === undefined) return undefined;
    const { since, released } = holding(file.records);
    if (released === undefined) return since ?? lstatSync(queuePath("hold", id), { throwIfNoEntry: false })?.ctimeMs;
    this.#move(id, released);
    return undefined;
  }

  /** Returns the ms until it expires, after it has done so if it is time. */
  async #expire(id: string, since: number): Promise<number> {
    const afterMs = this.#options.expireMs();
    if (afterMs === 0) return Number.POSITIVE_INFINITY;
    const leftMs = this.#options.present(since) + afterMs - this.#options.now();
    if (leftMs > 0) return leftMs;
    await this.#pass(id, "expire");
    return Number.POSITIVE_INFINITY;
  }

  async #pass(id: string, verb: OrderRecord["kind"]): Promise<boolean> {
    if (!(await this.#note(id, { kind: verb, time: this.#options.now() }))) return false;
    // A sweep that is under way may have read the record and moved the message: done, too.
    this.#move(id, verb);
    return true;
  }

  #move(id: string, verb: OrderRecord["kind"]): boolean {
    if (!moveMessage(id, "hold", "incoming")) return false;
    this.#log.info(`${id}: ${WORDS[verb]}`);
    this.#moved.push(id);
    if (this.#moved.length === 1) setImmediate(() => this.#options.appeared(this.#moved.splice(0)));
    return true;
  }

  /** Held already: only another reason is news. */
  async #renew(id: string, reason: string): Promise<boolean> {
    if (reason === "") return false;
    const file = this.#read(id);
    const cleaned = clean(reason, 500);
    if (file === undefined || foldJournal(file.envelope, file.records).held?.reason === cleaned) return false;
    if (!(await this.#note(id, { kind: "hold", time: this.#options.now(), reason: cleaned }))) return false;
    this.#log.info(`${id}: placed on hold`);
    return true;
  }

  /** False if the message is gone. */
  #note(id: string, record: JournalRecord): Promise<boolean> {
    return appendIfThere(queuePath("hold", id), [record]);
  }

  /** Undefined if it is gone, or damaged and therefore in quarantine now. */
  #read(id: string): QueueFile | undefined {
    try {
      return readMessage("hold", id);
    } catch (error) {
      if (!(error instanceof ScesError)) throw error;
      if (error.code === "FILE_DAMAGED") this.#quarantine(id, error.message);
      else if (error.code !== "FILE_GONE") throw error;
    }
    return undefined;
  }

  #quarantine(name: string, reason: string): void {
    setApart("hold", name, reason, this.#options);
  }
}

interface Holding {
  readonly since?: number; // ms, of the first hold record since it was last released
  readonly released?: OrderRecord["kind"]; // the newest of these records, if it is no hold
}

function holding(records: readonly JournalRecord[]): Holding {
  let since: number | undefined;
  let released: OrderRecord["kind"] | undefined;
  for (const record of records) {
    if (record.kind === "hold") {
      since ??= record.time;
      released = undefined;
    } else if (record.kind === "release" || record.kind === "requeue" || record.kind === "expire") {
      since = undefined;
      released = record.kind;
    }
  }
  return { ...(since === undefined ? {} : { since }), ...(released === undefined ? {} : { released }) };
}
