/**
 * What is in quarantine, by its name there: a damaged queue file under its id, anything else under a name that begins
 * with f. The one place that takes an object out again; the owner of corrupt/ calls it, and a command when the system
 * is stopped.
 */
import { lstatSync, renameSync, rmdirSync, rmSync, unlinkSync } from "node:fs";
import { isGone, ScesError, spoolError } from "../base/errors.ts";
import type { OrderRecord } from "../mail/journal.ts";
import { openContent, readMessage } from "./file.ts";
import { appendSynced } from "./journal.ts";
import { moveMessage } from "./moves.ts";
import { removeReason } from "./quarantine.ts";
import { DROP, queuePath } from "./queues.ts";

/** As quarantine() makes them. */
const FOREIGN = /^f\d{1,16}\.\d{1,10}\.\d{1,10}\.([A-Za-z0-9._-]{0,80})$/;
const DROPPABLE = /^[^.].*\.(?:eml|json)$/i;
const CHUNK = 256 * 1024; // bytes

/** Whether the text is the form of a name of a foreign object. Asked before it is joined to a path. */
export function isForeignName(text: string): boolean {
  return FOREIGN.test(text);
}

/** Any name that corrupt/ itself may have. Throws on what would be a path, or is private. */
export function quarantinePath(name: string): string {
  if (name === "" || name.startsWith(".") || /[/\0]/.test(name)) {
    throw new Error(`no name in quarantine: ${JSON.stringify(name)}`);
  }
  return `corrupt/${name}`;
}

/** Its size and when it was last written; undefined if it is not there. */
export function statQuarantined(name: string): { readonly sizeBytes: number; readonly writtenMs: number } | undefined {
  const stat = lstatSync(quarantinePath(name), { throwIfNoEntry: false });
  return stat === undefined ? undefined : { sizeBytes: stat.size, writtenMs: stat.mtimeMs };
}

/** The object, whatever it is, then its reason. Returns false if it is not there. Throws SPOOL_IO. */
export function removeQuarantined(name: string): boolean {
  const path = quarantinePath(name);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return false;
  try {
    if (!stat.isDirectory()) unlinkSync(path);
    // Whoever dropped a directory may still have it open, and turn what is in it into links while we walk through it.
    else if (stat.uid !== process.geteuid?.()) rmdirSync(path);
    else rmSync(path, { recursive: true, force: true });
  } catch (error) {
    if (isGone(error)) return false;
    throw spoolError(`removing ${path}`, error);
  }
  removeReason(name);
  return true;
}

/**
 * A queue file goes back to incoming/, if all of it can be read; a damaged journal is no obstacle, its readers pass
 * over it. Returns false if it is not there. Throws FILE_DAMAGED, SPOOL_IO, SPOOL_FULL.
 */
export async function recoverMessage(id: string, verb: OrderRecord["kind"], timeMs: number): Promise<boolean> {
  const path = queuePath("corrupt", id);
  try {
    readMessage("corrupt", id);
    await verifyContent(path);
    await appendSynced(path, [{ kind: verb, time: timeMs }]);
  } catch (error) {
    if (error instanceof ScesError && error.code === "FILE_GONE") return false;
    throw error;
  }
  if (!moveMessage(id, "corrupt", "incoming")) return false;
  removeReason(id);
  return true;
}

/**
 * A dropped file goes back to drop/; whether it is better than before pickup will see. Returns its name there;
 * undefined if it is not there. Throws FILE_DAMAGED for what was no dropped file, SPOOL_IO.
 */
export function dropAgain(name: string): string | undefined {
  const path = quarantinePath(name);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  const plain = FOREIGN.exec(name)?.[1] ?? "";
  if (!stat.isFile() || stat.nlink > 1 || !DROPPABLE.test(plain)) {
    throw new ScesError("FILE_DAMAGED", `only plain files named .eml or .json can go back to ${DROP}/`);
  }
  const isFree = lstatSync(`${DROP}/${plain}`, { throwIfNoEntry: false }) === undefined;
  const target = isFree ? plain : name; // nobody else uses such a name
  try {
    renameSync(path, `${DROP}/${target}`);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw spoolError(`moving ${path} to ${DROP}`, error);
  }
  removeReason(name);
  return target;
}

/** Throws FILE_DAMAGED if the content is not what was written. */
async function verifyContent(path: string): Promise<void> {
  const content = openContent(path, 0);
  try {
    for await (const chunk of content.chunks(CHUNK)) void chunk; // only its checksum is wanted
  } finally {
    content.close();
  }
}
