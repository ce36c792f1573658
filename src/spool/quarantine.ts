/**
 * Quarantine: what cannot be understood goes to corrupt/ with its reason, unopened and whole. A queue file keeps its
 * id as name; anything else gets a name of its own. The reason stands beside it in `<name>.reason`, written first: a
 * reason without an object is swept, an object without a reason is still kept.
 */
import { closeSync, fsyncSync, lstatSync, openSync, readFileSync, renameSync, unlinkSync, writeSync } from "node:fs";
import { isGone, spoolError } from "../base/errors.ts";
import { clean, cleanBytes } from "../base/text.ts";
import { isQueueId } from "../mail/queue-id.ts";
import { tempName } from "./temp.ts";

export interface Reason {
  readonly time: number; // ms
  readonly by: string; // process name
  readonly from: string; // directory it was in
  readonly name: string; // its name there, cleaned
  readonly reason: string;
}

let counter = 0;

/**
 * Moves `directory/name` to corrupt/. The name may be bytes from outside. Returns the name that it has in corrupt/,
 * or undefined if it was gone. Throws SPOOL_IO.
 */
export function quarantine(directory: string, name: string | Buffer, by: string, reason: string): string | undefined {
  const path = typeof name === "string" ? `${directory}/${name}` : Buffer.concat([Buffer.from(`${directory}/`), name]);
  const shown = typeof name === "string" ? clean(name, 255) : cleanBytes(name, 255);
  const target = targetName(typeof name === "string" ? name : shown);
  const told: Reason = { time: Date.now(), by, from: directory, name: shown, reason: clean(reason) };
  try {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
    writeReason(target, told);
    renameSync(path, `corrupt/${target}`);
    return target;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw spoolError(`moving ${directory}/${shown} to corrupt`, error);
  }
}

function targetName(name: string): string {
  if (isQueueId(name) && lstatSync(`corrupt/${name}`, { throwIfNoEntry: false }) === undefined) return name;
  counter += 1;
  const plain = name.replace(/[^A-Za-z0-9._-]/g, "_").slice(-80); // its end says what it is
  return `f${Date.now()}.${process.pid}.${counter}.${plain}`;
}

/** Without its reason an object is still better kept: a full disk does not stop a quarantine. */
export function writeReason(target: string, reason: Reason): void {
  const temp = `corrupt/${tempName()}`;
  try {
    const fd = openSync(temp, "wx", 0o600);
    try {
      writeSync(fd, `${JSON.stringify(reason)}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temp, `corrupt/${target}.reason`);
  } catch {
    try {
      unlinkSync(temp);
    } catch {
      // never made
    }
  }
}

/** Why something is in corrupt/; undefined when it is not known. */
export function readReason(name: string): Reason | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(`corrupt/${name}.reason`, "utf8"));
    return typeof value === "object" && value !== null && "reason" in value ? (value as Reason) : undefined;
  } catch {
    return undefined;
  }
}

/** Takes the reason of an object that has left quarantine. */
export function removeReason(name: string): void {
  try {
    unlinkSync(`corrupt/${name}.reason`);
  } catch (error) {
    if (!isGone(error)) throw spoolError(`removing the reason of corrupt/${name}`, error);
  }
}
