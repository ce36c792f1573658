/** Lines from outside for a terminal: each made safe, the line ends kept. */
import { cleanBytes } from "../../base/text.ts";

const LINE_MAX = 2000; // characters

export function cleanLines(bytes: Buffer): string {
  let text = "";
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(10, start);
    let end = newline < 0 ? bytes.length : newline;
    const next = end + 1;
    if (end > start && bytes[end - 1] === 13) end -= 1;
    // A tab is harmless, and stands at the start of folded lines.
    const line = bytes.subarray(start, end).toString("latin1").split("\t");
    text += `${line.map((part) => cleanBytes(Buffer.from(part, "latin1"), LINE_MAX)).join("\t")}\n`;
    start = next;
  }
  return text;
}
