/** Text beyond ASCII in header fields: RFC 2047 encoded words, always UTF-8 in base 64. */

const MAX_BYTES = 45; // of UTF-8 in one word: 60 characters of base 64 + 12 around them stay below 75
const PRINTABLE = /^[\t -~]*$/;

/** Unstructured text (a Subject): as it is if printable ASCII, else encoded words parted by spaces. */
export function encodeText(text: string): string {
  if (PRINTABLE.test(text) && !text.includes("=?")) return text;
  const words: string[] = [];
  let chunk = "";
  let size = 0;
  for (const char of text.toWellFormed()) {
    const bytes = Buffer.byteLength(char);
    if (size + bytes > MAX_BYTES) {
      words.push(encodeWord(chunk));
      chunk = "";
      size = 0;
    }
    chunk += char;
    size += bytes;
  }
  if (chunk !== "") words.push(encodeWord(chunk));
  return words.join(" ");
}

function encodeWord(chunk: string): string {
  return `=?utf-8?B?${Buffer.from(chunk).toString("base64")}?=`;
}

/** A display name before `<address>`: atoms, a quoted string, or encoded words (RFC 5322 3.2.5, RFC 2047 5 (3)). */
export function encodePhrase(name: string): string {
  if (!PRINTABLE.test(name) || name.includes("=?")) return encodeText(name);
  if (/^[\w!#$%&'*+/=?^`{|}~ -]*$/.test(name)) return name;
  return `"${name.replaceAll(/["\\]/g, "\\$&")}"`;
}
