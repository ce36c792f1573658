/** A program's opening comment as its help: the two are the same text, and stay so. */
import { readFileSync } from "node:fs";

export function openingComment(file: string): string {
  const source = readFileSync(file, "utf8");
  return source
    .slice(source.indexOf(" * ") + 3, source.indexOf("\n */"))
    .replaceAll("\n * ", "\n")
    .replaceAll("\n *", "\n");
}
