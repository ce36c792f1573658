/** Items of which one may hold what divides others, in braces: `a {b c} inline:{d = e}`. */
import { shown, ValueError } from "./values.ts";

/** Divided by commas and white space. `divider`: by these characters instead. Throws ValueError. */
export function splitOutsideBraces(text: string, divider = /[\s,]/): string[] {
  const items: string[] = [];
  let item = "";
  let depth = 0;
  for (const char of text) {
    if (char === "{") depth++;
    if (char === "}" && --depth < 0) throw new ValueError(`bad value: ${shown(text)} ("}" without "{")`);
    if (depth > 0 || !divider.test(char)) item += char;
    else if (item !== "") {
      items.push(item);
      item = "";
    }
  }
  if (depth > 0) throw new ValueError(`bad value: ${shown(text)} ("{" without "}")`);
  if (item !== "") items.push(item);
  return items;
}

/** What is inside, if the whole text stands in braces: in one pair, not in several as `{a} {b}`. */
export function withoutBraces(text: string): string {
  if (!text.startsWith("{")) return text;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "{") depth++;
    if (text[at] === "}" && --depth === 0) return at === text.length - 1 ? text.slice(1, at).trim() : text;
  }
  return text;
}
