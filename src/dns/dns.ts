/**
 * Names looked up in the DNS. Each answer is one of three: found, known not to be there, or try again. Answers are
 * kept as long as their TTL says, also the negative ones (RFC 2308), within bounds.
 */
import { lookup } from "node:dns/promises";
import { isIP, SocketAddress } from "node:net";
import { domainToASCII } from "node:url";
import { systemClock } from "../base/clock.ts";
import { errnoOf } from "../base/errors.ts";
import type { QueryType, RecordData, TlsaRecord } from "./message.ts";
import { type Resolution, Resolver } from "./resolver.ts";
import { reverseName } from "./reverse-name.ts";
import { Servers } from "./servers.ts";
import { TtlCache } from "./ttl-cache.ts";

export type Answer<T> = Found<T> | Missing;

export interface Found<T> {
  readonly kind: "found";
  readonly records: readonly T[];
  readonly name: string; // where they are: behind aliases another one than was asked for
  readonly isSecure: boolean; // validated by the server (DNSSEC), which was asked for that
}

export type Missing =
  | { readonly kind: "none"; readonly type: string; readonly exists: boolean } // exists: the name has other records
  | { readonly kind: "again"; readonly type: string };

export interface Mx {
  readonly exchange: string; // as it came; "." in a null MX (RFC 7505)
  readonly priority: number;
}

export interface DnsOptions {
  readonly servers: readonly string[]; // with optional :port; none: the system's
  readonly hostLookup: readonly ("dns" | "native")[];
  readonly protocols: "all" | "ipv4" | "ipv6";
  readonly timeoutMs: number; // for one question, over all servers and repetitions
  readonly dnssec: boolean; // the servers' word on what they validated is asked for, and believed
  readonly monotonic?: () => number;
}

const MAX_ENTRIES = 10_000;
const LONGEST_MS = 3_600_000;
const MOST_LABEL = 63; // octets, RFC 1035 2.3.4
const MOST_NAME = 253; // in writing
const LOCALHOST = { A: "127.0.0.1", AAAA: "::1" };

export class Dns {
  readonly #options: DnsOptions;
  readonly #resolver: Resolver;
  readonly #known: TtlCache<Resolution<unknown>>;
  readonly #asking = new Map<string, Promise<Resolution<unknown>>>();

  constructor(options: DnsOptions) {
    const monotonic = options.monotonic ?? systemClock.monotonic;
    this.#options = options;
    this.#known = new TtlCache(MAX_ENTRIES, monotonic);
    this.#resolver = new Resolver(new Servers(options.servers, monotonic), options.timeoutMs, options.dnssec);
  }

  mx(domain: string): Promise<Answer<Mx>> {
    return this.#ask(domain, "MX", ({ exchange, preference }) => ({ exchange, priority: preference ?? 0 }));
  }

  /** Addresses of a host, of the families that are in use. */
  async addresses(name: string): Promise<Answer<string>> {
    const { hostLookup, protocols } = this.#options;
    if (isIP(name)) return { kind: "found", name, records: [name], isSecure: false };
    const types = protocols === "all" ? (["A", "AAAA"] as const) : ([protocols === "ipv4" ? "A" : "AAAA"] as const);
    // RFC 6761 6.3: not a question for the DNS.
    if (name === "localhost" || name.endsWith(".localhost")) {
      return { kind: "found", name, records: types.map((type) => LOCALHOST[type]), isSecure: false };
    }
    let answer: Answer<string> = { kind: "none", type: "A", exists: false };
    for (const how of hostLookup) {
      const answers =
        how === "dns" ? await Promise.all(types.map((type) => this.address(name, type))) : [await this.#native(name)];
      answer = merge(answers);
      if (answer.kind !== "none") return answer;
    }
    return answer;
  }

  /** Addresses of one family, from the DNS alone. */
  address(name: string, type: "A" | "AAAA"): Promise<Answer<string>> {
    // As the system writes it, so that it can be compared.
    const family = type === "A" ? "ipv4" : "ipv6";
    return this.#ask(name, type, (address) => new SocketAddress({ address, family }).address);
  }

  /** Names of an address, in lower case. Whether they have that address nobody knows. */
  ptr(address: string): Promise<Answer<string>> {
    return this.#ask(reverseName(address), "PTR", (name) => name.toLowerCase());
  }

  /** Each record's strings joined to one. */
  txt(name: string): Promise<Answer<string>> {
    return this.#ask(name, "TXT", (strings) => Buffer.concat(strings).toString("utf8"));
  }

  /** What keys a server on this TCP port may have (RFC 6698 3). */
  tlsa(host: string, port: number): Promise<Answer<TlsaRecord>> {
    return this.#ask(`_${port}._tcp.${host}`, "TLSA", (record) => record);
  }

  /** As the machine finds names: /etc/hosts and whatever else it is told to use. */
  async #native(name: string): Promise<Answer<string>> {
    const family = { all: 0, ipv4: 4, ipv6: 6 }[this.#options.protocols];
    try {
      const found = await lookup(name, { all: true, family });
      return { kind: "found", name, records: found.map((one) => one.address), isSecure: false };
    } catch (error) {
      return errnoOf(error) === "ENOTFOUND" ? { kind: "none", type: "A", exists: false } : { kind: "again", type: "A" };
    }
  }

  async #ask<T extends QueryType, R>(name: string, type: T, pick: (data: RecordData[T]) => R): Promise<Answer<R>> {
    const asked = questionName(name);
    // No server could know it.
    if (asked === undefined) return { kind: "none", type, exists: false };
    const resolution = await this.#resolve(asked, type);
    if (resolution.kind === "again") return { kind: "again", type };
    if (resolution.kind === "none") return { kind: "none", type, exists: resolution.exists };
    const { records, isSecure } = resolution;
    return { kind: "found", name: resolution.name, records: records.map(pick), isSecure };
  }

  /** One question at a time about each name; its answer is shared. */
  #resolve<T extends QueryType>(name: string, type: T): Promise<Resolution<RecordData[T]>> {
    const key = `${type} ${name}`;
    const known = this.#known.get(key) as Resolution<RecordData[T]> | undefined;
    if (known !== undefined) return Promise.resolve(known);
    const running = this.#asking.get(key) as Promise<Resolution<RecordData[T]>> | undefined;
    if (running !== undefined) return running;
    const asked = this.#resolver.resolve({ name, type }).then((resolution) => {
      this.#asking.delete(key);
      if (resolution.kind !== "again") this.#known.set(key, resolution, Math.min(LONGEST_MS, resolution.ttlMs));
      return resolution;
    });
    this.#asking.set(key, asked);
    return asked;
  }

  /** Gives up what is being asked. */
  close(): void {
    this.#resolver.close();
  }
}

/** In lower case and A-labels, without the dot at the end; undefined if it cannot be asked for. */
function questionName(name: string): string | undefined {
  const ascii = /[\u0080-\uffff]/.test(name) ? domainToASCII(name) : name;
  const lower = ascii.toLowerCase().replace(/\.$/, "");
  if (lower.length > MOST_NAME) return undefined;
  return lower.split(".").every((label) => label.length > 0 && label.length <= MOST_LABEL) ? lower : undefined;
}

function merge(answers: readonly Answer<string>[]): Answer<string> {
  const found = answers.filter((answer) => answer.kind === "found");
  const [first] = found;
  if (first !== undefined) {
    const records = found.flatMap((answer) => answer.records);
    return { ...first, records, isSecure: found.every((answer) => answer.isSecure) };
  }
  return answers.find((answer) => answer.kind === "again") ?? answers[0] ?? { kind: "again", type: "A" };
}
