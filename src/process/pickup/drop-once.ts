/**
 * From a dropped file to a message, once, whatever happens in between (ARCHITECTURE.md: Drop once; spool/taken.ts says what
 * each step leaves if it is the last):
 *
 *   reading    the file is in drop/; our temp file grows       -> sealed, or nothing has happened
 *   sealed     the queue file is whole, as .taken/ID.inode.new -> taken, or it is removed again
 *   taken      the dropped file is .taken/ID, durably          -> published
 *   published  incoming/ID, durably                            -> done: .taken/ID removed, cleanup told
 *
 * Until taken the dropped file is untouched. From then on nothing goes back: what fails is done again later.
 */
import { renameSync, unlinkSync } from "node:fs";
import { isGone, ScesError, spoolError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Envelope } from "../../mail/envelope.ts";
import { readQueueFile } from "../../spool/file.ts";
import type { Entry, Intake } from "../../spool/intake.ts";
import { quarantine } from "../../spool/quarantine.ts";
import { TAKEN } from "../../spool/queues.ts";
import { listTaken, sealedPath, takenPath } from "../../spool/taken.ts";
import type { DroppedFile } from "./dropped-file.ts";
import { dropPath } from "./names.ts";

/** Told of each message that is durable in incoming/. */
export type Accepted = (envelope: Envelope, offset: number, length: number) => void;

/** A message that is taken and not yet done. */
interface Pending {
  readonly sealed: string; // path of the queue file
  readonly envelope: Envelope;
  readonly offset: number;
  readonly length: number;
  readonly uid: number | undefined; // of the dropped file's owner; undefined: logged already
}

export class DropOnce {
  readonly #intake: Intake;
  readonly #log: Log;
  readonly #accepted: Accepted;
  /** Taken in this process or an earlier one, to be finished. */
  readonly #pending = new Map<string, Pending>();
  readonly #removable = new Set<string>(); // published; their dropped files are still there

  constructor(intake: Intake, log: Log, accepted: Accepted) {
    this.#intake = intake;
    this.#log = log;
    this.#accepted = accepted;
  }

  /**
   * `write` fills the entry and seals it under the path it is given. Returns false if the dropped file is no longer
   * what was read; it stays. Throws ScesError when there is no room or the spool fails: the file stays, or, once it
   * is taken, `resume` brings it to its end.
   */
  async take(
    name: string,
    file: DroppedFile,
    entry: Entry,
    write: (sealedAs: string) => Promise<Envelope>,
  ): Promise<boolean> {
    const { id } = entry;
    const sealed = sealedPath(id, file.inode);
    const taken = takenPath(id);
    let envelope: Envelope;
    try {
      envelope = await write(sealed);
      if (!file.isUnchanged() || !rename(dropPath(name), taken)) {
        entry.abort();
        return false;
      }
    } catch (error) {
      entry.abort();
      throw error;
    }
    if (!file.isAt(taken)) {
      // Somebody replaced the file while we read it, or goes on writing. Its old name may be in use again by now.
      rename(taken, dropPath(`${id}${name.slice(name.lastIndexOf("."))}`));
      entry.abort();
      return false;
    }
    const pending: Pending = { sealed, envelope, offset: entry.offset, length: entry.length, uid: file.uid };
    this.#pending.set(id, pending);
    await this.#finish(id, pending);
    return true;
  }

  /** Finds what an earlier process left. To be called once, before anything is taken. Throws SPOOL_IO. */
  recover(): void {
    for (const { id, inode, uid, sealed } of listTaken()) {
      for (const source of sealed) {
        if (source !== inode) remove(sealedPath(id, source));
      }
      if (inode === undefined) continue;
      if (sealed.includes(inode)) this.#remember(id, sealedPath(id, inode), uid);
      else if (sealed.length > 0) this.#keepUnread(id);
      else this.#removable.add(id);
    }
  }

  /** Brings to an end what was taken and could not be finished. Throws SPOOL_IO or SPOOL_FULL. */
  async resume(): Promise<void> {
    for (const [id, pending] of this.#pending) await this.#finish(id, pending);
    if (this.#removable.size === 0) return;
    // The rename that published them may not be durable yet.
    await this.#intake.syncDirectory("incoming");
    for (const id of this.#removable) {
      remove(takenPath(id));
      this.#removable.delete(id);
    }
  }

  async #finish(id: string, pending: Pending): Promise<void> {
    const { sealed, envelope, offset, length, uid } = pending;
    await this.#intake.syncDirectory(TAKEN);
    if (uid !== undefined) {
      this.#log.info(`${id}: uid=${uid} from=<${envelope.sender}>`);
      this.#pending.set(id, { ...pending, uid: undefined });
    }
    await this.#intake.publish(sealed, id).catch((error: unknown) => {
      // Renamed before, and only not durable: that is what `removable` is for.
      if (!(error instanceof ScesError) || !isGone(error.cause)) throw error;
      this.#removable.add(id);
    });
    this.#pending.delete(id);
    this.#accepted(envelope, offset, length);
    if (this.#removable.has(id)) return;
    this.#removable.add(id); // until it is done: it may fail now
    remove(takenPath(id));
    this.#removable.delete(id);
  }

  #remember(id: string, sealed: string, uid: number | undefined): void {
    try {
      const { envelope, offset, length } = readQueueFile(sealed);
      this.#pending.set(id, { sealed, envelope, offset, length, uid });
    } catch (error) {
      if (!(error instanceof ScesError) || error.code !== "FILE_DAMAGED") throw error;
      // It was synced before the dropped file was taken, so this is a broken disk. The dropped file is still whole.
      this.#log.warn(`${id}: ${error.message}; the dropped file that it was made of is kept in quarantine`);
      this.#keepUnread(id);
      remove(sealed);
    }
  }

  #keepUnread(id: string): void {
    const reason = "was being taken from drop/ when the system was interrupted, and was not read";
    const kept = quarantine(TAKEN, id, "pickup", reason);
    this.#log.warn(`saving corrupt file "${id}" from queue "drop" to queue "corrupt" as "${kept}": ${reason}`);
  }
}

/** False if there is no such file. Throws SPOOL_IO or SPOOL_FULL. */
function rename(from: Buffer | string, to: Buffer | string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw spoolError("renaming a dropped file", error);
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isGone(error)) throw spoolError(`removing ${path}`, error);
  }
}
