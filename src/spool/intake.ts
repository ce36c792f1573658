/**
 * Taking a message in: the accept protocol (ARCHITECTURE.md: write, fsync, publish by rename, fsync the directory, only then
 * answer). An entry lives through these states:
 *
 *   open      temp file made, id known           -> commit/seal, begin, abort
 *   streaming head reserved, envelope written    -> write ..., finish, abort
 *   sealed    whole and synced under a private name (NDR once, drop once)  -> publish, abort
 *   published durable as incoming/<id>; the end
 *   aborted   temp file removed; the end
 */
import {
  closeSync,
  fdatasync,
  fstatSync,
  fsync,
  ftruncateSync,
  openSync,
  renameSync,
  unlinkSync,
  write,
  writeSync,
  writevSync,
} from "node:fs";
import { crc32 } from "node:zlib";
import { DirSync } from "../base/dir-sync.ts";
import { isGone, ScesError, spoolError } from "../base/errors.ts";
import type { Envelope, EnvelopeDraft } from "../mail/envelope.ts";
import { makeQueueId } from "../mail/queue-id.ts";
import { encodeEnvelope, encodeHead, HEAD_LENGTH, MAX_OFFSET, UNFINISHED_HEAD } from "./format.ts";
import { queuePath } from "./queues.ts";
import { type Spent, SpentSource } from "./spent.ts";
import { tempName } from "./temp.ts";

const INCOMING = "incoming";

/** The way in. One for each process that writes messages. */
export class Intake {
  readonly #incoming = new DirSync(INCOMING);
  readonly #others = new Map<string, DirSync>();
  readonly #spent = new SpentSource(async () => {
    await Promise.all([this.syncDirectory("active"), this.syncDirectory(INCOMING)]);
  });
  #lastMicros = 0;

  /** Makes the temp file, or takes a spent one. Throws SPOOL_FULL or SPOOL_IO. */
  open(): Entry {
    const path = `${INCOMING}/${tempName()}`;
    const spent = this.#spent.take(path);
    if (spent !== undefined) return new Entry(this, spent, path, this.#now());
    try {
      const fd = openSync(path, "wx", 0o600);
      return new Entry(this, { fd, inode: fstatSync(fd).ino, size: 0 }, path, this.#now());
    } catch (error) {
      throw spoolError("making a queue file", error);
    }
  }

  /** Makes a sealed file, found after a crash, the message that it was to be. Durable when it resolves. */
  async publish(path: string, id: string): Promise<void> {
    try {
      renameSync(path, queuePath("incoming", id));
      await this.#incoming.sync();
    } catch (error) {
      throw spoolError(`publishing ${path}`, error);
    }
  }

  /** Resolves when every name made in `directory` so far is durable. */
  async syncDirectory(directory: string): Promise<void> {
    let sync = directory === INCOMING ? this.#incoming : this.#others.get(directory);
    if (sync === undefined) {
      sync = new DirSync(directory);
      this.#others.set(directory, sync);
    }
    try {
      await sync.sync();
    } catch (error) {
      throw spoolError(`syncing ${directory}`, error);
    }
  }

  /** Microseconds since 1970, never the same twice in this process, also when the clock goes back. */
  #now(): number {
    const micros = Math.floor((performance.timeOrigin + performance.now()) * 1000);
    const wall = Date.now() * 1000;
    // performance.now() does not follow a clock that is set; the wall clock decides when the two differ.
    const now = Math.abs(micros - wall) < 1_000_000 ? micros : wall;
    this.#lastMicros = now > this.#lastMicros || this.#lastMicros - now > 60_000_000 ? now : this.#lastMicros + 1;
    return this.#lastMicros;
  }
}

export class Entry {
  readonly id: string;
  readonly arrival: number; // ms
  /** Of the content; known once the entry is committed, sealed or (offset only) begun. */
  offset = 0;
  length = 0;
  readonly #intake: Intake;
  readonly #fd: number;
  #oldSize: number; // of the spent file that this one is written over, bytes; 0: a new file
  #path: string;
  #open = true;
  #sealed = false;
  #envelopeCrc = 0;
  #contentCrc = 0;

  constructor(intake: Intake, { fd, inode, size }: Spent, path: string, micros: number) {
    this.#intake = intake;
    this.#fd = fd;
    this.#oldSize = size;
    this.#path = path;
    const seconds = Math.floor(micros / 1_000_000);
    this.arrival = Math.floor(micros / 1000);
    this.id = makeQueueId(seconds, micros - seconds * 1_000_000, inode);
  }

  /** Writes the whole message in one piece and publishes it. Resolves when it would survive a power cut. */
  async commit(draft: EnvelopeDraft, pieces: readonly Buffer[]): Promise<Envelope> {
    const envelope = await this.seal(draft, pieces);
    await this.publish();
    return envelope;
  }

  /**
   * Writes the whole message and syncs it, without publishing it. `privatePath`: the name that it gets meanwhile,
   * made durable too; without it the temp name stays.
   */
  async seal(draft: EnvelopeDraft, pieces: readonly Buffer[], privatePath?: string): Promise<Envelope> {
    const envelope: Envelope = { id: this.id, arrival: this.arrival, ...draft };
    const line = this.#take(envelope);
    for (const piece of pieces) {
      this.#contentCrc = crc32(piece, this.#contentCrc);
      this.length += piece.length;
    }
    try {
      const buffers = [Buffer.from(this.#head(), "latin1"), line, ...pieces];
      const written =
        buffers.length > 1000 ? writeSync(this.#fd, Buffer.concat(buffers)) : writevSync(this.#fd, buffers);
      if (written !== this.offset + this.length) throw noRoom(written);
      // What is left of the old message would read as journal of the new one.
      if (this.#oldSize > written) ftruncateSync(this.#fd, written);
      await this.#sync(privatePath);
      return envelope;
    } catch (error) {
      this.abort();
      throw spoolError("writing a queue file", error);
    }
  }

  /** Starts a message that is too large for one piece. The envelope must be complete. */
  begin(draft: EnvelopeDraft): Envelope {
    const envelope: Envelope = { id: this.id, arrival: this.arrival, ...draft };
    const line = this.#take(envelope);
    try {
      if (this.#oldSize > 0) ftruncateSync(this.#fd, 0);
      this.#oldSize = 0;
      const written = writevSync(this.#fd, [Buffer.from(UNFINISHED_HEAD, "latin1"), line]);
      if (written !== this.offset) throw noRoom(written);
      return envelope;
    } catch (error) {
      this.abort();
      throw spoolError("writing a queue file", error);
    }
  }

  /** Appends content; resolves when the next piece may come. One call at a time. */
  async write(piece: Buffer): Promise<void> {
    this.#contentCrc = crc32(piece, this.#contentCrc);
    try {
      for (let done = 0; done < piece.length; ) {
        const at = this.offset + this.length + done;
        const count = await new Promise<number>((resolve, reject) => {
          write(this.#fd, piece, done, piece.length - done, at, (error, bytes) =>
            error ? reject(error) : resolve(bytes),
          );
        });
        if (count === 0) throw noRoom(done);
        done += count;
      }
      this.length += piece.length;
    } catch (error) {
      this.abort();
      throw spoolError("writing a queue file", error);
    }
  }

  /** Completes a streamed message: the first line last, then as `commit`, or as `seal` with `privatePath`. */
  async finish(privatePath?: string): Promise<void> {
    try {
      const written = writeSync(this.#fd, Buffer.from(this.#head(), "latin1"), 0, HEAD_LENGTH, 0);
      if (written !== HEAD_LENGTH) throw noRoom(written);
      await this.#sync(privatePath);
    } catch (error) {
      this.abort();
      throw spoolError("writing a queue file", error);
    }
    if (privatePath === undefined) await this.publish();
  }

  /** Gives a sealed message its name in incoming/. Resolves when that is durable. */
  async publish(): Promise<void> {
    if (!this.#sealed) throw new Error("publishing a message that is not whole");
    try {
      await this.#intake.publish(this.#path, this.id);
      this.#path = "";
    } catch (error) {
      this.abort();
      throw spoolError("publishing a message", error);
    }
  }

  /** Forgets the message and removes its file, wherever it is by now. Safe to call twice, and after publish. */
  abort(): void {
    this.#close();
    if (this.#path === "") return;
    const path = this.#path;
    this.#path = "";
    try {
      unlinkSync(path);
    } catch (error) {
      if (!isGone(error)) throw spoolError(`removing ${path}`, error);
    }
  }

  #take(envelope: Envelope): Buffer {
    const line = encodeEnvelope(envelope);
    this.offset = HEAD_LENGTH + line.length;
    if (this.offset > MAX_OFFSET) throw new ScesError("SPOOL_IO", `an envelope of ${line.length} bytes is too long`);
    this.#envelopeCrc = crc32(line);
    return line;
  }

  #head(): string {
    const { offset, length } = this;
    return encodeHead({ offset, length, envelopeCrc: this.#envelopeCrc, contentCrc: this.#contentCrc });
  }

  async #sync(privatePath: string | undefined): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      // Of a file that was there before, only data and size are new, and that is what fdatasync is for.
      const sync = this.#oldSize > 0 ? fdatasync : fsync;
      sync(this.#fd, (error) => (error ? reject(error) : resolve()));
    });
    this.#close();
    this.#sealed = true;
    if (privatePath === undefined) return;
    renameSync(this.#path, privatePath);
    this.#path = privatePath;
    await this.#intake.syncDirectory(privatePath.slice(0, privatePath.lastIndexOf("/")));
  }

  #close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#fd);
  }
}

/** A short write is how a full disk shows first. */
function noRoom(written: number): Error {
  return Object.assign(new Error(`short write of ${written} bytes`), { code: "ENOSPC" });
}
