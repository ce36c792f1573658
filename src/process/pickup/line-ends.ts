/**
 * Any text as the content of a message: every line ended by CRLF, the last one too. A CR or LF that stands alone is a
 * line end, so that nothing else can be taken for one later (SMTP smuggling). No string is made of the bytes: a large
 * file would leave so many that the process grows.
 */
import { isAscii } from "node:buffer";

const CR = 13;
const LF = 10;

export class LineEnds {
  /** Of what was given out so far, bytes. */
  size = 0;
  hasNul = false;
  has8bit = false;
  #holdsCr = false; // the last byte so far was a CR: what follows says what it is
  #last = LF;
  #out = Buffer.alloc(0);
  #written = 0; // of #out, in this chunk

  /** Valid until the next call, and no longer than `chunk` is. */
  push(chunk: Buffer): Buffer {
    if (chunk.length === 0) return chunk;
    this.hasNul ||= chunk.includes(0);
    this.has8bit ||= !isAscii(chunk);
    this.#written = 0;
    let kept = 0; // up to here it is in #out
    if (this.#holdsCr) {
      this.#holdsCr = false;
      if (chunk[0] === LF) kept = 1;
      this.#endLine(chunk, 0, 0);
    }
    let end = chunk.length;
    let cr = chunk.indexOf(CR, kept);
    let lf = chunk.indexOf(LF, kept);
    while (cr >= 0 || lf >= 0) {
      if (cr < 0 || (lf >= 0 && lf < cr)) {
        this.#endLine(chunk, kept, lf);
        kept = lf + 1;
        lf = chunk.indexOf(LF, kept);
      } else if (cr === chunk.length - 1) {
        this.#holdsCr = true; // what follows says what it is
        end = cr;
        break;
      } else if (cr + 1 === lf) {
        lf = chunk.indexOf(LF, cr + 2);
        cr = chunk.indexOf(CR, cr + 2);
      } else {
        this.#endLine(chunk, kept, cr);
        kept = cr + 1;
        cr = chunk.indexOf(CR, kept);
      }
    }
    if (this.#written === 0) return this.#give(chunk.subarray(kept, end));
    this.#written += chunk.copy(this.#out, this.#written, kept, end);
    return this.#give(this.#out.subarray(0, this.#written));
  }

  /** What is missing behind the last chunk. */
  end(): Buffer {
    const isOpen = this.#holdsCr || this.#last !== LF;
    this.#holdsCr = false;
    return this.#give(Buffer.from(isOpen ? "\r\n" : ""));
  }

  #give(bytes: Buffer): Buffer {
    this.size += bytes.length;
    this.#last = bytes[bytes.length - 1] ?? this.#last;
    return bytes;
  }

  /** Copies a line and ends it. Into one buffer that is used again: twice as long as the chunk is enough. */
  #endLine(chunk: Buffer, from: number, to: number): void {
    if (this.#out.length < 2 * chunk.length + 2) this.#out = Buffer.allocUnsafe(2 * chunk.length + 2);
    this.#written += chunk.copy(this.#out, this.#written, from, to);
    this.#out[this.#written++] = CR;
    this.#out[this.#written++] = LF;
  }
}
