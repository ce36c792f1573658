/**
 * Changes while the system is stopped: with the spool locked, so that no mail system starts meanwhile, each message is
 * treated as the owner of its queue would treat it. What is due now is tried when the system starts.
 */
import { lstatSync } from "node:fs";
import { messageOf, ScesError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { clean } from "../../base/text.ts";
import type { Target, Verb } from "../../ipc/messages.ts";
import { isQueueId } from "../../mail/queue-id.ts";
import { removeDraft } from "../../spool/draft.ts";
import { appendRecords, appendSynced, setDue } from "../../spool/journal.ts";
import { lockSpool, type SpoolLock } from "../../spool/lock.ts";
import { moveMessage, removeMessage, removeSecondName } from "../../spool/moves.ts";
import { dropAgain, recoverMessage, removeQuarantined } from "../../spool/quarantined.ts";
import { DROP, isQueue, type Queue, queuePath } from "../../spool/queues.ts";
import { listQueue } from "../../spool/scan.ts";
import type { Executor, Outcome } from "./executor.ts";

/** Synced records share the disk's flushes when several are under way. */
const AT_ONCE = 32;

/** As the owner of hold/ logs it. */
const WORDS = { release: "released from hold", requeue: "requeued", expire: "expired" } as const;

export class OfflineExecutor implements Executor {
  readonly isRunning = false;
  readonly #lock: SpoolLock;
  readonly #log: Log;
  #trouble: string | undefined; // of the last run

  /** Throws SPOOL_LOCKED when the system runs. */
  constructor(log: Log) {
    this.#lock = lockSpool();
    this.#log = log;
  }

  async run(verb: Verb, targets: readonly Target[], reason: string): Promise<Outcome> {
    const affected: string[] = [];
    const missing: string[] = [];
    this.#trouble = undefined;
    for (let at = 0; at < targets.length; at += AT_ONCE) {
      const batch = targets.slice(at, at + AT_ONCE);
      const done = await Promise.all(batch.map((target) => this.#attempt(verb, target, reason)));
      for (const [index, { id }] of batch.entries()) (done[index] ? affected : missing).push(id);
    }
    this.#log.flush();
    const trouble = this.#trouble === undefined ? {} : { trouble: this.#trouble };
    return { affected, later: [], missing, ...trouble };
  }

  async flushAll(): Promise<Outcome> {
    const affected: string[] = [];
    for await (const { id, generation } of listQueue("deferred")) {
      if (generation === 0 && (await this.#attempt("flush", { id, queue: "deferred" }, ""))) affected.push(id);
    }
    return { affected, later: [], missing: [] };
  }

  close(): void {
    this.#lock.release();
  }

  /** Trouble with one message is told and does not stop the others. */
  async #attempt(verb: Verb, { id, queue }: Target, reason: string): Promise<boolean> {
    if (queue === undefined || !isQueue(queue)) return false;
    try {
      return await this.#execute(verb, id, queue, reason);
    } catch (error) {
      if (error instanceof ScesError && error.code === "FILE_GONE") return false;
      if (error instanceof ScesError && error.code === "SPOOL_FULL") throw error;
      if (!(error instanceof ScesError) || error.code !== "FILE_DAMAGED") this.#trouble = messageOf(error);
      this.#log.warn(`${id}: cannot ${verb} it: ${messageOf(error)}`);
      return false;
    }
  }

  async #execute(verb: Verb, id: string, queue: Queue, reason: string): Promise<boolean> {
    switch (verb) {
      case "hold":
        return await this.#hold(id, queue, reason);
      case "release":
        if (queue === "corrupt") return await this.#recover(id, verb);
        return queue === "hold" && (await this.#release(id, verb));
      case "delete":
        return await this.#delete(id, queue);
      case "requeue":
      case "expire":
        if (queue === "corrupt" && verb === "requeue") return await this.#recover(id, verb);
        if (queue === "hold") return await this.#release(id, verb);
        return isOneOf(queue, ["incoming", "active", "deferred"]) && (await this.#note(id, queue, verb));
      case "flush":
        return await this.#flush(id, queue);
    }
  }

  async #hold(id: string, queue: Queue, reason: string): Promise<boolean> {
    if (!isOneOf(queue, ["incoming", "active", "deferred", "hold"])) return false;
    // On hold already: only a reason is news.
    if (queue === "hold" && reason === "") return false;
    await appendSynced(queuePath(queue, id), [{ kind: "hold", time: Date.now(), reason: clean(reason, 500) }]);
    const isHeld = queue === "hold" || moveMessage(id, queue, "hold");
    if (isHeld) this.#log.info(`${id}: placed on hold`);
    return isHeld;
  }

  async #release(id: string, verb: "release" | "requeue" | "expire"): Promise<boolean> {
    await appendSynced(queuePath("hold", id), [{ kind: verb, time: Date.now() }]);
    const isMoved = moveMessage(id, "hold", "incoming");
    if (isMoved) this.#log.info(`${id}: ${WORDS[verb]}`);
    return isMoved;
  }

  /** Due now, by the journal and by its index. */
  async #note(id: string, queue: Queue, verb: "requeue" | "expire"): Promise<boolean> {
    const path = queuePath(queue, id);
    await appendSynced(path, [{ kind: verb, time: Date.now() }]);
    if (queue === "deferred") setDue(path, Date.now());
    if (verb === "requeue") this.#log.info(`${id}: requeued`);
    return true;
  }

  async #flush(id: string, queue: Queue): Promise<boolean> {
    const path = queuePath(queue, id);
    // Tried at the next start anyway.
    if (queue === "incoming" || queue === "active") return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
    if (queue !== "deferred") return false;
    const now = Date.now();
    // Not synced: a power cut would cost time, no more.
    appendRecords(path, [{ kind: "schedule", time: now, next: now }]);
    setDue(path, now);
    return true;
  }

  /** With its second names: a report that is owed is not sent either. */
  async #delete(id: string, queue: Queue): Promise<boolean> {
    let isRemoved = false;
    if (queue === "corrupt") {
      isRemoved = removeQuarantined(id);
    } else {
      // The reports first: should we die between the two, the message is still there to be deleted.
      if (queue !== "results" && hasSecondNames(id, queue)) {
        for await (const listed of listQueue("bounce")) {
          if (listed.id !== id || listed.generation === 0) continue;
          if (removeSecondName(id, "bounce", listed.generation)) isRemoved = true;
        }
        removeDraft(id);
      }
      if (removeMessage(id, queue)) isRemoved = true;
    }
    if (isRemoved) this.#log.info(`${id}: removed`);
    return isRemoved;
  }

  /** A queue file goes back in line, a dropped file to where it was dropped; if that can be done. */
  async #recover(name: string, verb: "release" | "requeue"): Promise<boolean> {
    if (isQueueId(name)) {
      const isBack = await recoverMessage(name, verb, Date.now());
      if (isBack) this.#log.info(`${name}: recovered from quarantine`);
      return isBack;
    }
    const target = dropAgain(name);
    if (target !== undefined) this.#log.info(`${name}: recovered from quarantine as ${DROP}/${target}`);
    return target !== undefined;
  }
}

/** Or may have: where it is being returned, there may be other names, and a report that was begun. */
function hasSecondNames(id: string, queue: Queue): boolean {
  if (queue === "bounce") return true;
  const stat = lstatSync(queuePath(queue, id), { throwIfNoEntry: false });
  return stat !== undefined && stat.nlink > 1;
}

function isOneOf(queue: Queue, queues: readonly Queue[]): boolean {
  return queues.includes(queue);
}
