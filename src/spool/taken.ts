/**
 * Dropped files between being taken and being a message (ARCHITECTURE.md: Drop once). For each, two names in drop/.taken/:
 *
 *   <ID>               the dropped file itself, renamed from drop/
 *   <ID>.<inode>.new   the queue file made of it, whole and synced; the inode is that of the dropped file it was made of
 *
 * What a crash leaves, and what it means:
 *
 *   only .new          the dropped file is still in drop/: it is read anew, this one goes
 *   both               taken and not yet published: publish, then remove the dropped file
 *   both, inodes differ  somebody put another file in place between reading and renaming: that one was never read
 *   only <ID>          published (publishing is what takes .new away): remove the dropped file
 */
import { lstatSync, readdirSync } from "node:fs";
import { isGone, spoolError } from "../base/errors.ts";
import { isQueueId } from "../mail/queue-id.ts";
import { TAKEN } from "./queues.ts";

const SEALED = /^([0-9A-Za-z]+)\.(\d{1,20})\.new$/;

export interface Taken {
  readonly id: string;
  readonly inode: number | undefined; // of the dropped file, if it is here
  readonly uid: number | undefined; // its owner
  readonly sealed: readonly number[]; // inodes in the names of queue files; one, but for accidents
}

export function takenPath(id: string): string {
  return `${TAKEN}/${checked(id)}`;
}

export function sealedPath(id: string, inode: number): string {
  return `${TAKEN}/${checked(id)}.${inode}.new`;
}

/** What a crash left. Names that are neither are passed over. Throws SPOOL_IO. */
export function listTaken(): Taken[] {
  const found = new Map<string, { inode: number | undefined; uid: number | undefined; sealed: number[] }>();
  const of = (id: string) => {
    const one = found.get(id) ?? { inode: undefined, uid: undefined, sealed: [] };
    found.set(id, one);
    return one;
  };
  try {
    for (const name of readdirSync(TAKEN)) {
      const match = SEALED.exec(name);
      if (match?.[1] !== undefined && isQueueId(match[1])) of(match[1]).sealed.push(Number(match[2]));
      else if (isQueueId(name)) {
        const stat = lstatSync(`${TAKEN}/${name}`, { throwIfNoEntry: false });
        if (stat !== undefined) Object.assign(of(name), { inode: stat.ino, uid: stat.uid });
      }
    }
  } catch (error) {
    if (!isGone(error)) throw spoolError(`listing ${TAKEN}`, error);
  }
  return [...found].map(([id, one]) => ({ id, ...one }));
}

function checked(id: string): string {
  if (!isQueueId(id)) throw new Error(`not a queue id: ${JSON.stringify(id)}`);
  return id;
}
