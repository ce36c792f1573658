/** Changes to the text of main.cf that leave everything else as it is: comments, order, blank lines. */
import { parseMainCf } from "./main-cf.ts";

/** set: a new value; remove: the entry goes; comment: the entry stays, behind a `#`. */
export type Change =
  | { readonly kind: "set"; readonly value: string }
  | { readonly kind: "remove" }
  | { readonly kind: "comment" };

/**
 * The text with the changes made. Of a name that stands there more than once the first place keeps the new value and
 * the others go, as postconf does it. Comments inside a value stay. New names are added at the end.
 */
export function editMainCf(text: string, changes: ReadonlyMap<string, Change>): string {
  const lineEnd = text.includes("\r\n") ? "\r\n" : "\n";
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  const replaced = new Map<number, string | undefined>(); // by index of the line; undefined: it goes
  const done = new Set<string>();

  for (const { name, line, end } of parseMainCf(text, "").entries) {
    const change = changes.get(name);
    if (change === undefined) continue;
    for (let index = line - 1; index < end; index++) {
      const own = lines[index] ?? "";
      if (/^\s*(#|$)/.test(own)) continue;
      replaced.set(index, change.kind === "comment" ? `#${own}` : undefined);
    }
    if (change.kind === "set" && !done.has(name)) replaced.set(line - 1, `${name} = ${change.value}`);
    done.add(name);
  }

  const kept = lines.flatMap((line, index) => {
    const now = replaced.has(index) ? replaced.get(index) : line;
    return now === undefined ? [] : [now];
  });
  for (const [name, change] of changes) {
    if (change.kind === "set" && !done.has(name)) kept.push(`${name} = ${change.value}`);
  }
  return kept.map((line) => line + lineEnd).join("");
}
