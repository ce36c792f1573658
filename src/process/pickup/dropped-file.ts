/**
 * A file in drop/, opened once and read from that descriptor only: what is judged, read and taken is one and the same
 * file, whatever happens to its name meanwhile.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, read, readSync, type Stats } from "node:fs";
import { errnoOf, isGone, spoolError } from "../../base/errors.ts";
import { type Refusal, refuse } from "./refusal.ts";

// No link is followed; a FIFO or a device that was put in place of a file does not block, nor becomes our terminal.
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/** Why this is nothing to be read, or undefined. A second name could be anybody's file, of the spool too. */
export function objection(stat: Stats): string | undefined {
  if (stat.isSymbolicLink()) return "is a symbolic link";
  if (stat.isDirectory()) return "is a directory";
  if (stat.isFIFO()) return "is a FIFO";
  if (stat.isSocket()) return "is a socket";
  if (!stat.isFile()) return "is a device";
  if (stat.nlink > 1) return `is a hard link (the file has ${stat.nlink} names)`;
  return undefined;
}

/** Changes with every write, also of as many bytes. */
export function signature(stat: Stats): string {
  return `${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs} ${stat.nlink}`;
}

export class DroppedFile {
  readonly size: number; // bytes
  readonly uid: number; // of the owner
  readonly inode: number;
  readonly #fd: number;
  readonly #stat: Stats;

  private constructor(fd: number, stat: Stats) {
    this.#fd = fd;
    this.#stat = stat;
    this.size = stat.size;
    this.uid = stat.uid;
    this.inode = stat.ino;
  }

  /** Undefined if it is gone, or no longer what `seen` was. Throws SPOOL_IO for trouble that may pass. */
  static open(path: Buffer, seen: Stats): DroppedFile | Refusal | undefined {
    let fd: number;
    try {
      fd = openSync(path, FLAGS);
    } catch (error) {
      const errno = errnoOf(error);
      if (isGone(error) || errno === "ELOOP" || errno === "ENXIO") return undefined; // gone, or replaced just now
      if (errno === "EACCES" || errno === "EPERM") return refuse(`cannot be read by the mail system (${errno})`);
      throw spoolError("opening a dropped file", error);
    }
    const stat = fstatSync(fd);
    if (!stat.isFile() || signature(stat) !== signature(seen)) {
      closeSync(fd);
      return undefined;
    }
    return new DroppedFile(fd, stat);
  }

  /** The whole file at once. */
  readWhole(): Buffer {
    const bytes = Buffer.allocUnsafe(this.size);
    let done = 0;
    while (done < bytes.length) {
      const count = this.#trouble(() => readSync(this.#fd, bytes, done, bytes.length - done, done));
      if (count === 0) break;
      done += count;
    }
    return bytes.subarray(0, done);
  }

  /** Fills `into` from a position as far as the file goes; how many bytes. */
  async read(into: Buffer, position: number): Promise<number> {
    let done = 0;
    while (done < into.length) {
      const count = await new Promise<number>((resolve, reject) => {
        read(this.#fd, into, done, into.length - done, position + done, (error, bytes) =>
          error ? reject(spoolError("reading a dropped file", error)) : resolve(bytes),
        );
      });
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  /** Nobody has written to it since it was opened. */
  isUnchanged(): boolean {
    return signature(fstatSync(this.#fd)) === signature(this.#stat);
  }

  /** The name is that of this file, and nobody has written to it. (A rename changes ctime, so that is not asked.) */
  isAt(path: string): boolean {
    const { ino, dev, size, mtimeMs, nlink } = this.#stat;
    const stat = lstatSync(path, { throwIfNoEntry: false });
    return (
      stat !== undefined &&
      stat.ino === ino &&
      stat.dev === dev &&
      stat.size === size &&
      stat.mtimeMs === mtimeMs &&
      stat.nlink === nlink
    );
  }

  close(): void {
    closeSync(this.#fd);
  }

  #trouble<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      throw spoolError("reading a dropped file", error);
    }
  }
}
