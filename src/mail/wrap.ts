/** Plain text in lines. */

const WIDTH = 76; // characters
const LONGEST_WORD = 300; // characters, of at most 3 octets: a mail line ends at 998 octets (RFC 5321 4.5.3.1.6)

/**
 * The text in lines of at most 76 characters, broken at spaces, each after `indent`. A longer word stays whole, as it
 * may be an address to be copied, up to 300 characters. Runs of spaces become one.
 */
export function wrap(text: string, indent = ""): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    for (const piece of splitWord(word, LONGEST_WORD)) {
      if (line !== "" && indent.length + line.length + 1 + piece.length > WIDTH) {
        lines.push(indent + line);
        line = "";
      }
      line += line === "" ? piece : ` ${piece}`;
    }
  }
  if (line !== "") lines.push(indent + line);
  return lines;
}

/** Pieces of at most `max` characters; none ends between the halves of a surrogate pair. Nothing for no word. */
export function splitWord(word: string, max: number): string[] {
  const found: string[] = [];
  for (let start = 0; start < word.length; ) {
    const end = start + max;
    const code = word.charCodeAt(end);
    const cut = code >= 0xdc00 && code <= 0xdfff ? end - 1 : end;
    found.push(word.slice(start, cut));
    start = cut;
  }
  return found;
}
