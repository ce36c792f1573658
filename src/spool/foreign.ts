/** Files that somebody put straight into incoming/: they are no messages yet, and belong into drop/. */
import { lstatSync, readdirSync, renameSync } from "node:fs";
import { isGone, spoolError } from "../base/errors.ts";
import { cleanBytes } from "../base/text.ts";
import { DROP, parseNameIn } from "./queues.ts";

const INCOMING = Buffer.from("incoming/");
const DOT = 0x2e;
/** File names end at 255 bytes. */
const MAX_NAME = 250;

/** Their names, as bytes: what others choose need not be text. Private names are passed over. */
export function foreignInIncoming(): Buffer[] {
  return readdirSync("incoming", { encoding: "buffer" }).filter(
    (name) => name[0] !== DOT && parseNameIn("incoming", name.toString("latin1")) === undefined,
  );
}

/** Moves one to drop/. Returns why it must not be, for anything but a plain file with one name. Throws SPOOL_IO. */
export function moveToDrop(name: Buffer): string | undefined {
  const path = Buffer.concat([INCOMING, name]);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  if (!stat.isFile()) return "no regular file";
  if (stat.nlink !== 1) return "a file with several names";
  try {
    renameSync(path, dropPath(freeName(name)));
  } catch (error) {
    if (!isGone(error)) throw spoolError(`moving incoming/${cleanBytes(name, 255)} to ${DROP}`, error);
  }
  return undefined;
}

/** Its own name, unless that is taken there. */
function freeName(name: Buffer): Buffer {
  let candidate = name;
  for (let number = 1; lstatSync(dropPath(candidate), { throwIfNoEntry: false }) !== undefined; number += 1) {
    candidate = Buffer.concat([Buffer.from(`${Date.now()}-${number}-`), name.subarray(-MAX_NAME + 24)]);
  }
  return candidate;
}

function dropPath(name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${DROP}/`), name]);
}
