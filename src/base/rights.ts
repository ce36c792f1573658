/**
 * Root's rights. A process that root started gives them up for good (`become`), or, where some of its work needs them
 * later, keeps them in reserve (`lowerTo`): it is another user for everything that it does, and root again only for the
 * length of one call (`asRoot`). So what it opens, makes or removes by a name that somebody else could have turned
 * meanwhile is opened with that user's rights.
 */
import type { User } from "./user.ts";

/** Whether we were started by root: also while root is only in reserve. */
export function startedByRoot(): boolean {
  return process.getuid?.() === 0;
}

/** That user from now on; there is no way back. */
export function become({ uid, gid }: User): void {
  process.setgroups?.([]);
  process.setgid?.(gid);
  process.setuid?.(uid);
}

/** That user, with root in reserve. */
export function lowerTo({ uid, gid }: User): void {
  process.setgroups?.([]);
  process.setegid?.(gid);
  process.seteuid?.(uid);
}

/**
 * `work` as root, where root is in reserve; else as who we are. It must be done when it returns; other threads are root
 * for that moment too, so whoever has a reserve opens no file by its name off the main thread.
 */
export function asRoot<T>(work: () => T): T {
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;
  if (uid === 0 || !startedByRoot()) return work();
  process.seteuid?.(0);
  process.setegid?.(0);
  try {
    return work();
  } finally {
    process.setegid?.(gid);
    process.seteuid?.(uid);
  }
}

/** `work` as that user, if we are root; then root again. It must be done when it returns. */
export function withRightsOf<T>({ uid, gid }: User, work: () => T): T {
  if (process.geteuid?.() !== 0 || uid === 0) return work();
  process.setegid?.(gid);
  process.seteuid?.(uid);
  try {
    return work();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}

/** Whom a program is to run as that is none of those which need root: for spawn, which must be called as root for it. */
export function withoutReserve(): Partial<User> {
  const uid = process.geteuid?.() ?? 0;
  return uid === 0 || !startedByRoot() ? {} : { uid, gid: process.getegid?.() ?? 0 };
}
