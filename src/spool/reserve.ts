/**
 * The reserve: a written file that is given up first when the disk is full, so that what became of messages can still
 * be recorded, and made again when there is room.
 */
import { closeSync, fsyncSync, openSync, statSync, unlinkSync, writeSync } from "node:fs";
import { freeSpace } from "./space.ts";
import { RESERVE_FILE } from "./queues.ts";

const BLOCK = Buffer.alloc(64 * 1024, "sces reserve\n");

/** Frees the reserve. Returns false if there was none. */
export function giveUpReserve(): boolean {
  try {
    unlinkSync(RESERVE_FILE);
    return true;
  } catch {
    return false;
  }
}

/** Makes the reserve if it is missing and there is room for four times as much. Returns whether it is there. */
export function makeReserve(sizeBytes: number): boolean {
  if (sizeBytes <= 0) return false;
  if (statSync(RESERVE_FILE, { throwIfNoEntry: false })?.size === sizeBytes) return true;
  if (freeSpace().bytes < sizeBytes * 4) return false;
  try {
    const fd = openSync(RESERVE_FILE, "w", 0o600);
    try {
      for (let done = 0; done < sizeBytes; ) {
        done += writeSync(fd, BLOCK, 0, Math.min(BLOCK.length, sizeBytes - done));
      }
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    return true;
  } catch {
    giveUpReserve();
    return false;
  }
}
