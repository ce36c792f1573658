/**
 * The command of a transport on pipe, as a list of arguments: no shell sees it. White space divides; an argument with
 * white space in it stands in braces. `${name}` stands for something of the message; each stays within its argument.
 */
import { splitOutsideBraces, withoutBraces } from "./braces.ts";
import { shown, ValueError, type Kind } from "./values.ts";

/** What may be asked of a recipient; an argument with one of these is repeated for each recipient. */
export const RECIPIENT_MACROS = ["recipient", "original_recipient", "user", "extension", "mailbox", "domain"] as const;
/** What may be asked of a delivery. */
export const DELIVERY_MACROS = ["sender", "nexthop", "queue_id", "size"] as const;
export const MACROS = [...RECIPIENT_MACROS, ...DELIVERY_MACROS] as const;
export type Macro = (typeof MACROS)[number];

/** Text, and in between macros; the first part is text, which may be empty. */
export interface Argument {
  readonly parts: readonly (string | { readonly macro: Macro })[];
}

export const commandLine: Kind<readonly Argument[]> = {
  name: "command",
  takes: `program with its whole path, and arguments; in them ${MACROS.map((macro) => `\${${macro}}`).join(", ")}`,
  parse(text) {
    const words = splitOutsideBraces(text, /\s/).map(withoutBraces);
    const [program] = words;
    if (program !== undefined && !program.startsWith("/")) {
      throw new ValueError(`bad command: ${shown(program)} (the program needs its whole path)`);
    }
    return Object.freeze(words.map(parseArgument));
  },
};

/** As it would be written. */
export function programOf(command: readonly Argument[]): string {
  return command[0]?.parts.filter((part) => typeof part === "string").join("") ?? "";
}

function parseArgument(word: string): Argument {
  const parts: (string | { readonly macro: Macro })[] = [];
  let at = 0;
  for (const match of word.matchAll(/\$\{([^}]*)\}/g)) {
    const macro = MACROS.find((known) => known === match[1]);
    if (macro === undefined) {
      throw new ValueError(`bad command: no such macro: ${shown(match[0])} (there are ${MACROS.join(", ")})`);
    }
    parts.push(word.slice(at, match.index), { macro });
    at = match.index + match[0].length;
  }
  parts.push(word.slice(at));
  return Object.freeze({ parts });
}
