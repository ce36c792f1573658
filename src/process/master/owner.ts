/**
 * mail_owner: whom all processes run as when root started master. What is root's is given to him once, before anything
 * of his runs, and only where nobody but root can have a hand in what a name means: else he could have root give him
 * what is not ours, by a link in its place.
 */
import {
  chownSync,
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  type Stats,
} from "node:fs";
import { opendir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { isGone, ScesError } from "../../base/errors.ts";
import { asRoot, startedByRoot } from "../../base/rights.ts";
import { lookupUser, type User } from "../../base/user.ts";
import type { Config } from "../../config/config.ts";
import { DIRECTORIES } from "../../spool/layout.ts";
import { DROP, QUEUES, TAKEN } from "../../spool/queues.ts";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
/** Files looked at before others have a turn, and for how long they have it. */
const SLICE = 500;
const PAUSE_MS = 10;

/** Undefined: stay who we are. Throws SPOOL_LAYOUT with advice. */
export function findOwner(name: string): User | undefined {
  if (name === "" || !startedByRoot()) return undefined;
  const user = lookupUser(name);
  if (user !== undefined) return user;
  throw new ScesError("SPOOL_LAYOUT", `mail_owner = ${name}: no such user; make it, or leave mail_owner empty`);
}

/** Whether a process of that name keeps root in reserve: pipe does where a command runs as another user than mail_owner. */
export function keepsRights(process: string, config: Config): boolean {
  if (process !== "pipe") return false;
  return config.transportsOn("pipe").some((name) => config.forTransport(name).pipe_user !== config.mail_owner);
}

/**
 * The spool, the mailboxes' directory and the log become the owner's, if they are root's or missing: mail that was
 * spooled as root goes on. What others dropped stays theirs, and so does the group by which they may.
 */
export function giveSpool(owner: User, config: Config): void {
  const spool = config.queue_directory;
  if (isMadeOrRoots(spool)) {
    // Nothing but what is a spool's: somebody may have named the wrong directory.
    for (const name of DIRECTORIES) {
      const path = join(spool, name);
      if (name === DROP) giveDrop(path, owner);
      else if (name !== TAKEN && isPrivateToRoot(path)) giveTree(path, owner);
    }
    lchownSync(spool, owner.uid, owner.gid);
  }
  const mail = config.mail_spool_directory;
  if (mail !== "" && isMadeOrRoots(mail)) chownSync(mail, owner.uid, owner.gid);
  giveLog(owner, config);
}

/**
 * What root has put into the queues of a spool that was given, from a backup: given too, a little at a time, while all
 * runs. By now the names are mail_owner's to turn. So each file is reached through an open directory of his, and is
 * given only if it is root's and has one name; and none is where the kernel would let him give root's files a name.
 */
export async function giveLater(owner: User): Promise<void> {
  if (readFileSync("/proc/sys/fs/protected_hardlinks", "latin1").trim() !== "1") return;
  for (const queue of QUEUES) {
    const directory = openSync(queue, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      if (fstatSync(directory).uid === owner.uid) await giveFiles(`/proc/self/fd/${directory}`, owner);
    } finally {
      closeSync(directory);
    }
  }
}

async function giveFiles(directory: string, owner: User): Promise<void> {
  let names: string[] = [];
  for await (const { name } of await opendir(directory, { bufferSize: SLICE })) {
    names.push(name);
    if (names.length < SLICE) continue;
    const some = names;
    asRoot(() => giveSome(directory, some, owner));
    names = [];
    await pause(PAUSE_MS, undefined, { ref: false });
  }
  asRoot(() => giveSome(directory, names, owner));
}

function giveSome(directory: string, names: readonly string[], { uid, gid }: User): void {
  const isOurs = (stat: Stats | undefined) => stat?.isFile() && stat.uid === 0 && stat.nlink === 1;
  for (const name of names) {
    const path = `${directory}/${name}`;
    if (!isOurs(lstatSync(path, { throwIfNoEntry: false }))) continue;
    try {
      const file = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      try {
        if (isOurs(fstatSync(file))) fchownSync(file, uid, gid);
      } finally {
        closeSync(file);
      }
    } catch (error) {
      if (!isGone(error)) throw error; // it has moved on
    }
  }
}

/** A log file that is new, or was root's, must be the owner's before it is opened. */
export function giveLog({ uid, gid }: User, { maillog_file: file, log_to }: Config): void {
  if (file === "" || !log_to.includes("file") || !isRootsAlone(dirname(file))) return;
  try {
    closeSync(openSync(file, "ax", 0o640)); // through no link
  } catch {
    // it is there; or cannot be made, which whoever opens it says
  }
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (stat?.isFile() && stat.uid === 0 && stat.nlink === 1) lchownSync(file, uid, gid);
}

/** Whether the directory is root's and nobody else's business so far; it is made if it is missing. */
function isMadeOrRoots(path: string): boolean {
  const parent = dirname(path);
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) {
    const before = process.umask(0o022); // the owner must get to it
    try {
      mkdirSync(parent, { recursive: true });
    } finally {
      process.umask(before);
    }
    if (!isRootsAlone(parent)) return false; // he makes it himself
    mkdirSync(path, { mode: 0o700 });
    return true;
  }
  return isRootsAlone(parent) && isPrivateToRoot(path);
}

/** Whether none but root can change what the names in a directory, and in all above it, mean: root's own names. */
function isRootsAlone(directory: string): boolean {
  let at: string;
  try {
    at = realpathSync(directory);
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
  for (; ; at = dirname(at)) {
    const { uid, mode } = lstatSync(at);
    const isSticky = (mode & 0o1000) !== 0; // others may add names there, not turn ours
    if (uid !== 0 || ((mode & 0o022) !== 0 && !isSticky)) return false;
    if (at === dirname(at)) return true;
  }
}

function isPrivateToRoot(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && stat.uid === 0 && (stat.mode & 0o022) === 0;
}

/** What is in it first: until the directory itself is given, nobody but root can put another thing in its place. */
function giveTree(directory: string, { uid, gid }: User): void {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    const stat = lstatSync(path);
    if (stat.isDirectory()) {
      if (isPrivateToRoot(path)) giveTree(path, { uid, gid });
    } else if (stat.uid === 0 && (stat.nlink === 1 || hasSecondNames(directory))) lchownSync(path, uid, gid);
  }
  lchownSync(directory, uid, gid);
}

/** drop/ may be open to a group: what lies in it is as others have it, but for what we have taken. */
function giveDrop(drop: string, owner: User): void {
  const stat = lstatSync(drop, { throwIfNoEntry: false });
  if (!stat?.isDirectory() || stat.uid !== 0 || (stat.mode & 0o002) !== 0) return;
  const taken = join(drop, basename(TAKEN));
  // In a sticky directory nobody turns root's names; without the bit a group that may write could.
  const isSafe = (stat.mode & 0o020) === 0 || (stat.mode & 0o1000) !== 0;
  if (isSafe && isPrivateToRoot(taken)) giveTree(taken, owner);
  lchownSync(drop, owner.uid, (stat.mode & 0o020) === 0 ? owner.gid : stat.gid);
}

/** Where a message may have two names. Elsewhere a second name may be that of somebody else's file. */
function hasSecondNames(directory: string): boolean {
  return ["active", "deferred", "hold", "bounce"].includes(basename(directory));
}
