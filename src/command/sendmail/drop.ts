/**
 * A file for drop/: written aside under a private name, whole and synced, then renamed. Until then it is no message,
 * and whoever interrupts us leaves none behind.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  futimesSync,
  openSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { EX_DATAERR, EX_UNAVAILABLE } from "../../base/exit.ts";
import { errnoOf, isGone, ScesError, spoolError } from "../../base/errors.ts";
import type { Config } from "../../config/config.ts";
import { DROP } from "../../spool/queues.ts";
import { tempName } from "../../spool/temp.ts";

const LF = 10;
const CR = 13;

/** Too large: nothing is queued. */
export class TooLarge extends Error {
  override readonly name = "TooLarge";
  readonly status = EX_UNAVAILABLE;
}

/** No mail can hold this: nothing is queued. */
export class NotText extends Error {
  override readonly name = "NotText";
  readonly status = EX_DATAERR;
}

export class DropFile {
  readonly #config: Config;
  readonly #temp = `${DROP}/${tempName()}`;
  readonly #fd: number;
  #written = 0; // bytes of the file
  #asSent = 0; // bytes with CRLF line ends
  #last = 0;
  #isOpen = true;

  /** Throws ScesError with the system's own error as cause: EACCES, ENOENT, ENOSPC. */
  constructor(config: Config) {
    this.#config = config;
    try {
      this.#fd = openSync(this.#temp, "wx", 0o600);
    } catch (error) {
      throw cannotWrite(config, error);
    }
    try {
      // pickup runs as the owner of drop/ (or as root). Where that is somebody else, he must be able to read the file;
      // others cannot find it: drop/ cannot be listed by those who may only write, and the name is no guess.
      const owner = statSync(DROP).uid;
      if (owner !== 0 && owner !== process.getuid?.()) fchmodSync(this.#fd, 0o644);
    } catch (error) {
      this.abort();
      throw cannotWrite(config, error);
    }
  }

  write(bytes: Buffer): void {
    this.#count(bytes);
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done);
    } catch (error) {
      this.abort();
      throw cannotWrite(this.#config, error);
    }
  }

  /** Gives it its name. What it returns is that name. */
  commit(): string {
    const name = `${Math.floor(Date.now() / 1000)}.${process.pid}.${randomBytes(16).toString("hex")}.eml`;
    try {
      // A file that is older than drop_stable_time is complete: pickup takes it at once.
      const written = (Date.now() - this.#config.drop_stable_time) / 1000 - 1;
      futimesSync(this.#fd, written, written);
      fsyncSync(this.#fd);
      renameSync(this.#temp, `${DROP}/${name}`);
      // The name: by its directory, or, for those who may not open that, by the file, whose inode the rename changed.
      if (!syncDirectory()) fsyncSync(this.#fd);
      this.#close();
      return name;
    } catch (error) {
      this.abort();
      throw cannotWrite(this.#config, error);
    }
  }

  /** Leaves nothing. Safe to call at any time, and twice. */
  abort(): void {
    if (!this.#isOpen) return;
    this.#close();
    try {
      unlinkSync(this.#temp);
    } catch (error) {
      if (!isGone(error)) throw spoolError(`removing ${this.#temp}`, error);
    }
  }

  /** Throws TooLarge and NotText: better said here, to the one who sends it, than by pickup to the postmaster. */
  #count(bytes: Buffer): void {
    if (bytes.includes(0)) throw new NotText("the message holds a NUL byte: send such data as a MIME attachment");
    this.#written += bytes.length;
    this.#asSent += bytes.length + bareLineFeeds(bytes, this.#last);
    this.#last = bytes[bytes.length - 1] ?? this.#last;
    const { message_size_limit: message, drop_size_limit: file } = this.#config;
    if ((message > 0 && this.#asSent > message) || (file > 0 && this.#written > file)) {
      this.abort();
      const limit =
        message > 0 && this.#asSent > message ? `message_size_limit = ${message}` : `drop_size_limit = ${file}`;
      throw new TooLarge(`the message is too large (${limit})`);
    }
  }

  #close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#fd);
  }
}

function bareLineFeeds(bytes: Buffer, before: number): number {
  let count = 0;
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if ((at === 0 ? before : bytes[at - 1]) !== CR) count += 1;
  }
  return count;
}

function syncDirectory(): boolean {
  let fd: number;
  try {
    fd = openSync(DROP, "r");
  } catch (error) {
    if (errnoOf(error) === "EACCES") return false;
    throw error;
  }
  try {
    fsyncSync(fd);
    return true;
  } finally {
    closeSync(fd);
  }
}

function cannotWrite(config: Config, error: unknown): ScesError {
  const where = `${config.queue_directory}/${DROP}`;
  const errno = errnoOf(error);
  if (errno === "EACCES" || errno === "EPERM") {
    const hint = "make it mode 1730 with a group for local senders, and join that group";
    return new ScesError("SPOOL_IO", `no right to write to ${where}: ${hint}`, { cause: error });
  }
  if (errno === "ENOENT") {
    return new ScesError("NOT_RUNNING", `there is no ${where}: start sces once, it makes its spool`, { cause: error });
  }
  return spoolError(`writing to ${where}`, error);
}
