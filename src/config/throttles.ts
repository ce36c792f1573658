/**
 * Throttles: how fast, and over how many connections, mail may go to a domain, to a remote address, or out of a source
 * address. Rows as `example.org messages=30/m connections=2, 192.0.2.1 from 198.51.100.7 connects=10/m, * idle=30s`.
 */
import { isIP } from "node:net";
import { type Kind, parseTime, shown, ValueError } from "./values.ts";

/** As canonical domains are: lower case, A-labels. */
const DOMAIN = /^[a-z0-9_](?:[a-z0-9._-]*[a-z0-9])?$/;

export interface ThrottleLimits {
  readonly messages?: number; // a minute, evenly paced
  readonly connects?: number; // a minute, evenly paced
  readonly connections?: number; // open at the same time
  readonly perConnection?: number; // messages over one connection
  readonly idleMs?: number; // how long a connection is kept open, unused
}

export interface ThrottleRow extends ThrottleLimits {
  readonly who: string; // a domain, a remote address, or * for all others
  readonly source: string; // one of our addresses; "": any
}

/** Between which a connection is, or is to be. */
export interface Ends {
  readonly nexthop: string;
  readonly address: string; // remote
  readonly source: string; // ours; "": the system chooses
}

/** Limits, and what is counted together. */
export interface Counted extends Pick<ThrottleLimits, "messages" | "connects" | "connections"> {
  readonly key: string;
}

export class Throttles {
  readonly rows: readonly ThrottleRow[];
  readonly #byKey: ReadonlyMap<string, ThrottleRow>;

  constructor(rows: readonly ThrottleRow[]) {
    this.rows = rows;
    this.#byKey = new Map(rows.map((row) => [keyOf(row), row]));
  }

  get isEmpty(): boolean {
    return this.rows.length === 0;
  }

  /** The row for a next hop: for it and the source, for it, for the source, for all. */
  forNexthop(nexthop: string, source = ""): ThrottleRow | undefined {
    const domain = hostOf(nexthop);
    return this.#first([
      keyOf({ who: domain, source }),
      keyOf({ who: domain, source: "" }),
      keyOf({ who: "*", source }),
      "* ",
    ]);
  }

  /** The row for a remote address: for it and the source, or for it. What is for all is said of next hops. */
  forAddress(address: string, source = ""): ThrottleRow | undefined {
    return this.#first([keyOf({ who: address, source }), keyOf({ who: address, source: "" })]);
  }

  /** The rows that hold between these ends: of the next hop and of the remote address. */
  between({ nexthop, address, source }: Ends): ThrottleRow[] {
    const rows = new Set([this.forNexthop(nexthop, source), this.forAddress(address, source)]);
    return [...rows].filter((row) => row !== undefined);
  }

  /**
   * Whether qmgr holds a next hop's messages and connections to the row by when it hands deliveries out. It cannot
   * where the source counts, for that is chosen later.
   */
  isScheduled(row: ThrottleRow): boolean {
    return row.source === "" && !this.rows.some(({ who, source }) => who === row.who && source !== "");
  }

  /** What is left to be counted between these ends. */
  needingLeave({ nexthop, address, source }: Ends): Counted[] {
    const counted: Counted[] = [];
    const ofHop = this.forNexthop(nexthop, source);
    const ofAddress = this.forAddress(address, source);
    if (ofHop !== undefined && ofHop !== ofAddress) {
      const { connects, ...rest } = ofHop;
      const limits = this.isScheduled(ofHop) ? { connects } : { connects, ...rest };
      const isEachItsOwn = ofHop.who === "*" && ofHop.source === "";
      counted.push(countedBy(isEachItsOwn ? hostOf(nexthop) : keyOf(ofHop).trim(), limits));
    }
    if (ofAddress !== undefined) counted.push(countedBy(`[${ofAddress.who}] ${ofAddress.source}`.trim(), ofAddress));
    return counted;
  }

  #first(keys: readonly string[]): ThrottleRow | undefined {
    for (const key of keys) {
      const row = this.#byKey.get(key);
      if (row !== undefined) return row;
    }
    return undefined;
  }
}

export const throttles: Kind<Throttles> = {
  name: "throttles",
  takes:
    "list of DOMAIN, IP address or *, then maybe `from` one of our addresses, then messages=N/m connects=N/m connections=N per_connection=N idle=TIME",
  parse(text) {
    const rows = text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "")
      .map(parseRow);
    const seen = new Set<string>();
    for (const row of rows) {
      if (seen.has(keyOf(row))) throw new ValueError(`two rows for ${shown(keyOf(row).trim())}: make one of them`);
      seen.add(keyOf(row));
    }
    return new Throttles(Object.freeze(rows));
  },
};

function countedBy(key: string, limits: { readonly [K in keyof Counted]?: Counted[K] | undefined }): Counted {
  const { messages, connects, connections } = limits;
  return {
    key,
    ...(messages === undefined ? {} : { messages }),
    ...(connects === undefined ? {} : { connects }),
    ...(connections === undefined ? {} : { connections }),
  };
}

/** `[host]:port` and `host:port` are known by their host; of several next hops the first counts. */
function hostOf(nexthop: string): string {
  const host = /^(?:inet:)?\[?(?:ipv6:)?([^\]\s,]+?)\]?(?::\d+)?(?:[\s,]|$)/i.exec(nexthop)?.[1];
  return (host ?? nexthop).toLowerCase();
}

function keyOf({ who, source }: Pick<ThrottleRow, "who" | "source">): string {
  return `${who} ${source}`;
}

function parseRow(text: string): ThrottleRow {
  const [name = "", ...words] = text.split(/\s+/);
  const who = name.toLowerCase();
  if (who !== "*" && isIP(who) === 0 && !DOMAIN.test(who))
    throw new ValueError(`bad throttle: ${shown(name)} (a domain, an IP address or *)`);
  let source = "";
  if (words[0] === "from") {
    source = (words[1] ?? "").toLowerCase();
    if (isIP(source) === 0) throw new ValueError(`bad throttle: from ${shown(source)} (an IP address of this machine)`);
    words.splice(0, 2);
  }
  if (words.length === 0) throw new ValueError(`throttle without limits: ${shown(text)} (as messages=30/m)`);
  return Object.freeze({ who, source, ...Object.assign({}, ...words.map(parseLimit)) });
}

function parseLimit(word: string): ThrottleLimits {
  const [, name = "", value = ""] = /^([a-z_]+)=(.*)$/.exec(word) ?? [];
  if (name === "idle") {
    const idleMs = parseTime(value, "s");
    if (idleMs !== undefined && idleMs <= 86_400_000) return { idleMs };
  }
  const [, digits = "", perMinute] = /^(\d{1,7})(\/m(?:in)?)?$/.exec(value) ?? [];
  const count = Number(digits);
  if (count > 0 && name === "messages") return { messages: count };
  if (count > 0 && name === "connects") return { connects: count };
  if (count > 0 && perMinute === undefined && name === "connections") return { connections: count };
  if (count > 0 && perMinute === undefined && name === "per_connection") return { perConnection: count };
  throw new ValueError(
    `bad limit: ${shown(word)} (messages=N/m, connects=N/m, connections=N, per_connection=N, idle=TIME; at least 1)`,
  );
}
