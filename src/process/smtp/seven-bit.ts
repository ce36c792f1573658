/**
 * A message for a server without 8BITMIME (RFC 6152 3): the parts with 8-bit content become quoted-printable, if they
 * are text, or base64; what is in them stays what it was. First a survey of all parts, since the header of a part goes
 * out before its body is known; then the encoding itself.
 *
 * What cannot be converted without a loss is refused (5.6.3): headers with 8-bit text, parts under a signature, and
 * parts that say that they are encoded and are not.
 */
import { isAscii } from "node:buffer";
import { clean } from "../../base/text.ts";
import { findField, splitHeader } from "../../mail/header.ts";
import type { Encoder } from "./outgoing.ts";
import { isIdentityEncoding, MalformedMime, MimeWalk, type Part, type Visitor } from "./mime-walk.ts";
import { QuotedPrintable } from "./quoted-printable.ts";

/** For each part in the order in which they come: it is a leaf with 8-bit content. */
export type Plan = readonly boolean[];

/** `push` and `end` throw MalformedMime with the reason when the message cannot be converted. */
export class Survey {
  readonly #parts: boolean[] = [];
  #hasEightBit = false;
  readonly #walk = new MimeWalk({
    header: (_part, header) => {
      if (!isAscii(header)) throw new MalformedMime("8-bit text in a header");
      this.#parts.push(false);
    },
    body: (part, piece) => {
      if (isAscii(piece)) return;
      if (part.isSigned) throw new MalformedMime("8-bit text under a signature");
      if (!isIdentityEncoding(part.encoding))
        throw new MalformedMime(`8-bit text in a part in ${clean(part.encoding, 40)}`);
      // RFC 2046 5.2: no other encoding is allowed for them. message/global* may have any (RFC 6532 3.7).
      const isMessage = part.type.startsWith("message/") && !part.type.startsWith("message/global");
      if (isMessage || part.type.startsWith("multipart/"))
        throw new MalformedMime(`8-bit text in a part of ${part.type}`);
      this.#parts[this.#parts.length - 1] = true;
      this.#hasEightBit = true;
    },
    leafEnd() {},
    between: (bytes, isSigned) => {
      if (isAscii(bytes)) return;
      if (isSigned) throw new MalformedMime("8-bit text under a signature");
      this.#hasEightBit = true;
    },
  });

  push(chunk: Buffer): void {
    this.#walk.push(chunk);
  }

  /** undefined: all of it is ASCII. */
  end(): Plan | undefined {
    this.#walk.end();
    return this.#hasEightBit ? this.#parts : undefined;
  }
}

/** Encodes what a survey has found, of the same bytes. */
export class SevenBit implements Encoder, Visitor {
  readonly #plan: Plan;
  readonly #walk = new MimeWalk(this);
  #out: Buffer[] = [];
  #next = 0; // part
  #body: BodyEncoder | undefined; // of the leaf; undefined: it goes out as it is

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  push(chunk: Buffer): Buffer {
    this.#walk.push(chunk);
    return this.#take();
  }

  end(): Buffer {
    this.#walk.end();
    return this.#take();
  }

  header(part: Part, header: Buffer): void {
    const isEncoded = this.#plan[this.#next++] === true;
    this.#body = undefined;
    if (isEncoded) this.#body = part.type.startsWith("text/") ? new TextBody() : new BinaryBody();
    // What is signed stays as it is, though it be ASCII under the name of 8bit.
    const isMislabelled = !part.isSigned && (part.encoding === "8bit" || part.encoding === "binary");
    const encoding = this.#body?.encoding ?? (isMislabelled ? "7bit" : undefined);
    this.#out.push(encoding === undefined ? header : withEncoding(header, part, encoding));
  }

  body(_part: Part, piece: Buffer, isLineEnd: boolean): void {
    if (this.#body !== undefined) this.#out.push(this.#body.encode(piece, isLineEnd));
    // The piece may be of a buffer that is used again.
    else this.#out.push(Buffer.from(piece), Buffer.from(isLineEnd ? "\r\n" : ""));
  }

  leafEnd(_part: Part, atBoundary: boolean): void {
    if (this.#body !== undefined) this.#out.push(this.#body.end(atBoundary));
    this.#body = undefined;
  }

  /** No reader shows it (RFC 2046 5.1.1), so that what it says beyond ASCII may go. */
  between(bytes: Buffer): void {
    this.#out.push(isAscii(bytes) ? Buffer.from(bytes) : Buffer.from(bytes.map((byte) => (byte > 127 ? 63 : byte))));
  }

  #take(): Buffer {
    const out = Buffer.concat(this.#out);
    this.#out = [];
    return out;
  }
}

interface BodyEncoder {
  readonly encoding: "quoted-printable" | "base64";
  encode(piece: Buffer, isLineEnd: boolean): Buffer;
  end(atBoundary: boolean): Buffer;
}

class TextBody implements BodyEncoder {
  readonly encoding = "quoted-printable";
  readonly #lines = new QuotedPrintable();

  encode(piece: Buffer, isLineEnd: boolean): Buffer {
    return this.#lines.encode(piece, isLineEnd);
  }
  end(): Buffer {
    return this.#lines.end();
  }
}

const GROUP = 57; // bytes that make a line of 76 characters

class BinaryBody implements BodyEncoder {
  readonly encoding = "base64";
  #rest: Buffer = Buffer.alloc(0);
  #owesLineEnd = false; // the last one may belong to the boundary

  encode(piece: Buffer, isLineEnd: boolean): Buffer {
    const bytes = Buffer.concat([this.#rest, Buffer.from(this.#owesLineEnd ? "\r\n" : ""), piece]);
    this.#owesLineEnd = isLineEnd;
    const whole = bytes.length - (bytes.length % GROUP);
    this.#rest = bytes.subarray(whole);
    return encodeLines(bytes.subarray(0, whole));
  }

  end(atBoundary: boolean): Buffer {
    const lineEnd = Buffer.from(this.#owesLineEnd && !atBoundary ? "\r\n" : "");
    return encodeLines(Buffer.concat([this.#rest, lineEnd]));
  }
}

function encodeLines(bytes: Buffer): Buffer {
  let text = "";
  for (let at = 0; at < bytes.length; at += GROUP) text += `${bytes.toString("base64", at, at + GROUP)}\r\n`;
  return Buffer.from(text, "latin1");
}

/** The header with another encoding, and with what a reader needs in order to heed it. */
function withEncoding(header: Buffer, part: Part, encoding: string): Buffer {
  const split = splitHeader(header);
  const old = findField(split, "content-transfer-encoding");
  const added = [`Content-Transfer-Encoding: ${encoding}`];
  if (part.isMessage && findField(split, "mime-version") === undefined) added.unshift("MIME-Version: 1.0");
  // RFC 1428 3: text in nobody knows which character set.
  if (part.type === "text/plain" && findField(split, "content-type") === undefined && encoding !== "7bit") {
    added.push("Content-Type: text/plain; charset=unknown-8bit");
  }
  const start = old?.start ?? split.headerEnd;
  const end = old?.end ?? split.headerEnd;
  const blank = split.ending === "blank" ? "" : "\r\n";
  const fields = Buffer.from(`${added.join("\r\n")}\r\n`);
  return Buffer.concat([header.subarray(0, start), fields, header.subarray(end), Buffer.from(blank)]);
}
