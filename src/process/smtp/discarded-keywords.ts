/** Which EHLO keywords of a server count as not offered: a way round what it promises and does not keep. */
import type { TableSpec } from "../../config/maps.ts";
import type { Maps, Tables } from "../../config/tables.ts";
import { splitList } from "../../config/values.ts";

export class DiscardedKeywords {
  readonly #always: readonly string[];
  readonly #maps: Maps;

  constructor(always: readonly string[], byAddress: readonly TableSpec[], tables: Tables) {
    this.#always = always;
    this.#maps = tables.open(byAddress);
  }

  /** As in Postfix, what a table says of a server is all that holds for it. Throws TABLE_UNREADABLE. */
  of(address: string): readonly string[] {
    const found = this.#maps.isEmpty ? undefined : this.#maps.lookup([address]);
    return found === undefined ? this.#always : splitList(found.value);
  }
}
