/**
 * What comes between DATA and the final dot, turned into the content of a message: dots unstuffed (RFC 5321 4.5.2),
 * every line ended by CRLF, NULs noticed.
 *
 * Only CR LF . CR LF ends the data, never any sequence with a bare CR or LF in it (SMTP smuggling, CVE-2023-51764):
 * bare ones become line ends of the content. States, between two bytes:
 *
 *   LINE          at the start of the data or behind CR LF   dot -> AFTER_DOT, CR -> AFTER_CR, else TEXT
 *   TEXT          within a line, or behind a bare CR or LF   CR -> AFTER_CR, else TEXT
 *   AFTER_CR      the CR is passed on already                LF -> LINE, else it was bare: LF added, as in TEXT
 *   AFTER_DOT     the dot of a line's start is held back     CR -> AFTER_DOT_CR, else the dot is dropped, as in TEXT
 *   AFTER_DOT_CR  the CR too                                 LF -> the end, else the dot is dropped, as in AFTER_CR
 *
 * Almost all mail is regular but for its end. One regular expression finds where a chunk is not; what is before is
 * passed on as a slice of the chunk, and only the rest of such a chunk is copied byte by byte. (Measured: a loop over
 * bytes, or indexOf for each line, takes twice the time.)
 */
const LINE = 0;
const TEXT = 1;
const AFTER_CR = 2;
const AFTER_DOT = 3;
const AFTER_DOT_CR = 4;

const NUL = 0;
const LF = 10;
const CR = 13;
const DOT = 46;

// A bare CR, a bare LF, a NUL, or a dot at the start of a line. With `g` for lastIndex, which saves a match object.
const IRREGULAR = /\r(?!\n)|(?<!\r)\n|\0|\n\./g;

export class Content {
  /** Since the last `take`. Slices of what was fed: valid as long as the chunks are not written to. */
  pieces: Buffer[] = [];
  /** Of `pieces`, in bytes. */
  held = 0;
  /** Of all content so far, in bytes. */
  size = 0;
  /** Nothing is kept any more; the data is read to its end all the same. */
  isDiscarding = false;
  hasNul = false;
  hasBareLf = false;
  #state = LINE;

  /** Takes chunk[from ...]. Returns the offset behind the final dot's CRLF, or -1 if the data goes on. */
  feed(chunk: Buffer, from: number): number {
    let at = from;
    if (this.#startsLine(chunk, at)) {
      // Within a line again after three bytes, unless the chunk is odd anyhow.
      const few = Math.min(at + 3, chunk.length);
      const end = this.#feedBytes(chunk, at, few);
      if (end >= 0 || few === chunk.length) return end;
      at = few;
      if (this.#startsLine(chunk, at)) return this.#feedBytes(chunk, at, chunk.length);
    }
    IRREGULAR.lastIndex = 0;
    if (!IRREGULAR.test(chunk.toString("latin1", at))) {
      this.#keep(at === 0 ? chunk : chunk.subarray(at));
      if (chunk[chunk.length - 1] === LF) this.#state = LINE;
      return -1;
    }
    const odd = at + IRREGULAR.lastIndex - 1; // the last byte of the match
    this.#keep(chunk.subarray(at, odd));
    if (chunk[odd] !== DOT) return this.#feedBytes(chunk, odd, chunk.length);
    this.#state = LINE;
    if (chunk[odd + 1] === CR && chunk[odd + 2] === LF) return odd + 3;
    return this.#feedBytes(chunk, odd, chunk.length);
  }

  /** The pieces so far, which are then forgotten. */
  take(): Buffer[] {
    const { pieces } = this;
    this.pieces = [];
    this.held = 0;
    return pieces;
  }

  /** Undoes `take`. */
  putBack(piece: Buffer): void {
    this.pieces = [piece];
    this.held = piece.length;
  }

  /** From now on content is read and forgotten. */
  discard(): void {
    this.take();
    this.isDiscarding = true;
  }

  /** Whether the next byte needs the states; sets "text" where it does not. */
  #startsLine(chunk: Buffer, at: number): boolean {
    if (this.#state === LINE && chunk[at] !== DOT) this.#state = TEXT;
    return this.#state !== TEXT;
  }

  #keep(piece: Buffer): void {
    if (piece.length === 0) return;
    this.size += piece.length;
    if (this.isDiscarding) return;
    this.held += piece.length;
    this.pieces.push(piece);
  }

  /** The states, literally. Writes what it keeps into one new piece. */
  #feedBytes(chunk: Buffer, from: number, to: number): number {
    let out = Buffer.allocUnsafe(to - from + 16);
    let length = 0;
    let state = this.#state;
    let end = -1;
    let at = from;
    while (at < to) {
      const byte = chunk[at++] as number;
      if (byte > CR && state === TEXT) {
        out[length++] = byte;
        continue;
      }
      // There is always room for the bytes to come; bare line ends take more: at most three bytes for one.
      if (out.length - length < to - at + 3) {
        const wider = Buffer.allocUnsafe(out.length * 2);
        out.copy(wider, 0, 0, length);
        out = wider;
      }
      if (state !== TEXT) {
        if (state === LINE && byte === DOT) {
          state = AFTER_DOT;
          continue;
        }
        if (state === AFTER_DOT && byte === CR) {
          state = AFTER_DOT_CR;
          continue;
        }
        if (state === AFTER_DOT_CR) {
          if (byte === LF) {
            end = at;
            state = LINE;
            break;
          }
          out[length++] = CR;
          out[length++] = LF;
        } else if (state === AFTER_CR) {
          out[length++] = LF;
          if (byte === LF) {
            state = LINE;
            continue;
          }
        }
        state = TEXT;
      }
      if (byte === CR) state = AFTER_CR;
      else if (byte === LF) {
        this.hasBareLf = true;
        out[length++] = CR;
      } else if (byte === NUL) this.hasNul = true;
      out[length++] = byte;
    }
    this.#state = state;
    // A small message may be held for long: what it does not need of a large piece is given back.
    const piece = out.subarray(0, length);
    this.#keep(out.length - length > 4096 ? Buffer.from(piece) : piece);
    return end;
  }
}
