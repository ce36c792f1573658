/**
 * Lines longer than a server need take (RFC 5321 4.5.3.1.6) are broken by CRLF and a space, as Postfix does it: in a
 * header that is folding, in a body it is a line break, and no worse than what a server would do to it.
 */
import type { Encoder } from "./outgoing.ts";

const LF = 10;
const CR = 13;
const CR_ALONE = Buffer.from("\r");
const BREAK = Buffer.from("\r\n ");

/**
 * Looks at hardly more than one byte in a thousand where no line is long. `column`: how much of the first line went
 * before. A line at the end, without line end, counts like others.
 */
export function hasLongLine(bytes: Buffer, limit: number, column = 0): boolean {
  let start = -column;
  while (bytes.length - start > limit) {
    const last = bytes.lastIndexOf(LF, start + limit + 1); // with CRLF
    if (last < Math.max(0, start)) return true;
    start = last + 1;
  }
  return false;
}

/** For content in pieces. */
export class LineBreaker implements Encoder {
  readonly #limit: number; // bytes, without CRLF
  #column = 0; // bytes of the line so far
  #heldCr = false; // which may be half a line end

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(piece: Buffer): Buffer {
    const all = this.#heldCr ? Buffer.concat([CR_ALONE, piece]) : piece;
    this.#heldCr = all.at(-1) === CR;
    const chunk = this.#heldCr ? all.subarray(0, -1) : all;
    if (hasLongLine(chunk, this.#limit, this.#column)) return this.#rewrite(chunk);
    const last = chunk.lastIndexOf(LF);
    this.#column = last < 0 ? this.#column + chunk.length : chunk.length - last - 1;
    return chunk;
  }

  end(): Buffer {
    return this.#heldCr ? CR_ALONE : CR_ALONE.subarray(1);
  }

  #rewrite(chunk: Buffer): Buffer {
    const parts: Buffer[] = [];
    for (let from = 0; from < chunk.length; ) {
      const lf = chunk.indexOf(LF, from);
      const end = lf < 0 ? chunk.length : lf + 1;
      const lineEnd = lf < 0 ? 0 : chunk[lf - 1] === CR && lf > from ? 2 : 1;
      while (end - lineEnd > from && end - lineEnd - from > this.#limit - this.#column) {
        const cut = wholeCharacters(chunk, from, from + Math.max(0, this.#limit - this.#column));
        parts.push(chunk.subarray(from, cut), BREAK);
        from = cut;
        this.#column = 1;
      }
      parts.push(chunk.subarray(from, end));
      this.#column = lf < 0 ? this.#column + end - from : 0;
      from = end;
    }
    return Buffer.concat(parts);
  }
}

/** Not in the middle of a UTF-8 character, if that can be helped. */
function wholeCharacters(bytes: Buffer, from: number, cut: number): number {
  let at = cut;
  while (at > from && at > cut - 4 && isContinuation(bytes[at])) at--;
  return at > from && !isContinuation(bytes[at]) ? at : cut;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x80 && byte <= 0xbf;
}
