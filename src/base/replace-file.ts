/**
 * A file is replaced as a whole or not at all, also by a power cut, and keeps its mode and owner. One that is not
 * there is made, mode 0600, and belongs to whom its directory does.
 */
import {
  closeSync,
  existsSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";

const ASIDE = /^\.(.+)\.(\d+)\.new$/;

/** Throws the system's error; the old file is then as it was. */
export function replaceFile(path: string, text: string): void {
  const isThere = statSync(path, { throwIfNoEntry: false }) !== undefined;
  const target = isThere ? realpathSync(path) : path; // a link stays a link
  const { mode, uid, gid } = isThere ? statSync(target) : { ...statSync(dirname(target)), mode: 0o600 };
  const aside = join(dirname(target), `.${basename(target)}.${process.pid}.new`);
  sweepAsides(target);
  const fd = openSync(aside, "wx", 0o600);
  try {
    try {
      const bytes = Buffer.from(text);
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
      fchmodSync(fd, mode & 0o7777);
      if (process.getuid?.() === 0) fchownSync(fd, uid, gid);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(aside, target);
  } catch (error) {
    rmSync(aside, { force: true });
    throw error;
  }
  const directory = openSync(dirname(target), "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** What others were writing when they ended: it would stay for ever, and stand in the way of the next with that pid. */
function sweepAsides(target: string): void {
  for (const name of readdirSync(dirname(target))) {
    const [, base, pid] = ASIDE.exec(name) ?? [];
    if (base !== basename(target)) continue;
    const isWriting = Number(pid) !== process.pid && existsSync(`/proc/${pid}`);
    if (!isWriting) rmSync(join(dirname(target), name), { force: true });
  }
}
