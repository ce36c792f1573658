/**
 * The hash of a body in relaxed canonical form (RFC 6376 3.4.4): runs of blanks count as one space, blanks at line ends
 * and empty lines at the end count nothing. In pieces, however they are cut, and flat in memory.
 */
import { createHash } from "node:crypto";

const NEWLINES = "\r\n".repeat(4096);

export class RelaxedBodyHash {
  readonly #hash = createHash("sha256");
  #isEmpty = true;
  // White space at the end of what has come: it counts only if something comes behind it.
  #lineEnds = 0;
  #hasBlank = false; // behind the last of these
  #heldCr = false;

  push(chunk: Buffer): void {
    let text = chunk.toString("latin1");
    if (this.#heldCr) text = `\r${text}`;
    this.#heldCr = text.endsWith("\r");
    if (this.#heldCr) text = text.slice(0, -1);
    const end = lastVisible(text) + 1;
    if (end > 0) {
      this.#release();
      const visible = this.#hasBlank ? ` ${text.slice(0, end)}` : text.slice(0, end);
      this.#hash.update(canonical(visible), "latin1");
      this.#isEmpty = false;
      this.#hasBlank = false;
    }
    for (let at = end; at < text.length; at++) {
      const char = text.charAt(at);
      if (char === "\n") {
        this.#lineEnds++;
        this.#hasBlank = false;
      } else if (char !== "\r") this.#hasBlank = true;
    }
  }

  /** In base64. */
  digest(): string {
    if (!this.#isEmpty) this.#hash.update("\r\n");
    return this.#hash.digest("base64");
  }

  #release(): void {
    for (; this.#lineEnds > 0; this.#lineEnds -= Math.min(this.#lineEnds, 4096)) {
      this.#hash.update(NEWLINES.slice(0, 2 * this.#lineEnds));
    }
  }
}

function lastVisible(text: string): number {
  let at = text.length - 1;
  while (at >= 0 && " \t\r\n".includes(text.charAt(at))) at--;
  return at;
}

function canonical(text: string): string {
  if (!text.includes("\t") && !text.includes("  ") && !text.includes(" \r")) return text;
  return text.replaceAll(/[ \t]+/g, " ").replaceAll(" \r\n", "\r\n");
}
