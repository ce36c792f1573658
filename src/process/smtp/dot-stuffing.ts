/**
 * A message as it goes over the wire: lines ended by CRLF and by nothing else, a dot before each that begins with one
 * (RFC 5321 4.5.2), and the lone dot only where the message ends. What the spool holds has CRLF already; but if a bare
 * CR or LF ever stood before a dot, some server would take it for the end and the rest for commands, so such content
 * is put right here, whoever wrote it.
 */

const CR = 13;
const LF = 10;
const DOT = 46;
const CRLF = Buffer.from("\r\n");

/** What remains to be sent behind content that is sent as it is; undefined if it must be stuffed first. */
export function plainEnd(content: Buffer): string | undefined {
  if (content.length === 0) return ".\r\n";
  const isClosed = content.at(-1) === LF && content.at(-2) === CR;
  if (content[0] === DOT || !isClosed || content.includes("\n.") || content.includes("\r.")) return undefined;
  return ".\r\n";
}

/** Lines are ended by CRLF and by nothing else, the last one too. */
export function hasOnlyCrlf(content: Buffer): boolean {
  if (content.at(-1) !== LF) return false;
  for (let at = content.indexOf(LF); at >= 0; at = content.indexOf(LF, at + 1)) {
    if (content[at - 1] !== CR) return false;
  }
  for (let at = content.indexOf(CR); at >= 0; at = content.indexOf(CR, at + 1)) {
    if (content[at + 1] !== LF) return false;
  }
  return true;
}

/** For content in pieces, however they are cut. `end` gives what closes the message, with the lone dot. */
export class DotStuffer {
  #last = LF; // the byte before the next one
  #heldCr = false; // a CR at the end of a piece, of which it is not known whether an LF follows

  push(chunk: Buffer): Buffer {
    if (chunk.length === 0) return chunk;
    if (!this.#heldCr && this.#isPlain(chunk)) {
      if (chunk.at(-1) === CR) {
        this.#heldCr = true;
        return chunk.subarray(0, -1);
      }
      this.#last = chunk.at(-1) ?? LF;
      return chunk;
    }
    return this.#rewrite(chunk);
  }

  end(): Buffer {
    if (this.#heldCr) {
      this.#heldCr = false;
      this.#last = LF;
      return Buffer.from("\r\n.\r\n");
    }
    const isClosed = this.#last === LF;
    this.#last = LF;
    return Buffer.from(isClosed ? ".\r\n" : "\r\n.\r\n");
  }

  /** Nothing in it needs a change. */
  #isPlain(chunk: Buffer): boolean {
    if (this.#last === LF && chunk[0] === DOT) return false;
    for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, at + 1)) {
      if (chunk[at - 1] !== CR || chunk[at + 1] === DOT) return false;
    }
    for (let at = chunk.indexOf(CR); at >= 0; at = chunk.indexOf(CR, at + 1)) {
      if (at + 1 < chunk.length && chunk[at + 1] !== LF) return false;
    }
    return true;
  }

  #rewrite(chunk: Buffer): Buffer {
    const parts: Buffer[] = [];
    let from = 0;
    if (this.#heldCr) {
      this.#heldCr = false;
      parts.push(CRLF);
      this.#last = LF;
      if (chunk[0] === LF) from = 1;
    }
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at];
      if (byte === DOT && this.#last === LF) {
        parts.push(chunk.subarray(from, at), Buffer.from("."));
        from = at;
      } else if (byte === CR || byte === LF) {
        parts.push(chunk.subarray(from, at));
        if (byte === CR && at + 1 === chunk.length) {
          this.#heldCr = true;
          return Buffer.concat(parts);
        }
        if (byte === CR && chunk[at + 1] === LF) at++;
        parts.push(CRLF);
        from = at + 1;
        this.#last = LF;
        continue;
      }
      this.#last = byte ?? LF;
    }
    parts.push(chunk.subarray(from));
    return Buffer.concat(parts);
  }
}
