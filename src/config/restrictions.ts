/**
 * The smtpd_*_restrictions: lists of words that are worked off in their order until one of them decides. A list is
 * read once, here; what the words do is in process/smtpd/restrict/.
 */
import { splitOutsideBraces } from "./braces.ts";
import { parseTable, type TableSpec } from "./maps.ts";
import { parseZone, type Zone } from "./dnsbl-zone.ts";
import {
  ABSENT_WORDS,
  FORMER_WORDS,
  isRestrictionWord,
  RESTRICTION_WORDS,
  type RestrictionWord,
  type WordWith,
} from "./restriction-words.ts";
import { type Kind, shown, ValueError } from "./values.ts";

export type Restriction = { readonly onlyWarns: boolean } & ( // warn_if_reject stood before it
  | { readonly word: WordWith<"nothing"> }
  | { readonly word: WordWith<"table">; readonly tables: readonly TableSpec[] } // one
  | { readonly word: WordWith<"zone">; readonly zone: Zone }
  | { readonly word: "sleep"; readonly ms: number }
  | { readonly word: "class"; readonly name: string } // of smtpd_restriction_classes
);

/** Lists by the names of smtpd_restriction_classes. */
export type Classes = ReadonlyMap<string, readonly Restriction[]>;

const MOST_SLEEP_S = 30;

/** `bare`: what a table that stands alone means; undefined: it may not. */
export function restrictions(bare?: WordWith<"table">): Kind<readonly Restriction[]> {
  return {
    name: "restrictions",
    takes: "list of restrictions, divided by commas or white space, with their tables and zones",
    parse: (text, directory) => Object.freeze([...readRestrictions(splitOutsideBraces(text), directory, bare)]),
  };
}

export function isRestrictions(kind: Kind<unknown>): boolean {
  return kind.name === "restrictions";
}

function* readRestrictions(
  items: readonly string[],
  directory: string,
  bare: WordWith<"table"> | undefined,
): Generator<Restriction> {
  let onlyWarns = false;
  for (let at = 0; at < items.length; at++) {
    const item = items[at] ?? "";
    if (item.toLowerCase() === "warn_if_reject") {
      onlyWarns = true;
      continue;
    }
    const word = bareTable(item, bare) ?? item.toLowerCase();
    if (!isRestrictionWord(word)) {
      yield Object.freeze({ word: "class", name: className(item), onlyWarns });
    } else if (word !== item.toLowerCase()) {
      yield build(word, item, directory, onlyWarns);
    } else {
      const takesMore = RESTRICTION_WORDS[word] !== "nothing";
      if (takesMore) at++;
      yield build(word, takesMore ? (items[at] ?? "") : "", directory, onlyWarns);
    }
    onlyWarns = false;
  }
  if (onlyWarns) throw new ValueError("warn_if_reject stands at the end: it is for the restriction behind it");
}

function bareTable(item: string, bare: WordWith<"table"> | undefined): WordWith<"table"> | undefined {
  if (!item.includes(":")) return undefined;
  if (bare !== undefined) return bare;
  throw new ValueError(`bad restriction: ${shown(item)} (write check_client_access or another word before a table)`);
}

/** What is no word may be a class; whether it is one is known when all of main.cf is read. */
function className(item: string): string {
  const lower = item.toLowerCase();
  const today = Object.hasOwn(FORMER_WORDS, lower) ? FORMER_WORDS[lower] : undefined;
  if (today !== undefined) throw new ValueError(`bad restriction: ${shown(item)} (write ${today})`);
  if (ABSENT_WORDS.has(lower)) throw new ValueError(`bad restriction: ${shown(item)} (there is none here)`);
  return item;
}

function build(word: RestrictionWord, behind: string, directory: string, onlyWarns: boolean): Restriction {
  const takes = RESTRICTION_WORDS[word];
  if (takes !== "nothing" && behind === "") throw new ValueError(`bad restriction: ${word} (${WANTED[takes]})`);
  if (takes === "table") {
    if (!behind.includes(":")) throw new ValueError(`bad restriction: ${word} ${shown(behind)} (${WANTED.table})`);
    const tables = Object.freeze([parseTable(behind, directory)]);
    return Object.freeze({ word: word as WordWith<"table">, tables, onlyWarns });
  }
  if (takes === "zone") return Object.freeze({ word: word as WordWith<"zone">, zone: parseZone(behind), onlyWarns });
  if (takes === "nothing") return Object.freeze({ word: word as WordWith<"nothing">, onlyWarns });
  if (!/^\d{1,9}$/.test(behind) || Number(behind) > MOST_SLEEP_S) {
    throw new ValueError(`bad restriction: sleep ${shown(behind)} (${WANTED.seconds})`);
  }
  return Object.freeze({ word: "sleep", ms: Number(behind) * 1000, onlyWarns });
}

const WANTED = {
  table: "a table must follow, as texthash:/etc/sces/access",
  zone: "a zone must follow, as dnsbl.example or dnsbl.example=127.0.0.[2..9]",
  seconds: `a number of seconds must follow, at most ${MOST_SLEEP_S}`,
};
