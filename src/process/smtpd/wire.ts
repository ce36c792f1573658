/**
 * The bytes of a connection, cut into command lines and message content. Instead of smtp-server's own stream, which
 * takes a bare LF for the end of a line, forgets the raw line, and turns the event loop once for every stuffed dot.
 *
 * What comes in while it is held waits here; beyond 64 kB the socket is paused. Nothing is parsed twice and nothing
 * is copied but the start of a line whose end has not come yet.
 */
import { SMTPStream } from "smtp-server/lib/smtp-stream.js";
import type { Content } from "./content.ts";

/** Why it does not read on; several may hold it at the same time. */
export const HOLD_GREETING = 1; // the client has to wait for our 220
export const HOLD_WORK = 2; // a command or message is being worked on
export const HOLD_DRAIN = 4; // the client does not read our replies
export const HOLD_PAUSE = 8; // a client that makes errors has to wait

export interface WireUser {
  /** A command line without its end. `isBare`: it ended with LF alone. `isAhead`: the client has sent more already. */
  takeLine(line: string, isBare: boolean, isAhead: boolean): void;
  /** A line of more than MAX_LINE bytes; it is skipped. */
  takeLongLine(): void;
  /** `bytes` of message were fed to the content. `isEnd`: with the final dot. */
  takeContent(bytes: number, isEnd: boolean): void;
  /** The client spoke before its turn. */
  takeEarly(): void;
  /** All that came is worked off, or the wire is held: replies may go out. */
  turnEnded(): void;
  /** One of the above threw. */
  failed(error: unknown): void;
  /** The client sends no more, and all that it sent is worked off. */
  clientEnded(): void;
}

/** No command is longer, not even AUTH (RFC 4954 4). */
export const MAX_LINE = 12_288 + 512;
const HIGH_WATER = 65_536;
const LF = 10;
const CR = 13;
const EMPTY = Buffer.alloc(0);

export class Wire extends SMTPStream {
  readonly #user: WireUser;
  #holds: number;
  #chunk: Buffer = EMPTY;
  #at = 0;
  #queue: Buffer[] = []; // behind #chunk
  #queued = 0; // bytes in #queue
  #start: Buffer = EMPTY; // of a line whose end has not come
  #isSkipping = false; // the rest of a line that is too long
  #content: Content | undefined; // in the middle of a message
  #isRunning = false;
  #isEnded = false;
  #owesDrain = false;

  constructor(user: WireUser, holds: number) {
    super();
    this.#user = user;
    this.#holds = holds;
  }

  /** From here on bytes are content, until its final dot. */
  startContent(content: Content): void {
    this.#content = content;
  }

  hold(reason: number): void {
    this.#holds |= reason;
  }

  /** Reads on unless something else holds it. */
  release(reason: number): void {
    this.#holds &= ~reason;
    this.#run();
  }

  isHeld(reason: number): boolean {
    return (this.#holds & reason) !== 0;
  }

  /** Called by pipe(). False: no more until "drain". */
  override write(chunk: Buffer): boolean {
    if (this.isClosed) return true;
    if ((this.#holds & HOLD_GREETING) !== 0) this.#user.takeEarly();
    this.#queue.push(chunk);
    this.#queued += chunk.length;
    this.#run();
    this.#owesDrain = this.#backlog() > HIGH_WATER;
    return !this.#owesDrain;
  }

  /** Called by pipe() when the client has closed its side. */
  override end(): this {
    this.#isEnded = true;
    this.#run();
    return this;
  }

  #backlog(): number {
    return this.#chunk.length - this.#at + this.#queued;
  }

  #run(): void {
    if (this.#isRunning || this.isClosed) return;
    this.#isRunning = true;
    try {
      while (this.#holds === 0 && !this.isClosed && this.#hasBytes()) this.#step();
    } catch (error) {
      this.#user.failed(error);
    }
    this.#isRunning = false;
    this.#user.turnEnded();
    // What we are told may hold us again, or go on right away.
    if (this.isClosed || this.#holds !== 0 || this.#backlog() > 0) return;
    if (this.#isEnded) this.#user.clientEnded();
    else if (this.#owesDrain) {
      this.#owesDrain = false;
      this.emit("drain");
    }
  }

  #hasBytes(): boolean {
    if (this.#at < this.#chunk.length) return true;
    this.#chunk = this.#queue.shift() ?? EMPTY;
    this.#queued -= this.#chunk.length;
    this.#at = 0;
    return this.#chunk.length > 0;
  }

  #step(): void {
    if (this.#content !== undefined) {
      const from = this.#at;
      const end = this.#content.feed(this.#chunk, from);
      this.#at = end < 0 ? this.#chunk.length : end;
      if (end >= 0) this.#content = undefined;
      this.#user.takeContent(this.#at - from, end >= 0);
      return;
    }
    const from = this.#at;
    const newline = this.#chunk.indexOf(LF, from);
    const to = newline < 0 ? this.#chunk.length : newline + 1;
    this.#at = to;
    if (this.#isSkipping) {
      if (newline >= 0) {
        this.#isSkipping = false;
        this.#user.takeLongLine();
      }
    } else if (this.#start.length + to - from > MAX_LINE) {
      this.#start = EMPTY;
      if (newline < 0) this.#isSkipping = true;
      else this.#user.takeLongLine();
    } else if (newline < 0) {
      this.#start = Buffer.concat([this.#start, this.#chunk.subarray(from)]);
    } else if (this.#start.length > 0) {
      const line = Buffer.concat([this.#start, this.#chunk.subarray(from, to)]);
      this.#start = EMPTY;
      this.#takeLine(line, 0, line.length - 1);
    } else {
      this.#takeLine(this.#chunk, from, newline);
    }
  }

  #takeLine(bytes: Buffer, from: number, newline: number): void {
    const isBare = newline === from || bytes[newline - 1] !== CR;
    this.#user.takeLine(bytes.toString("latin1", from, isBare ? newline : newline - 1), isBare, this.#backlog() > 0);
  }
}
