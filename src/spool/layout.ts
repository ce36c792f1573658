/** The spool's directories: made where missing, checked at every start. */
import { chmodSync, lstatSync, type Stats } from "node:fs";
import { ensureDirSync } from "fs-extra/esm";
import { ScesError } from "../base/errors.ts";
import { DROP, FREE, QUEUES, RUN, STATE, TAKEN } from "./queues.ts";

const PRIVATE = 0o700;
/** Local senders may write into drop/ by a group, without reading it. */
const DROP_SHARED = 0o1730;

export const DIRECTORIES = [...QUEUES, DROP, TAKEN, FREE, RUN, STATE] as const;

/** Makes what is missing under the current directory. Throws SPOOL_LAYOUT. */
export function makeLayout(): void {
  for (const directory of DIRECTORIES) {
    try {
      ensureDirSync(directory, PRIVATE);
    } catch (error) {
      const text = `cannot make ${directory} in the spool: ${(error as Error).message}`;
      throw new ScesError("SPOOL_LAYOUT", text, { cause: error });
    }
  }
}

/**
 * What is wrong with the spool in the current directory, in sentences; empty if all is well. `repair`: modes that are
 * too open are narrowed where they are ours.
 */
export function checkLayout(repair: boolean): string[] {
  const wrong: string[] = [];
  const uid = process.geteuid?.() ?? -1; // root in reserve is not root
  let device: number | undefined;
  for (const directory of DIRECTORIES) {
    const stat = lstatSync(directory, { throwIfNoEntry: false });
    if (stat === undefined) {
      wrong.push(`${directory} is missing: start sces once, or make it with mode 0700`);
      continue;
    }
    if (!stat.isDirectory()) {
      wrong.push(`${directory} is no directory (a link is refused too): move it away`);
      continue;
    }
    device ??= stat.dev;
    if (stat.dev !== device) {
      wrong.push(
        `${directory} is on another filesystem than ${DIRECTORIES[0]}: a message cannot be moved there by rename`,
      );
    }
    if (uid > 0 && stat.uid !== uid)
      wrong.push(`${directory} belongs to uid ${stat.uid}, not to us (${uid}): chown it`);
    const problem = modeProblem(directory, stat, repair);
    if (problem !== undefined) wrong.push(problem);
  }
  return wrong;
}

function modeProblem(directory: string, stat: Stats, repair: boolean): string | undefined {
  const mode = stat.mode & 0o7777;
  if (mode === PRIVATE || (directory === DROP && mode === DROP_SHARED)) return undefined;
  if (repair) {
    try {
      // A drop/ that is shared stays shared, with its group only.
      chmodSync(directory, directory === DROP && (mode & DROP_SHARED) === DROP_SHARED ? DROP_SHARED : PRIVATE);
      return undefined;
    } catch {
      // not ours: say so below
    }
  }
  const wanted = directory === DROP ? "0700 (or 1730, for a group of local senders)" : "0700";
  return `${directory} has mode ${mode.toString(8).padStart(4, "0")}: it must be ${wanted}`;
}
