/** Reading queue files. The content stays on disk unless it is asked for. */
import { closeSync, constants, fstatSync, lstatSync, openSync, read, readSync, type Stats } from "node:fs";
import { crc32 } from "node:zlib";
import { errnoOf, isGone, ScesError, spoolError } from "../base/errors.ts";
import type { Envelope } from "../mail/envelope.ts";
import type { JournalRecord } from "../mail/journal.ts";
import { withRewritten } from "../mail/rewritten.ts";
import { HEAD_LENGTH, parseEnvelope, parseHead } from "./format.ts";
import { type Queue, queuePath } from "./queues.ts";
import { hex8, parseJournal } from "./record.ts";

const FIRST_READ = 16 * 1024;
const MAX_JOURNAL = 256 * 1024 * 1024;

export interface QueueFile {
  readonly envelope: Envelope; // with the recipients that aliases have added
  readonly offset: number; // content offset, bytes
  readonly length: number; // content length, bytes
  readonly records: readonly JournalRecord[];
  readonly unreadable: number; // journal lines that could not be read
  readonly mtimeMs: number;
  readonly links: number;
}

/**
 * Envelope and journal of a queue file. Throws FILE_GONE; FILE_DAMAGED when the head, the envelope or the length is
 * wrong or the file is none; SPOOL_IO when it cannot be read for now.
 */
export function readQueueFile(path: string): QueueFile {
  const { fd, stat } = openQueueFile(path);
  try {
    const { size } = stat;
    if (size < HEAD_LENGTH) throw new ScesError("FILE_DAMAGED", `only ${size} bytes long`);
    const first = readRange(fd, 0, Math.min(size, FIRST_READ));
    const head = parseHead(first);
    const end = head.offset + head.length;
    if (end > size) {
      throw new ScesError("FILE_DAMAGED", `${size} bytes long, but the first line promises ${end}`);
    }
    const top = head.offset <= first.length ? first : readRange(fd, 0, head.offset);
    const envelope = parseEnvelope(top.subarray(HEAD_LENGTH, head.offset), head.envelopeCrc);
    if (size - end > MAX_JOURNAL) throw new ScesError("FILE_DAMAGED", `a journal of ${size - end} bytes`);
    const tail = size <= first.length ? first.subarray(end) : readRange(fd, end, size - end);
    const { records, unreadable } = parseJournal(tail);
    return {
      envelope: withRewritten(envelope, records),
      offset: head.offset,
      length: head.length,
      records,
      unreadable,
      mtimeMs: stat.mtimeMs,
      links: stat.nlink,
    };
  } catch (error) {
    throw goneOr(spoolError(`reading ${path}`, error), path);
  } finally {
    closeSync(fd);
  }
}

/** The message of that id in a queue. Throws as readQueueFile; FILE_DAMAGED too if it is another one's file. */
export function readMessage(queue: Queue, id: string): QueueFile {
  const path = queuePath(queue, id);
  const file = readQueueFile(path);
  if (file.envelope.id === id) return file;
  throw goneOr(new ScesError("FILE_DAMAGED", `its envelope is that of ${file.envelope.id}`), path);
}

/** A file that was moved away while it was read may be written over by now (spent.ts): that is no damage. */
export function goneOr(error: ScesError, path: string): ScesError {
  if (error.code !== "FILE_DAMAGED" || lstatSync(path, { throwIfNoEntry: false }) !== undefined) return error;
  return new ScesError("FILE_GONE", `${path} is gone`, { cause: error });
}

/** The message of a queue file, checked against its checksum while it is read. */
export interface Content {
  readonly length: number; // bytes
  /** All of it, when it is not longer than the limit given to openContent. */
  readonly bytes?: Buffer;
  /**
   * The content in pieces, however long. Throws FILE_DAMAGED after the last piece if the checksum is wrong and
   * before the generator ends: who sends it must not have sent the final dot by then. `reuse`: the pieces come
   * in two buffers by turns, each valid only until the second next is asked for.
   */
  chunks(sizeBytes?: number, reuse?: boolean): AsyncGenerator<Buffer, void>;
  close(): void;
}

/**
 * Opens the content of a message. `memoryBytes`: up to this length it is read at once and verified. `sizeBytes`: where
 * the content is said to end in the file; if so, it takes one read. Throws FILE_GONE, FILE_DAMAGED, SPOOL_IO.
 */
export function openContent(path: string, memoryBytes: number, sizeBytes = FIRST_READ): Content {
  const fd = openPath(path);
  try {
    const first = readRange(fd, 0, sizeBytes <= memoryBytes ? sizeBytes : FIRST_READ);
    const head = parseHead(first);
    const length = head.length;
    const done = () => closeSync(fd);
    if (length > memoryBytes) {
      return {
        length,
        chunks: (sizeBytes = 64 * 1024, reuse = false) => readChunks(fd, head, sizeBytes, reuse),
        close: done,
      };
    }
    const end = head.offset + length;
    const bytes = end <= first.length ? first.subarray(head.offset, end) : readRange(fd, head.offset, length);
    if (bytes.length !== length || hex8(crc32(bytes)) !== head.contentCrc) throw damagedContent();
    closeSync(fd);
    return {
      length,
      bytes,
      async *chunks() {
        yield bytes;
      },
      close() {},
    };
  } catch (error) {
    const isFile = fstatSync(fd).isFile(); // looked at only now: this is done for every delivery
    closeSync(fd);
    throw isFile ? spoolError(`reading ${path}`, error) : noFile(path);
  }
}

/** The first bytes of the content, at most `maxBytes`; unverified, for a look at the header. Throws as openContent. */
export function readContentStart(path: string, maxBytes: number): Buffer {
  const { fd } = openQueueFile(path);
  try {
    const { offset, length } = parseHead(readRange(fd, 0, HEAD_LENGTH));
    return readRange(fd, offset, Math.min(length, maxBytes));
  } catch (error) {
    throw spoolError(`reading ${path}`, error);
  } finally {
    closeSync(fd);
  }
}

async function* readChunks(
  fd: number,
  head: { offset: number; length: number; contentCrc: string },
  sizeBytes: number,
  reuse: boolean,
): AsyncGenerator<Buffer, void> {
  const shared = reuse ? [Buffer.allocUnsafeSlow(sizeBytes), Buffer.allocUnsafeSlow(sizeBytes)] : [];
  let crc = 0;
  for (let done = 0, turn = 0; done < head.length; turn = 1 - turn) {
    const want = Math.min(sizeBytes, head.length - done);
    const buffer = shared[turn] ?? Buffer.allocUnsafe(want);
    const count = await new Promise<number>((resolve, reject) => {
      read(fd, buffer, 0, want, head.offset + done, (error, bytesRead) =>
        error ? reject(spoolError("reading the content", error)) : resolve(bytesRead),
      );
    });
    if (count === 0) throw damagedContent();
    const chunk = buffer.subarray(0, count);
    crc = crc32(chunk, crc);
    done += count;
    yield chunk;
  }
  if (hex8(crc) !== head.contentCrc) throw damagedContent();
}

function damagedContent(): ScesError {
  return new ScesError("FILE_DAMAGED", "the content does not match its checksum");
}

function openQueueFile(path: string): { readonly fd: number; readonly stat: Stats } {
  const fd = openPath(path);
  const stat = fstatSync(fd);
  if (!stat.isFile()) {
    closeSync(fd);
    throw noFile(path);
  }
  return { fd, stat };
}

function openPath(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (isGone(error)) throw new ScesError("FILE_GONE", `${path} is gone`, { cause: error });
    if (errnoOf(error) === "ELOOP") throw new ScesError("FILE_DAMAGED", `${path} is a symbolic link`);
    throw spoolError(`opening ${path}`, error);
  }
}

function noFile(path: string): ScesError {
  return new ScesError("FILE_DAMAGED", `${path} is no regular file`);
}

function readRange(fd: number, position: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const count = readSync(fd, buffer, done, length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return buffer.subarray(0, done);
}
