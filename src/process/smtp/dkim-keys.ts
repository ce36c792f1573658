/** Who signs for a domain, by dkim_sign_maps. */
import { ScesError } from "../../base/errors.ts";
import { parseDkimKeys } from "../../config/dkim-keys.ts";
import type { TableSpec } from "../../config/maps.ts";
import type { Maps, Tables } from "../../config/tables.ts";
import { ValueError } from "../../config/values.ts";
import type { Signer } from "./dkim-sign.ts";
import { KeyCache } from "./key-cache.ts";

export interface DkimOptions {
  readonly maps: readonly TableSpec[];
  readonly directory: string; // of keys
}

export class DkimKeys {
  readonly #options: DkimOptions;
  readonly #maps: Maps;
  readonly #keys = new KeyCache();

  constructor(options: DkimOptions, tables: Tables) {
    this.#options = options;
    this.#maps = tables.open(options.maps);
  }

  /** For mail from that domain; none: it is not signed. Throws TABLE_UNREADABLE, KEY_UNUSABLE. */
  signersOf(domain: string): Signer[] {
    const keys = [domain];
    for (let dot = domain.indexOf("."); dot >= 0; dot = domain.indexOf(".", dot + 1)) keys.push(domain.slice(dot));
    const found = this.#maps.lookup(keys);
    if (found === undefined) return [];
    const signing = found.key.replace(/^\./, "");
    try {
      return parseDkimKeys(found.value, signing, this.#options.directory).map(({ selector, file }) => ({
        domain: signing,
        selector,
        key: this.#keys.read(file),
      }));
    } catch (error) {
      if (error instanceof ValueError) throw new ScesError("KEY_UNUSABLE", `${found.table}: ${error.message}`);
      throw error;
    }
  }
}
