/**
 * Every move of a message between queues, and nothing else moves one. The crash test walks this table; a move that
 * it does not know cannot be made.
 */
import { linkSync, lstatSync, renameSync, unlinkSync } from "node:fs";
import { isGone, ScesError, spoolError } from "../base/errors.ts";
import { type Queue, queuePath, secondPath } from "./queues.ts";

interface Move {
  readonly from: Queue;
  readonly to: Queue;
  readonly by: string; // the owner of `from`
  readonly why: string;
}

export const MOVES: readonly Move[] = [
  { from: "incoming", to: "active", by: "cleanup", why: "new or released mail, as qmgr grants room" },
  { from: "incoming", to: "hold", by: "cleanup", why: "a hold rule or command" },
  { from: "active", to: "deferred", by: "qmgr", why: "some recipients wait, or it is set aside untried" },
  { from: "active", to: "bounce", by: "qmgr", why: "finished, reports are owed" },
  { from: "active", to: "hold", by: "qmgr", why: "a hold command" },
  { from: "deferred", to: "active", by: "defer", why: "due, or flushed" },
  { from: "deferred", to: "hold", by: "defer", why: "a hold command" },
  { from: "hold", to: "incoming", by: "hold", why: "released, or to be returned" },
  { from: "bounce", to: "incoming", by: "bounce", why: "a recipient is undecided: its journal line was damaged" },
  { from: "corrupt", to: "incoming", by: "corrupt", why: "recovered" },
];

const LEGAL = new Set(MOVES.map((move) => `${move.from}>${move.to}`));

/**
 * Moves a message by one rename. Returns false if it is not in `from` (taken by a command meanwhile: normal).
 * Throws SPOOL_IO or SPOOL_FULL. A target that exists is an error of ours: rename would destroy it, or, onto another
 * link of the same file, do nothing.
 */
export function moveMessage(id: string, from: Queue, to: Queue): boolean {
  if (!LEGAL.has(`${from}>${to}`)) throw new Error(`no legal move: ${from} to ${to}`);
  const source = queuePath(from, id);
  const target = queuePath(to, id);
  try {
    if (lstatSync(target, { throwIfNoEntry: false }) !== undefined) {
      if (lstatSync(source, { throwIfNoEntry: false }) === undefined) return false;
      throw new ScesError("SPOOL_IO", `${target} exists already; ${from}/${id} stays where it is`);
    }
    renameSync(source, target);
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw spoolError(`moving ${from}/${id} to ${to}`, error);
  }
}

/** Removes a finished or deleted message. Returns false if it is not there. */
export function removeMessage(id: string, from: Queue): boolean {
  return removeName(queuePath(from, id));
}

/** Removes a second name. Returns false if it is not there. */
export function removeSecondName(id: string, queue: "bounce" | "results", generation: number): boolean {
  return removeName(secondPath(queue, id, generation));
}

function removeName(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw spoolError(`removing ${path}`, error);
  }
}

/**
 * Gives a message in `from` a second name in bounce/ or results/, the first free generation. By link, never by
 * rename: both names are the same file. Returns the generation.
 */
export function addSecondName(id: string, from: Queue, queue: "bounce" | "results"): number {
  for (let generation = 1; ; generation += 1) {
    try {
      linkSync(queuePath(from, id), secondPath(queue, id, generation));
      return generation;
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "EEXIST") continue;
      throw spoolError(`linking ${from}/${id} into ${queue}`, error);
    }
  }
}
