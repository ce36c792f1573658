/**
 * Lookup tables as main.cf names them: `texthash:/etc/sces/transport, regexp:/etc/sces/more`. What is in a table is
 * read by whoever looks things up (tables.ts).
 */
import { isAbsolute, resolve } from "node:path";
import { splitOutsideBraces, withoutBraces } from "./braces.ts";
import { shown, ValueError, type Kind } from "./values.ts";

/** In files: texthash, regexp, pcre, cidr, and aliases (aliases(5): `name: value`). In main.cf itself: inline, static. */
export const TABLE_TYPES = ["texthash", "regexp", "pcre", "cidr", "aliases", "inline", "static"] as const;
export type TableType = (typeof TABLE_TYPES)[number];

export interface TableSpec {
  readonly type: TableType;
  readonly name: string; // an absolute path; of inline and static what is between the braces
}

/** Postfix's other types of file, which are made of the text that we read as it is. */
const COMPILED = new Set(["hash", "btree", "lmdb", "cdb", "dbm", "sdbm"]);

/** A list of tables. Relative paths are relative to the directory of main.cf. */
export const maps: Kind<readonly TableSpec[]> = {
  name: "tables",
  takes: `list of tables, type:name, the types being ${TABLE_TYPES.join(", ")}`,
  parse: (text, directory) => Object.freeze(splitOutsideBraces(text).map((item) => parseTable(item, directory))),
};

/** One table. Throws ValueError. */
export function parseTable(item: string, directory: string): TableSpec {
  const colon = item.indexOf(":");
  const type = item.slice(0, Math.max(0, colon));
  const name = item.slice(colon + 1);
  if (COMPILED.has(type)) {
    throw new ValueError(`bad table: ${shown(item)} (no compiled tables here: write texthash:${name})`);
  }
  if (!isTableType(type)) {
    throw new ValueError(`bad table: ${shown(item)} (type:name, the types are ${TABLE_TYPES.join(", ")})`);
  }
  if (name === "" || name.includes("\0")) throw new ValueError(`bad table: ${shown(item)} (it has no name)`);
  if (type === "inline" || type === "static") return Object.freeze({ type, name: withoutBraces(name) });
  return Object.freeze({ type, name: isAbsolute(name) ? name : resolve(directory, name) });
}

/** As it is written in main.cf, with its whole path. */
export function tableName({ type, name }: TableSpec): string {
  return type === "inline" ? `inline:{${name}}` : `${type}:${name}`;
}

function isTableType(type: string): type is TableType {
  return (TABLE_TYPES as readonly string[]).includes(type);
}
