/**
 * The lookup tables that a process uses. Each file is read once, however many parameters name it, and read again when
 * it has changed, which is looked at no more than once a second. A changed file that cannot be read does not undo what
 * is known of it; one that could never be read throws, and whoever asked tries again later.
 */
import { readFileSync, statSync } from "node:fs";
import { errnoOf, messageOf, ScesError } from "../base/errors.ts";
import { tableName, type TableSpec } from "./maps.ts";
import { parseTableText, type Table } from "./table-formats.ts";

const LOOK_AGAIN_MS = 1000;

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
  readonly #files = new Map<string, TableFile>();

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

  #file(spec: TableSpec): TableFile {
    const name = tableName(spec);
    let file = this.#files.get(name);
    if (file === undefined) {
      file = new TableFile(spec, this.#options);
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

class TableFile {
  readonly #spec: TableSpec;
  readonly #options: TablesOptions;
  readonly #isFile: boolean;
  #table: Table | undefined;
  #stamp = ""; // of the file that was read last, or could not be
  #lookAtMs = 0; // monotonic

  constructor(spec: TableSpec, options: TablesOptions) {
    this.#spec = spec;
    this.#options = options;
    this.#isFile = spec.type !== "inline" && spec.type !== "static";
  }

  current(): Table {
    if (this.#table !== undefined && !this.#isFile) return this.#table;
    const now = (this.#options.monotonic ?? performance.now.bind(performance))();
    if (this.#table !== undefined && now < this.#lookAtMs) return this.#table;
    this.#lookAtMs = now + LOOK_AGAIN_MS;
    const stamp = this.#isFile ? stampOf(this.#spec.name) : "";
    if (this.#table !== undefined && stamp === this.#stamp) return this.#table;
    return this.#read(stamp);
  }

  #read(stamp: string): Table {
    const isNews = stamp !== this.#stamp;
    this.#stamp = stamp;
    try {
      this.#table = readTable(this.#spec);
    } catch (error) {
      if (isNews) this.#options.warn(messageOf(error));
      if (this.#table === undefined) throw error;
      return this.#table;
    }
    for (const { line, text } of this.#table.problems) {
      this.#options.warn(`${tableName(this.#spec)}${line > 0 ? `, line ${line}` : ""}: ${text}`);
    }
    return this.#table;
  }
}

/** Changes when the file does. */
function stampOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stat === undefined ? "gone" : `${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`;
}
