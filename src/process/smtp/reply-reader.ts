/**
 * Replies out of a stream of bytes (RFC 5321 4.2). A reply whose lines do not agree, or a line that is none, is
 * reported as such and not guessed at; what is kept is bounded, whatever the server sends.
 */

export type Reading =
  | { readonly kind: "reply"; readonly code: number; readonly text: string } // lines joined by \n, bytes as latin1
  | { readonly kind: "malformed"; readonly text: string }
  | { readonly kind: "overflow"; readonly text: string };

const MAX_LINE = 64 * 1024; // RFC 5321 4.5.3.1.5 says 512; nobody needs this
const MAX_REPLY = 1024 * 1024;
const MAX_KEPT = 8 * 1024; // of the text of one reply

export class ReplyReader {
  #buffer = ""; // bytes not yet read, as latin1
  #code = 0; // of the reply being read; 0: none
  #text = "";
  #seen = 0; // bytes of the reply being read
  #disagrees = false;

  push(chunk: Buffer): void {
    this.#buffer += chunk.toString("latin1");
  }

  /** Something has come that no reply so far accounts for. */
  get pending(): boolean {
    return this.#buffer !== "" || this.#code !== 0;
  }

  /** The same, but for empty lines, which do no harm. */
  get hasMore(): boolean {
    return this.#code !== 0 || this.#buffer.trim() !== "";
  }

  clear(): void {
    this.#buffer = "";
    this.#reset();
  }

  /** The next whole reply, or undefined until more has come. */
  next(): Reading | undefined {
    let start = 0;
    for (;;) {
      const end = this.#buffer.indexOf("\n", start);
      if (end < 0) break;
      const line = this.#buffer.slice(start, this.#buffer.charCodeAt(end - 1) === 13 && end > start ? end - 1 : end);
      start = end + 1;
      const reading = this.#line(line);
      if (reading === undefined) continue;
      this.#buffer = reading.kind === "overflow" ? "" : this.#buffer.slice(start);
      return reading;
    }
    if (start > 0) this.#buffer = this.#buffer.slice(start);
    return this.#buffer.length > MAX_LINE ? this.#overflow(this.#buffer) : undefined;
  }

  #line(line: string): Reading | undefined {
    this.#seen += line.length + 2;
    if (line.length > MAX_LINE || this.#seen > MAX_REPLY) return this.#overflow(line);
    const code = codeOf(line);
    // An empty line between replies is noise that does no harm.
    if (code === 0 && line.trim() === "" && this.#code === 0) return undefined;
    if (this.#text === "") this.#text = line.slice(0, MAX_KEPT);
    else if (this.#text.length < MAX_KEPT) this.#text += `\n${line.slice(0, MAX_KEPT)}`;
    if (code === 0) return this.#finish("malformed");
    if (this.#code !== 0 && code !== this.#code) this.#disagrees = true;
    this.#code = code;
    if (line.charCodeAt(3) === 45) return undefined;
    return this.#finish(this.#disagrees ? "malformed" : "reply");
  }

  #finish(kind: "reply" | "malformed"): Reading {
    const code = this.#code;
    const text = this.#text;
    this.#reset();
    return kind === "reply" ? { kind, code, text } : { kind, text };
  }

  /** There is no telling where it would have ended: nothing behind it counts. */
  #overflow(line: string): Reading {
    const text = (this.#text || line).slice(0, MAX_KEPT);
    this.clear();
    return { kind: "overflow", text };
  }

  #reset(): void {
    this.#code = 0;
    this.#text = "";
    this.#seen = 0;
    this.#disagrees = false;
  }
}

/** Three digits, the first from 1 to 5, and then a space, a hyphen or nothing; else 0. */
function codeOf(line: string): number {
  const next = line.charCodeAt(3);
  if (line.length > 3 && next !== 32 && next !== 45) return 0;
  const first = line.charCodeAt(0) - 48;
  const second = line.charCodeAt(1) - 48;
  const third = line.charCodeAt(2) - 48;
  const areDigits = first >= 1 && first <= 5 && second >= 0 && second <= 9 && third >= 0 && third <= 9;
  return areDigits ? first * 100 + second * 10 + third : 0;
}
