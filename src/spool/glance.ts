/**
 * The envelope alone, for counting millions of messages: one open, one read, no journal, no stat. What needs the
 * journal is read by `readQueueFile`.
 */
import { closeSync, constants, openSync, readSync } from "node:fs";
import { errnoOf, ScesError, spoolError } from "../base/errors.ts";
import type { Envelope } from "../mail/envelope.ts";
import { HEAD_LENGTH, parseEnvelope, parseHead } from "./format.ts";
import { readQueueFile } from "./file.ts";

const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export interface Glance {
  readonly envelope: Envelope;
  readonly length: number; // of the content, bytes
}

/** Reads into a buffer of its own that every call uses again. One for each caller that counts. */
export class Glancer {
  readonly #buffer = Buffer.allocUnsafe(2048);

  /** Throws FILE_GONE, FILE_DAMAGED, SPOOL_IO. */
  glance(path: string): Glance {
    let count: number;
    try {
      const fd = openSync(path, FLAGS);
      try {
        count = readSync(fd, this.#buffer, 0, this.#buffer.length, 0);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === "ENOENT") throw new ScesError("FILE_GONE", `${path} is gone`, { cause: error });
      if (errno === "ELOOP" || errno === "EISDIR") throw new ScesError("FILE_DAMAGED", `${path} is no regular file`);
      throw spoolError(`reading ${path}`, error);
    }
    if (count < HEAD_LENGTH) throw new ScesError("FILE_DAMAGED", `only ${count} bytes long`);
    const head = parseHead(this.#buffer);
    if (head.offset > count) return readQueueFile(path); // many recipients
    return {
      envelope: parseEnvelope(this.#buffer.subarray(HEAD_LENGTH, head.offset), head.envelopeCrc),
      length: head.length,
    };
  }
}
