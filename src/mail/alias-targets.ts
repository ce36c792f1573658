/**
 * The right-hand side of an alias, as in aliases(5): targets divided by commas, each in one of the forms below. A
 * comma, a space or a colon within quotes belongs to its target.
 */

export type AliasTarget =
  | { readonly kind: "address"; readonly text: string } // as written: user, user@domain, "odd user"@domain
  | { readonly kind: "final"; readonly text: string } // \user: that mailbox, whatever aliases say of it
  | { readonly kind: "include"; readonly path: string } // :include:/path: the targets that the file lists
  | { readonly kind: "command" | "file"; readonly text: string }; // |command, /path, "|command with spaces"

const INCLUDE = ":include:";

/** Pure; what is no address shows when it is read as one. Empty targets are passed over. */
export function parseAliasTargets(value: string): AliasTarget[] {
  return splitTargets(value).map(targetOf);
}

/** The file that :include: names: as the right-hand side of an alias, on lines of its own, with `#` comments. */
export function parseIncludedTargets(text: string): AliasTarget[] {
  return text.split(/\r?\n/).flatMap((line) => (line.trimStart().startsWith("#") ? [] : parseAliasTargets(line)));
}

function targetOf(written: string): AliasTarget {
  const isQuoted = /^"(?:[^"\\]|\\.)*"$/s.test(written);
  const text = isQuoted ? written.slice(1, -1).replaceAll(/\\(.)/gs, "$1") : written;
  if (text.startsWith("|")) return { kind: "command", text };
  if (text.startsWith("/")) return { kind: "file", text };
  if (text.toLowerCase().startsWith(INCLUDE)) return { kind: "include", path: text.slice(INCLUDE.length).trim() };
  if (!isQuoted && written.startsWith("\\")) return { kind: "final", text: written.slice(1) };
  return { kind: "address", text: written };
}

function splitTargets(value: string): string[] {
  const targets: string[] = [];
  let target = "";
  let inQuotes = false;
  for (let at = 0; at < value.length; at++) {
    const char = value.charAt(at);
    if (char === "," && !inQuotes) {
      targets.push(target);
      target = "";
      continue;
    }
    if (char === '"') inQuotes = !inQuotes;
    target += inQuotes && char === "\\" ? char + value.charAt(++at) : char;
  }
  return [...targets, target].map((each) => each.trim()).filter((each) => each !== "");
}
