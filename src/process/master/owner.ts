/** mail_owner: whom the other processes run as when master is root. */
import { chownSync, closeSync, lchownSync, mkdirSync, openSync, readdirSync, statSync } from "node:fs";
import { ScesError } from "../../base/errors.ts";
import { lookupUser, type User } from "../../base/user.ts";
import type { Config } from "../../config/config.ts";
import { DIRECTORIES } from "../../spool/layout.ts";
import { DROP } from "../../spool/queues.ts";

/** Undefined: stay who we are. Throws SPOOL_LAYOUT with advice. */
export function findOwner(name: string): User | undefined {
  if (name === "" || process.getuid?.() !== 0) return undefined;
  const user = lookupUser(name);
  if (user !== undefined) return user;
  throw new ScesError("SPOOL_LAYOUT", `mail_owner = ${name}: no such user; make it, or leave mail_owner empty`);
}

/** Whether a process of that name stays root: pipe does where a command runs as another user than mail_owner. */
export function keepsRights(process: string, config: Config): boolean {
  if (process !== "pipe") return false;
  return config.transportsOn("pipe").some((name) => config.forTransport(name).pipe_user !== config.mail_owner);
}

/**
 * The spool (the current directory), the mailboxes and the log become the owner's: mail that was spooled as root goes
 * on. What others dropped stays theirs, and so does the group by which they may.
 */
export function giveSpool(owner: User, config: Config): void {
  const { uid, gid } = owner;
  chownSync(".", uid, gid);
  for (const directory of DIRECTORIES) {
    const isDrop = directory === DROP;
    chownSync(directory, uid, isDrop ? statSync(directory).gid : gid);
    if (isDrop) continue;
    // Never through a link: master is root, and the directories are no longer only root's.
    for (const name of readdirSync(directory)) lchownSync(`${directory}/${name}`, uid, gid);
  }
  if (config.mail_spool_directory !== "") {
    mkdirSync(config.mail_spool_directory, { recursive: true, mode: 0o700 });
    chownSync(config.mail_spool_directory, uid, gid);
  }
  giveLog(owner, config);
}

/** Master may be the first to open a log file that is new: by then it must be the owner's. */
export function giveLog({ uid, gid }: User, config: Config): void {
  if (config.maillog_file === "" || !config.log_to.includes("file")) return;
  closeSync(openSync(config.maillog_file, "a", 0o640));
  chownSync(config.maillog_file, uid, gid);
}
