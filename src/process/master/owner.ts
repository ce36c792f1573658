/** mail_owner: whom the other processes run as when master is root. */
import { chownSync, closeSync, openSync, readdirSync } from "node:fs";
import { ScesError } from "../../base/errors.ts";
import { lookupUser, type User } from "../../base/user.ts";

/** Undefined: stay who we are. Throws SPOOL_LAYOUT with advice. */
export function findOwner(name: string): User | undefined {
  if (name === "" || process.getuid?.() !== 0) return undefined;
  const user = lookupUser(name);
  if (user !== undefined) return user;
  throw new ScesError("SPOOL_LAYOUT", `mail_owner = ${name}: no such user; make it, or leave mail_owner empty`);
}

/** The spool's directories and what lies directly in them become the owner's: mail that was spooled as root goes on. */
export function giveSpool(owner: User, directories: readonly string[], logFile: string): void {
  for (const directory of directories) {
    chownSync(directory, owner.uid, owner.gid);
    for (const name of readdirSync(directory, { withFileTypes: true })) {
      if (name.isFile()) chownSync(`${directory}/${name.name}`, owner.uid, owner.gid);
    }
  }
  if (logFile === "") return;
  closeSync(openSync(logFile, "a", 0o640));
  chownSync(logFile, owner.uid, owner.gid);
}
