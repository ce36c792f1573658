/** JSON as `postqueue -j` writes it: one object a line, `", "` and `": "` between, nothing a terminal would obey. */

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json | undefined };

/** One line with its newline. Members that are undefined are left out. */
export function jsonLine(value: Json): string {
  return `${spaced(value)}\n`;
}

function spaced(value: Json): string {
  if (value === null || typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value === "string") return quoted(value);
  if (isArray(value)) return `[${value.map(spaced).join(", ")}]`;
  const members: string[] = [];
  for (const [name, member] of Object.entries(value)) {
    if (member !== undefined) members.push(`${quoted(name)}: ${spaced(member)}`);
  }
  return `{${members.join(", ")}}`;
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

// What JSON leaves as it is and a terminal might obey: DEL, C1, directions, invisible characters.
const UNSAFE = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

function quoted(text: string): string {
  const json = JSON.stringify(text);
  return json.replace(UNSAFE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Milliseconds as whole seconds, as postqueue has times; null where there is none. */
export function seconds(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.floor(ms / 1000);
}
