/** Quarantine as every owner does it: the file is moved, the log says why, and corrupt hears of it. */
import { messageOf } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { clean } from "../base/text.ts";
import { quarantine } from "../spool/quarantine.ts";
import { OWNERS, type Queue } from "../spool/queues.ts";

export interface Surroundings {
  readonly log: Log;
  /** Something is in corrupt/. */
  quarantined(): void;
}

/** Returns false if it was gone. Throws SPOOL_IO. */
export function setApart(queue: Queue, name: string | Buffer, reason: string, around: Surroundings): boolean {
  const kept = quarantine(queue, name, OWNERS[queue], reason);
  if (kept === undefined) return false;
  around.log.warn(`saving corrupt file "${kept}" from queue "${queue}" to queue "corrupt": ${reason}`);
  around.quarantined();
  return true;
}

/** As setApart; what cannot be moved now stays, and is found again. Returns whether it is no longer there. */
export function setApartSoon(queue: Queue, name: string | Buffer, reason: string, around: Surroundings): boolean {
  try {
    setApart(queue, name, reason, around);
    return true;
  } catch (error) {
    around.log.warn(`${clean(String(name), 255)}: stays in ${queue} for now: ${messageOf(error)}`);
    return false;
  }
}
