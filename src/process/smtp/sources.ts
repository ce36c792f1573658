/** From which address of this machine a delivery is made, and the name that it says there. */
import { isIPv6 } from "node:net";
import { ScesError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { clean } from "../../base/text.ts";
import type { TableSpec } from "../../config/maps.ts";
import type { SourcePool } from "../../config/source-pools.ts";
import type { Maps, Tables } from "../../config/tables.ts";
import type { Deliver } from "../../ipc/messages.ts";
import { domainOf } from "../../mail/address.ts";
import { type Pause, pauseText } from "../../mail/pause.ts";
import type { Opened } from "./connector.ts";
import type { PausedSources } from "./paused-sources.ts";
import type { Host } from "./route.ts";
import { Transcript } from "./transcript.ts";
import { ownVerdict } from "./verdict.ts";

export interface SourceOptions {
  readonly helo: string; // where a source has no name of its own
  readonly bindAddress: { readonly ipv4: string; readonly ipv6: string }; // "": the system chooses
  readonly pools: readonly SourcePool[];
  readonly pool: string; // of all mail; "": none
  readonly bySender: readonly TableSpec[];
}

export interface Source {
  readonly address: string; // "": the system chooses
  readonly helo: string;
}

const MISSING_MS = 60_000; // so long an address that the machine does not have is asked for last

export class Sources {
  readonly #options: SourceOptions;
  readonly #paused: PausedSources;
  readonly #log: Log;
  readonly #maps: Maps;
  readonly #pools: ReadonlyMap<string, SourceSet>;
  readonly #bound: SourceSet;
  readonly #missing = new Map<string, number>(); // until, monotonic clock, ms

  constructor(options: SourceOptions, paused: PausedSources, tables: Tables, log: Log) {
    this.#options = options;
    this.#paused = paused;
    this.#log = log;
    this.#maps = tables.open(options.bySender);
    const { helo, bindAddress, pools } = options;
    this.#pools = new Map(pools.map(({ name, sources }) => [name, this.#set(name, sources)]));
    const bound = { 4: bindAddress.ipv4, 6: bindAddress.ipv6 };
    this.#bound = { key: `${bound[4]} ${bound[6]}`, of: (family) => [{ address: bound[family], helo, weight: 1 }] };
  }

  /** The message's own addresses, else the pool of its sender, else that of all mail. Throws TABLE_UNREADABLE. */
  choose({ sender, sources }: Pick<Deliver, "sender" | "sources">): SourceSet {
    if (sources !== undefined && sources.length > 0)
      return this.#set(
        sources.join(" "),
        sources.map((address) => this.#named(address)),
      );
    const found = this.#maps.isEmpty
      ? undefined
      : this.#maps.lookup(sender === "" ? ["<>"] : [sender, `@${domainOf(sender)}`]);
    const name = found?.value ?? this.#options.pool;
    if (name === "") return this.#bound;
    const pool = this.#pools.get(name);
    if (pool === undefined) {
      const where = found === undefined ? "smtp_source_pool" : found.table;
      throw new ScesError("TABLE_UNREADABLE", `${where}: no pool ${clean(name, 64)} in smtp_source_pools`);
    }
    return pool;
  }

  /**
   * Connects from one of the set that is not paused, and from another one when the machine turns out not to have it.
   * Where the system chooses the address, it shows only afterwards whether mail may leave from there.
   */
  async open(host: Host, set: SourceSet, connect: (source: Source) => Promise<Opened>): Promise<Opened> {
    const family = isIPv6(host.address) ? 6 : 4;
    let left = set.of(family);
    if (left.length === 0) {
      const text = `no IPv${family} address among the source addresses for ${host.name}[${host.address}]`;
      const verdict = { ...ownVerdict("deferred", "bind", "4.3.5", text, "connect"), isOurs: true as const };
      return { failure: { verdict, stage: "connect", tlsFailed: false }, transcript: new Transcript(host) };
    }
    const isSocket = host.port === 0; // it has no source address
    const paused = isSocket ? [] : left.flatMap(({ address }) => this.#paused.find(address) ?? []);
    left = isSocket ? left : left.filter(({ address }) => this.#paused.find(address) === undefined);
    if (left.length === 0) return this.#putOff(host, paused);
    for (;;) {
      const source = this.#pick(left);
      const opened = await connect(source);
      const pause = "session" in opened ? this.#paused.find(opened.session.localAddress) : undefined;
      if ("session" in opened && pause !== undefined) {
        opened.session.leave();
        return this.#putOff(host, [...paused, pause]);
      }
      if (!("failure" in opened) || opened.failure.verdict.type !== "bind") return opened;
      this.#noteMissing(source.address);
      left = left.filter((one) => one !== source);
      if (left.length === 0) return opened;
    }
  }

  #putOff(host: Host, paused: readonly Pause[]): Opened {
    const why = paused[0] === undefined ? "" : pauseText(paused[0]);
    const text = `delivery temporarily suspended: ${why}`;
    const verdict = { ...ownVerdict("deferred", "connect", "4.3.2", text, "connect"), description: why };
    return { failure: { verdict, stage: "connect", tlsFailed: false, paused }, transcript: new Transcript(host) };
  }

  /** A delivery's own address has the name that some pool gives it. */
  #named(address: string): Weighted {
    const { pools, helo } = this.#options;
    const pooled = pools.flatMap(({ sources }) => sources).find((source) => source.address === address);
    return { address, helo: pooled?.helo || helo, weight: 1 };
  }

  #set(key: string, sources: readonly Weighted[]): SourceSet {
    const named = sources.map((source) => ({ ...source, helo: source.helo || this.#options.helo }));
    return { key, of: (family) => named.filter(({ address }) => isIPv6(address) === (family === 6)) };
  }

  /** At random by weight; those that were missing lately come last. */
  #pick(sources: readonly Weighted[]): Weighted {
    const now = performance.now();
    const present = sources.filter(({ address }) => (this.#missing.get(address) ?? 0) <= now);
    const from = present.length > 0 ? present : sources;
    let at = Math.random() * from.reduce((sum, { weight }) => sum + weight, 0);
    for (const source of from) {
      at -= source.weight;
      if (at < 0) return source;
    }
    throw new Error("no source to pick from");
  }

  #noteMissing(address: string): void {
    const now = performance.now();
    if ((this.#missing.get(address) ?? 0) <= now) this.#log.warn(`source address ${address} is not on this machine`);
    this.#missing.set(address, now + MISSING_MS);
  }
}

interface Weighted extends Source {
  readonly weight: number;
}

/** The sources that one delivery may use. */
export interface SourceSet {
  readonly key: string; // connections from it are alike
  of(family: 4 | 6): readonly Weighted[];
}
