/**
 * The lookup tables that a process uses. Each file is read once, however many parameters name it, and read again when
 * it has changed, which is looked at no more than once a second. A changed file that cannot be read does not undo what
 * is known of it; one that could never be read throws, and whoever asked tries again later.
 */
import { readFileSync } from "node:fs";
import { errnoOf, messageOf, ScesError } from "../base/errors.ts";
import { tableName, type TableSpec } from "./maps.ts";
import { parseTableText, type Table } from "./table-formats.ts";
import { WatchedFile } from "./watched-file.ts";

export interface Found {
  readonly key: string; // the one that was found
  readonly value: string;
  readonly table: string; // as in main.cf, for the log
}

/** The tables of one parameter. */
export interface Maps {
  readonly isEmpty: boolean; // no tables
  /**
   * The first key that a table has, each key in every table before the next key. Tables of patterns see the first key
   * alone, which is whole; the others are parts of it. Throws ScesError TABLE_UNREADABLE.
   */
  lookup(keys: readonly string[]): Found | undefined;
}

export interface TablesOptions {
  warn(text: string): void; // once for each state of a file
  readonly monotonic?: () => number; // ms
}

export const NO_MAPS: Maps = { isEmpty: true, lookup: () => undefined };

export class Tables {
  readonly #options: TablesOptions;
  readonly #files = new Map<string, { current(): Table }>();

  constructor(options: TablesOptions) {
    this.#options = options;
  }

  open(specs: readonly TableSpec[]): Maps {
    if (specs.length === 0) return NO_MAPS;
    const files = specs.map((spec) => ({ name: tableName(spec), file: this.#file(spec) }));
    return {
      isEmpty: false,
      lookup(keys) {
        for (const [index, key] of keys.entries()) {
          for (const { name, file } of files) {
            const table = file.current();
            const value = table.isPattern && index > 0 ? undefined : table.find(key);
            if (value !== undefined) return { key, value, table: name };
          }
        }
        return undefined;
      },
    };
  }

  #file(spec: TableSpec): { current(): Table } {
    const name = tableName(spec);
    let file = this.#files.get(name);
    if (file === undefined) {
      file = openTable(spec, this.#options);
      this.#files.set(name, file);
    }
    return file;
  }
}

/** A table as it is now. Throws ScesError TABLE_UNREADABLE. */
export function readTable(spec: TableSpec): Table {
  const { type, name } = spec;
  if (type === "inline" || type === "static") return parseTableText(type, name);
  try {
    return parseTableText(type, readFileSync(name, "utf8"));
  } catch (error) {
    const why = errnoOf(error) || messageOf(error);
    throw new ScesError("TABLE_UNREADABLE", `cannot read table ${tableName(spec)}: ${why}`, { cause: error });
  }
}

/** What a process knows of one table. */
function openTable(spec: TableSpec, { warn, monotonic }: TablesOptions): { current(): Table } {
  const name = tableName(spec);
  const read = () => {
    const table = readTable(spec);
    for (const { line, text } of table.problems) warn(`${name}${line > 0 ? `, line ${line}` : ""}: ${text}`);
    return table;
  };
  if (spec.type !== "inline" && spec.type !== "static") {
    return new WatchedFile({ path: spec.name, read, warn, monotonic });
  }
  let table: Table | undefined;
  return {
    current() {
      table ??= read();
      return table;
    },
  };
}
