/** A command's way into the spool. */
import { statSync } from "node:fs";
import { errnoOf, ScesError } from "../base/errors.ts";
import { become, startedByRoot } from "../base/rights.ts";
import type { Config } from "../config/config.ts";

/**
 * Changes to the spool; run by root, the command is its owner from then on: what lies there came from outside, and what
 * a command leaves there must not be root's. `absent`: what it means that there is none. Throws SPOOL_IO, NOT_RUNNING.
 */
export function enterSpool({ queue_directory: where }: Config, absent: string): void {
  try {
    process.chdir(where);
  } catch (error) {
    if (errnoOf(error) === "EACCES") throw new ScesError("SPOOL_IO", `no right to enter ${where}`, { cause: error });
    throw new ScesError("NOT_RUNNING", `there is no spool at ${where}: ${absent}`, { cause: error });
  }
  const { uid, gid } = statSync(".");
  if (startedByRoot() && uid !== 0) become({ uid, gid });
}
