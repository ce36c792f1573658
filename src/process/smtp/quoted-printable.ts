/** Quoted-printable (RFC 2045 6.7), line by line: hard line breaks stay where they are. */

const MAX_LINE = 76; // characters, with the = of a soft line break
const SPACE = 32;
const TAB = 9;
const EQUALS = 61;
const HEX = "0123456789ABCDEF";

/** Lines that come in pieces of any length; a space or tab is only safe when it is known what comes behind it. */
export class QuotedPrintable {
  #column = 0;
  #held = -1; // a space or tab at the end of what has come

  /** A piece of a line, without line end; `isEnd`: the line ends behind it. */
  encode(piece: Buffer, isEnd: boolean): Buffer {
    let out = "";
    for (const byte of piece) {
      if (this.#held >= 0) out += this.#put(String.fromCharCode(this.#held));
      this.#held = byte === SPACE || byte === TAB ? byte : -1;
      if (this.#held < 0) out += this.#put(isPlain(byte) ? String.fromCharCode(byte) : escaped(byte));
    }
    return Buffer.from(isEnd ? `${out}${this.#endLine()}\r\n` : out, "latin1");
  }

  /** What is left when the text ends without a line end. */
  end(): Buffer {
    return Buffer.from(this.#endLine(), "latin1");
  }

  #endLine(): string {
    const last = this.#held >= 0 ? this.#put(escaped(this.#held)) : "";
    this.#held = -1;
    this.#column = 0;
    return last;
  }

  #put(text: string): string {
    const fits = this.#column + text.length < MAX_LINE;
    this.#column = fits ? this.#column + text.length : text.length;
    return fits ? text : `=\r\n${text}`;
  }
}

function isPlain(byte: number): boolean {
  return byte >= 33 && byte <= 126 && byte !== EQUALS;
}

function escaped(byte: number): string {
  return `=${HEX.charAt(byte >> 4)}${HEX.charAt(byte & 15)}`;
}
