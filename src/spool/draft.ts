/**
 * Drafts: a report on a message that is whole and on disk but not yet published, `bounce/<id of the message>.ndr`.
 * There is at most one for a message; its own id is in its envelope (ARCHITECTURE.md: NDR once).
 */
import { opendirSync, unlinkSync } from "node:fs";
import { isGone, spoolError } from "../base/errors.ts";
import { isQueueId } from "../mail/queue-id.ts";
import { queuePath } from "./queues.ts";

const SUFFIX = ".ndr";

/** `id`: of the message that the report is about. */
export function draftPath(id: string): string {
  return `${queuePath("bounce", id)}${SUFFIX}`;
}

/** Whether a name in bounce/ is a draft. */
export function isDraftName(name: string): boolean {
  return name.endsWith(SUFFIX) && isQueueId(name.slice(0, -SUFFIX.length));
}

/** The messages about which there are drafts. Throws SPOOL_IO. */
export function listDrafts(): string[] {
  const ids: string[] = [];
  try {
    const directory = opendirSync("bounce", { bufferSize: 1024 });
    try {
      for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
        if (isDraftName(entry.name)) ids.push(entry.name.slice(0, -SUFFIX.length));
      }
    } finally {
      directory.closeSync();
    }
    return ids;
  } catch (error) {
    throw spoolError("listing bounce", error);
  }
}

/** Returns false if there is none. Throws SPOOL_IO. */
export function removeDraft(id: string): boolean {
  try {
    unlinkSync(draftPath(id));
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw spoolError(`removing ${draftPath(id)}`, error);
  }
}
