/**
 * Spent queue files. The file of a message that is done with need not be removed: it goes to free/, and a new message is
 * written over it. Making and removing files is most of what a message costs the file system; writing over one that is
 * there changes neither inode tables nor block maps, so that its sync carries next to nothing but the data.
 *
 *   active/ID --qmgr--> free/ID --a door--> incoming/.tmp... --published--> incoming/NEWID
 *
 * What makes it safe:
 * - A file is written over only when the end of its old names is durable: a door syncs incoming/ and active/ after it saw
 *   the file in free/. No file system keeps data behind an earlier rename: after a power cut, an old name could show the
 *   new message. Only messages that have been nowhere else go to free/; others are removed.
 * - Only a file with one name is written over; of another the name in free/ goes, and who has its second name keeps it.
 * - free/ is no queue: what is in it is done with. Losing it costs nothing.
 */
import { closeSync, constants, fstatSync, openSync, readdirSync, renameSync, unlinkSync } from "node:fs";
import { isGone, spoolError } from "../base/errors.ts";
import { isQueueId } from "../mail/queue-id.ts";
import { removeMessage } from "./moves.ts";
import { FREE, queuePath } from "./queues.ts";
import { freeSpace } from "./space.ts";

/** Longer messages are removed: few, and they would hold much room. */
const MAX_BYTES = 96 * 1024;
/** With less room than this in the file system nothing is kept. */
const MIN_FREE_BYTES = 64 * 1024 * 1024;
const COUNT_INTERVAL_MS = 100;
const IDLE_MS = 60_000;

/** What is in free/ under a message's name, not what somebody put there. None if there is no free/. */
function spentNames(): string[] {
  try {
    return readdirSync(FREE).filter(isQueueId);
  } catch (error) {
    if (isGone(error)) return [];
    throw spoolError(`reading ${FREE}`, error);
  }
}

function isShort(): boolean {
  return freeSpace().bytes < MIN_FREE_BYTES;
}

/** qmgr's side: puts files into free/, never more than `limit`, and clears it when mail has stopped. */
export class SpentFiles {
  limit: number;
  #room = 0;
  #countedAt = Number.NEGATIVE_INFINITY;
  #keptAt = Number.NEGATIVE_INFINITY;

  constructor(limit: number) {
    this.limit = limit;
  }

  /**
   * Takes a finished message that came from its door out of active/. Returns false if it is not there. Throws SPOOL_IO. `length`: of its
   * content, bytes.
   */
  retire(id: string, length: number): boolean {
    if (length > MAX_BYTES || !this.#hasRoom()) return removeMessage(id, "active");
    try {
      renameSync(queuePath("active", id), `${FREE}/${id}`);
      this.#room -= 1;
      return true;
    } catch {
      return removeMessage(id, "active"); // it is gone, or free/ is
    }
  }

  /** To be called now and then: a system at rest keeps no mail that is done with. */
  tend(): void {
    const isIdle = performance.now() - this.#keptAt > IDLE_MS;
    if (isIdle || this.limit === 0 || isShort()) this.clear();
  }

  /** Removes all. */
  clear(): void {
    for (const name of spentNames()) {
      try {
        unlinkSync(`${FREE}/${name}`);
      } catch (error) {
        if (!isGone(error)) throw spoolError(`removing ${FREE}/${name}`, error);
      }
    }
    this.#room = 0;
  }

  /** Doors take from free/ without telling: it is counted anew when it seems full. */
  #hasRoom(): boolean {
    const now = performance.now();
    this.#keptAt = now;
    if (this.#room <= 0 && now - this.#countedAt > COUNT_INTERVAL_MS) {
      this.#countedAt = now;
      this.#room = isShort() ? 0 : this.limit - spentNames().length;
    }
    return this.#room > 0;
  }
}

/** A file to be written over, open at its beginning, under the name that was asked for. */
export interface Spent {
  readonly fd: number;
  readonly inode: number;
  readonly size: number; // bytes that are in it
}

/** A look at free/ costs two syncs: it has to be worth it for so many messages. */
const LOOK_EVERY = 64;
/** While so many are at hand there is no need to look. */
const ENOUGH = 64;

/** A door's side: takes files out of free/. */
export class SpentSource {
  readonly #sync: () => Promise<void>;
  #names: string[] = [];
  #asked = 0;
  #isLooking = false;

  /** `sync` resolves when every name that has gone from incoming/ and active/ by then is gone for good. */
  constructor(sync: () => Promise<void>) {
    this.#sync = sync;
  }

  /** Undefined when none is at hand, which is the rule while there is little mail. */
  take(path: string): Spent | undefined {
    this.#asked += 1;
    if (this.#names.length < ENOUGH && this.#asked >= LOOK_EVERY && !this.#isLooking) void this.#look();
    for (let name = this.#names.pop(); name !== undefined; name = this.#names.pop()) {
      const spent = claim(name, path);
      if (spent !== undefined) return spent;
    }
    return undefined;
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    this.#asked = 0;
    try {
      const names = spentNames();
      if (names.length > 0) {
        await this.#sync();
        // Several doors see the same names: each begins elsewhere.
        const start = Math.floor(Math.random() * names.length);
        this.#names = [...names.slice(start), ...names.slice(0, start)];
      }
    } catch {
      // Then new files are made; whoever makes them meets the same trouble and tells of it.
    }
    this.#isLooking = false;
  }
}

function claim(name: string, path: string): Spent | undefined {
  try {
    renameSync(`${FREE}/${name}`, path);
  } catch {
    return undefined; // another door was quicker, or qmgr has cleared it away
  }
  let fd = -1;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
    const stat = fstatSync(fd);
    if (stat.isFile() && stat.nlink === 1) return { fd, inode: stat.ino, size: stat.size };
  } catch {
    // no file of ours
  }
  if (fd >= 0) closeSync(fd);
  try {
    unlinkSync(path);
  } catch {
    // the disk fails: swept once this process is gone
  }
  return undefined;
}
