/** Room in the spool's filesystem. */
import { statfsSync } from "node:fs";

export interface Space {
  readonly bytes: number; // free for us
  readonly inodes: number; // free; Infinity where the filesystem does not count them
}

const MAX_AGE_MS = 1000;
let seen: Space = { bytes: 0, inodes: 0 };
let seenAt = Number.NEGATIVE_INFINITY;

/** At most a second old: it is asked for each message. */
export function freeSpace(): Space {
  const now = performance.now();
  if (now - seenAt > MAX_AGE_MS) {
    const stat = statfsSync(".");
    seen = { bytes: stat.bavail * stat.bsize, inodes: stat.files === 0 ? Number.POSITIVE_INFINITY : stat.ffree };
    seenAt = now;
  }
  return seen;
}
