/**
 * The parts of a message, told to a visitor while its bytes go by (RFC 2045, RFC 2046 5.1). Flat in memory: a header
 * is held until it ends, of a body no more than a line, and a line that is too long for that comes in pieces.
 */
import { findField, splitHeader } from "../../mail/header.ts";

export interface Part {
  readonly type: string; // lower case, e.g. "text/plain"; as a default where none is given
  readonly encoding: string; // Content-Transfer-Encoding, lower case; "" if none is given
  readonly isLeaf: boolean; // no parts of its own are looked at
  readonly isSigned: boolean; // in a multipart/signed
  readonly isMessage: boolean; // the message itself, or one within it: a header of its own
}

export interface Visitor {
  /** The header of a part, with the empty line if there is one. */
  header(part: Part, header: Buffer): void;
  /** A piece of a line of a leaf, without line end. */
  body(part: Part, piece: Buffer, isLineEnd: boolean): void;
  /** The leaf is over; `atBoundary`: its last line end belongs to the boundary that follows. */
  leafEnd(part: Part, atBoundary: boolean): void;
  /** What belongs to no part: boundaries, and what stands in front of the first and behind the last. */
  between(bytes: Buffer, isSigned: boolean): void;
}

/** The message is not MIME that one can take apart. */
export class MalformedMime extends Error {
  override readonly name = "MalformedMime";
}

const MAX_HEADER = 1024 * 1024; // bytes of one header
const MAX_HELD = 8 * 1024; // bytes of one line
const MAX_DEPTH = 100; // Postfix's mime_nesting_limit
const LF = 10;
const CR = 13;
const NONE = Buffer.alloc(0);

interface Frame {
  readonly delimiter: string; // "--boundary"
  readonly isDigest: boolean;
  readonly isSigned: boolean;
}

/** header: of the message or a part; body: of `leaf`, or between parts if there is none. */
type State = "header" | "body";

export class MimeWalk {
  readonly #visitor: Visitor;
  readonly #stack: Frame[] = [];
  #state: State = "header";
  #header: Buffer[] = [];
  #headerBytes = 0;
  #isMessageHeader = true;
  #leaf: Part | undefined;
  #held: Buffer = NONE; // the beginning of a line that goes on
  #isLineStart = true;

  constructor(visitor: Visitor) {
    this.#visitor = visitor;
  }

  /** Keeps nothing of the chunk. Throws MalformedMime, and what the visitor throws. */
  push(chunk: Buffer): void {
    let from = 0;
    for (let lf = chunk.indexOf(LF); lf >= 0; lf = chunk.indexOf(LF, from)) {
      const end = chunk.subarray(from, lf + 1);
      this.#line(this.#held.length === 0 ? end : Buffer.concat([this.#held, end]), true);
      this.#held = NONE;
      from = lf + 1;
    }
    if (from === chunk.length) return;
    this.#held = Buffer.concat([this.#held, chunk.subarray(from)]);
    if (this.#held.length <= MAX_HELD) return;
    // A CR at its end may be half a line end.
    const end = this.#held.at(-1) === CR ? -1 : this.#held.length;
    this.#line(this.#held.subarray(0, end), false);
    this.#held = end < 0 ? Buffer.from("\r") : NONE;
  }

  end(): void {
    if (this.#held.length > 0) this.#line(this.#held, false);
    this.#held = NONE;
    if (this.#state === "header") this.#open();
    this.#closeLeaf(false);
  }

  #line(bytes: Buffer, isEnd: boolean): void {
    const isStart = this.#isLineStart;
    this.#isLineStart = isEnd;
    if (isStart && this.#stack.length > 0 && this.#isBoundary(bytes)) return;
    if (this.#state === "header") this.#collect(bytes);
    else if (this.#leaf === undefined) this.#visitor.between(bytes, this.#isSigned);
    else this.#visitor.body(this.#leaf, isEnd ? withoutLineEnd(bytes) : bytes, isEnd);
  }

  #collect(bytes: Buffer): void {
    this.#header.push(Buffer.from(bytes));
    this.#headerBytes += bytes.length;
    if (this.#headerBytes > MAX_HEADER) throw new MalformedMime("a header without end");
    if (withoutLineEnd(bytes).length === 0) this.#open();
  }

  /** The header is whole. */
  #open(): void {
    const header = Buffer.concat(this.#header);
    this.#header = [];
    this.#headerBytes = 0;
    this.#state = "body";
    const fields = splitHeader(header);
    const frame = this.#stack.at(-1);
    const fallback = !this.#isMessageHeader && frame?.isDigest ? "message/rfc822" : "text/plain";
    const contentType = findField(fields, "content-type")?.bytes;
    const type = /^([!-.0-~]+\/[!-.0-~]+?)\s*(?:[;(]|$)/.exec(contentType ?? "")?.[1]?.toLowerCase() ?? fallback;
    const encoding = (findField(fields, "content-transfer-encoding")?.bytes ?? "").toLowerCase();
    const boundary = type.startsWith("multipart/") ? boundaryOf(contentType ?? "") : undefined;
    const isIdentity = isIdentityEncoding(encoding);
    const isMessage = type === "message/rfc822" && isIdentity;
    const isLeaf = !isMessage && (boundary === undefined || !isIdentity);
    const part = { type, encoding, isLeaf, isSigned: this.#isSigned, isMessage: this.#isMessageHeader };
    this.#visitor.header(part, header);
    if (isLeaf) this.#leaf = part;
    else if (isMessage) {
      this.#state = "header";
      this.#isMessageHeader = true;
    } else {
      if (this.#stack.length >= MAX_DEPTH) throw new MalformedMime("parts within parts within parts");
      this.#stack.push({
        delimiter: `--${boundary}`,
        isDigest: type === "multipart/digest",
        isSigned: type === "multipart/signed",
      });
    }
  }

  /** A boundary of an outer multipart ends the inner ones too, though their own is missing (RFC 2046 5.1.2). */
  #isBoundary(line: Buffer): boolean {
    if (line[0] !== 45 || line[1] !== 45 || line.length > 1000) return false;
    const text = line.toString("latin1").trimEnd();
    const depth = this.#stack.findLastIndex(({ delimiter }) => text === delimiter || text === `${delimiter}--`);
    const frame = this.#stack[depth];
    if (frame === undefined) return false;
    if (this.#state === "header") this.#open();
    this.#closeLeaf(true);
    const isClose = text !== frame.delimiter;
    this.#stack.length = isClose ? depth : depth + 1;
    this.#state = isClose ? "body" : "header";
    this.#isMessageHeader = false;
    this.#visitor.between(line, this.#isSigned);
    return true;
  }

  get #isSigned(): boolean {
    return this.#stack.some((one) => one.isSigned);
  }

  #closeLeaf(atBoundary: boolean): void {
    if (this.#leaf !== undefined) this.#visitor.leafEnd(this.#leaf, atBoundary);
    this.#leaf = undefined;
  }
}

/** The bytes stand for themselves (RFC 2045 6.2). */
export function isIdentityEncoding(encoding: string): boolean {
  return encoding === "" || encoding === "7bit" || encoding === "8bit" || encoding === "binary";
}

function withoutLineEnd(line: Buffer): Buffer {
  if (line.at(-1) !== LF) return line;
  return line.subarray(0, line.at(-2) === CR ? -2 : -1);
}

function boundaryOf(contentType: string): string | undefined {
  const parameters = contentType.matchAll(/;\s*([^\s=;"]+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^\s;"]+))/g);
  for (const [, name = "", quoted, plain] of parameters) {
    if (name.toLowerCase() !== "boundary") continue;
    const value = (quoted?.replaceAll(/\\(.)/g, "$1") ?? plain ?? "").trimEnd();
    return value === "" ? undefined : value;
  }
  return undefined;
}
