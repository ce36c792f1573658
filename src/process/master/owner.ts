/** mail_owner: whom the other processes run as when master is root. */
import { chownSync, closeSync, lchownSync, lstatSync, mkdirSync, openSync, readdirSync, statSync } from "node:fs";
import { opendir } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { isGone, ScesError } from "../../base/errors.ts";
import { lookupUser, type User } from "../../base/user.ts";
import type { Config } from "../../config/config.ts";
import { DIRECTORIES } from "../../spool/layout.ts";
import { DROP, type Queue } from "../../spool/queues.ts";

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

/** Queues that may hold millions. */
const LARGE: readonly string[] = ["deferred", "hold"] satisfies Queue[];
/** Files looked at before others have a turn, and for how long they have it. */
const SLICE = 500;
const PAUSE_MS = 10;

/**
 * The spool (the current directory), the mailboxes and the log become the owner's: mail that was spooled as root goes
 * on. What others dropped stays theirs, and so does the group by which they may. Returns the directories that were the
 * owner's already and may be too large to be looked through before the start: they are for `giveLater`.
 */
export function giveSpool(owner: User, config: Config): string[] {
  const { uid, gid } = owner;
  const later: string[] = [];
  chownSync(".", uid, gid);
  for (const directory of DIRECTORIES) {
    const stat = statSync(directory);
    const isDrop = directory === DROP;
    // Never through a link: master is root, and the directories are no longer only root's.
    if (LARGE.includes(directory) && stat.uid === uid) later.push(directory);
    else if (!isDrop) for (const name of readdirSync(directory)) lchownSync(`${directory}/${name}`, uid, gid);
    chownSync(directory, uid, isDrop ? stat.gid : gid); // last: it says that all in it has been given
  }
  if (config.mail_spool_directory !== "") {
    mkdirSync(config.mail_spool_directory, { recursive: true, mode: 0o700 });
    chownSync(config.mail_spool_directory, uid, gid);
  }
  giveLog(owner, config);
  return later;
}

/** What root has put there since, from a backup: given too, a little at a time. */
export async function giveLater({ uid, gid }: User, directories: readonly string[]): Promise<void> {
  for (const directory of directories) {
    let looked = 0;
    for await (const { name } of await opendir(directory, { bufferSize: SLICE })) {
      giveFile(`${directory}/${name}`, uid, gid);
      looked += 1;
      if (looked % SLICE === 0) await pause(PAUSE_MS, undefined, { ref: false });
    }
  }
}

function giveFile(path: string, uid: number, gid: number): void {
  try {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat !== undefined && stat.uid !== uid) lchownSync(path, uid, gid);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** Master may be the first to open a log file that is new: by then it must be the owner's. */
export function giveLog({ uid, gid }: User, config: Config): void {
  if (config.maillog_file === "" || !config.log_to.includes("file")) return;
  closeSync(openSync(config.maillog_file, "a", 0o640));
  chownSync(config.maillog_file, uid, gid);
}
