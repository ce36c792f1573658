/**
 * The owner of corrupt/. An object there (a damaged queue file under its id, anything else under a name that begins
 * with f) is
 *
 *   new      its reason file is writable        -> told, by a notice to the postmaster
 *   told     its reason file is read-only       -> removed after corrupt_retention_time
 *   or leaves at any time: recovered, or deleted by order
 */
import { readdirSync } from "node:fs";
import { messageOf, ScesError, spoolError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { clean } from "../../base/text.ts";
import type { Verb } from "../../ipc/messages.ts";
import type { OrderRecord } from "../../mail/journal.ts";
import { isQueueId } from "../../mail/queue-id.ts";
import { removeReason, writeReason } from "../../spool/quarantine.ts";
import { dropAgain, isForeignName, recoverMessage, removeQuarantined } from "../../spool/quarantined.ts";
import { DROP } from "../../spool/queues.ts";
import { sweepTemps } from "../../spool/temp.ts";
import { reasonState } from "../../spool/told.ts";

const SUFFIX = ".reason";
/** A reason is written before its object comes; after this long the object never will. */
const ORPHAN_MS = 60_000;

export interface KeptOptions {
  readonly log: Log;
  now(): number; // ms
  /** What a time that was written down is by the clock of now. */
  present(time: number): number;
  retentionMs(): number; // 0: for ever
  /** Messages with a history are in incoming/. */
  appeared(ids: readonly string[]): void;
  /** There is something in drop/. */
  dropped(): void;
}

export interface News {
  readonly name: string;
  readonly since: number; // ms
}

export class Kept {
  readonly #options: KeptOptions;
  readonly #log: Log;
  readonly #unremovable = new Set<string>();

  constructor(options: KeptOptions) {
    this.#options = options;
    this.#log = options.log;
  }

  /** Looks at everything; returns what nobody was told of yet, oldest first. Throws SPOOL_IO. */
  async sweep(): Promise<News[]> {
    sweepUnfinished();
    const { objects, reasons } = list();
    const news: News[] = [];
    for (const name of reasons) if (!objects.has(name)) this.#removeOrphan(name);
    let count = 0;
    for (const name of objects) {
      count += 1;
      if (count % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
      const state = reasonState(name);
      if (state === undefined) this.#supplyReason(name);
      else if (this.#isOver(state.since)) this.#retire(name);
      else if (!state.isTold) news.push({ name, since: state.since });
    }
    return news.sort((one, other) => one.since - other.since);
  }

  /** An order of qmgr for an object here. Throws SPOOL_IO or SPOOL_FULL. */
  async execute(verb: Verb, name: string): Promise<boolean> {
    if (!isQueueId(name) && !isForeignName(name)) return false;
    if (verb === "delete") {
      const isRemoved = removeQuarantined(name);
      if (isRemoved) this.#log.info(`${name}: removed`);
      return isRemoved;
    }
    if (verb !== "release" && verb !== "requeue") return false;
    try {
      return isQueueId(name) ? await this.#recover(name, verb) : this.#dropAgain(name);
    } catch (error) {
      if (!(error instanceof ScesError) || error.code !== "FILE_DAMAGED") throw error;
      this.#log.warn(`${name}: cannot be recovered: ${error.message}`);
      return false;
    }
  }

  async #recover(id: string, verb: OrderRecord["kind"]): Promise<boolean> {
    if (!(await recoverMessage(id, verb, this.#options.now()))) return false;
    this.#log.info(`${id}: recovered from quarantine`);
    this.#options.appeared([id]);
    return true;
  }

  #dropAgain(name: string): boolean {
    const target = dropAgain(name);
    if (target === undefined) return false;
    this.#log.info(`${name}: recovered from quarantine as ${DROP}/${target}`);
    this.#options.dropped();
    return true;
  }

  #isOver(since: number): boolean {
    const keepMs = this.#options.retentionMs();
    return keepMs > 0 && this.#options.now() - this.#options.present(since) > keepMs;
  }

  #retire(name: string): void {
    if (this.#unremovable.has(name)) return;
    try {
      if (removeQuarantined(name)) this.#log.info(`${name}: removed from quarantine after corrupt_retention_time`);
    } catch (error) {
      this.#unremovable.add(name); // a full directory of somebody else's: for an administrator
      this.#log.warn(messageOf(error));
    }
  }

  #removeOrphan(name: string): void {
    const state = reasonState(name);
    if (state === undefined || Math.abs(this.#options.now() - state.since) < ORPHAN_MS) return;
    removeReason(name);
  }

  /** The disk was full when it came, or somebody put it here: without a reason it could be kept for ever. */
  #supplyReason(name: string): void {
    writeReason(name, {
      time: this.#options.now(),
      by: "corrupt",
      from: "corrupt",
      name: clean(name, 255),
      reason: "not known: none was written when it came here",
    });
  }
}

/** Reasons that somebody was writing when he ended. */
function sweepUnfinished(): void {
  try {
    sweepTemps("corrupt");
  } catch (error) {
    throw spoolError("sweeping corrupt", error);
  }
}

function list(): { objects: ReadonlySet<string>; reasons: ReadonlySet<string> } {
  const objects = new Set<string>();
  const reasons = new Set<string>();
  try {
    for (const name of readdirSync("corrupt")) {
      if (name.startsWith(".")) continue;
      if (name.endsWith(SUFFIX)) reasons.add(name.slice(0, -SUFFIX.length));
      else objects.add(name);
    }
    return { objects, reasons };
  } catch (error) {
    throw spoolError("listing corrupt", error);
  }
}
