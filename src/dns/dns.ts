/**
 * Name lookups, on c-ares: MX records and addresses, each answer one of three: found, known not
 * to be there, or try again. Answers are kept as long as their TTL says, within bounds.
 *
 * c-ares says nothing of the TTL of MX records and answers a loop of CNAMEs with an empty list and no error.
 */
import { lookup, Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import { systemClock } from "../base/clock.ts";
import { errnoOf } from "../base/errors.ts";
import { TtlCache } from "./ttl-cache.ts";

export type Answer<T> =
  | { readonly kind: "found"; readonly records: readonly T[] }
  | { readonly kind: "none"; readonly type: string; readonly exists: boolean } // exists: the name has other records
  | { readonly kind: "again"; readonly type: string };

export interface Mx {
  readonly exchange: string; // as it came; "" or "." in a null MX (RFC 7505)
  readonly priority: number;
}

export interface DnsOptions {
  readonly servers: readonly string[]; // with optional :port; none: the system's
  readonly hostLookup: readonly ("dns" | "native")[];
  readonly protocols: "all" | "ipv4" | "ipv6";
  readonly timeoutMs: number; // of all lookups of one delivery: no query is repeated for longer
  readonly monotonic?: () => number;
}

const MAX_ENTRIES = 10_000;
const LONGEST_MS = 3_600_000;
const MX_MS = 300_000; // no TTL is known
const ABSENT_MS = 60_000; // nor the SOA's minimum, RFC 2308
const LOCALHOST = { A: "127.0.0.1", AAAA: "::1" };

export class Dns {
  readonly #options: DnsOptions;
  readonly #resolver: Resolver;
  readonly #known: TtlCache<Answer<Mx> | Answer<string>>;
  readonly #asking = new Map<string, Promise<Answer<Mx> | Answer<string>>>();

  constructor(options: DnsOptions) {
    this.#options = options;
    this.#known = new TtlCache(MAX_ENTRIES, options.monotonic ?? systemClock.monotonic);
    const tries = 3;
    // c-ares doubles the timeout with each try: t + 2t + 4t.
    this.#resolver = new Resolver({ timeout: Math.max(50, Math.floor(options.timeoutMs / 7)), tries });
    if (options.servers.length > 0) this.#resolver.setServers(options.servers);
  }

  mx(domain: string): Promise<Answer<Mx>> {
    return this.#cached<Mx>(`MX ${domain}`, async () => {
      try {
        const records = await this.#resolver.resolveMx(domain);
        if (records.length === 0) return [again("MX"), 0];
        return [{ kind: "found", records }, MX_MS];
      } catch (error) {
        return failed(error, "MX");
      }
    });
  }

  /** Addresses of a host, of the families that are in use. */
  async addresses(name: string): Promise<Answer<string>> {
    const { hostLookup, protocols } = this.#options;
    if (isIP(name)) return { kind: "found", records: [name] };
    const types = protocols === "all" ? (["A", "AAAA"] as const) : ([protocols === "ipv4" ? "A" : "AAAA"] as const);
    // RFC 6761 6.3: not a question for the DNS.
    if (name === "localhost" || name.endsWith(".localhost")) {
      return { kind: "found", records: types.map((type) => LOCALHOST[type]) };
    }
    let answer: Answer<string> = { kind: "none", type: "A", exists: false };
    for (const how of hostLookup) {
      const answers =
        how === "dns" ? await Promise.all(types.map((type) => this.#address(name, type))) : [await this.#native(name)];
      answer = merge(answers);
      if (answer.kind !== "none") return answer;
    }
    return answer;
  }

  #address(name: string, type: "A" | "AAAA"): Promise<Answer<string>> {
    return this.#cached<string>(`${type} ${name}`, async () => {
      try {
        const ttl = { ttl: true } as const;
        const records = await (type === "A" ? this.#resolver.resolve4(name, ttl) : this.#resolver.resolve6(name, ttl));
        if (records.length === 0) return [again(type), 0];
        const ttlMs = Math.min(LONGEST_MS, ...records.map((record) => record.ttl * 1000));
        return [{ kind: "found", records: records.map((record) => record.address) }, ttlMs];
      } catch (error) {
        return failed(error, type);
      }
    });
  }

  /** As the machine finds names: /etc/hosts and whatever else it is told to use. */
  async #native(name: string): Promise<Answer<string>> {
    const family = { all: 0, ipv4: 4, ipv6: 6 }[this.#options.protocols];
    try {
      const found = await lookup(name, { all: true, family });
      return { kind: "found", records: found.map((one) => one.address) };
    } catch (error) {
      return errnoOf(error) === "ENOTFOUND" ? { kind: "none", type: "A", exists: false } : again("A");
    }
  }

  /** One question at a time about each name; its answer is shared. */
  #cached<T extends Mx | string>(key: string, ask: () => Promise<[Answer<T>, number]>): Promise<Answer<T>> {
    const known = this.#known.get(key) as Answer<T> | undefined;
    if (known !== undefined) return Promise.resolve(known);
    const running = this.#asking.get(key) as Promise<Answer<T>> | undefined;
    if (running !== undefined) return running;
    const asked = ask().then(([answer, ttlMs]) => {
      this.#asking.delete(key);
      this.#known.set(key, answer as Answer<Mx> | Answer<string>, ttlMs);
      return answer;
    });
    this.#asking.set(key, asked as Promise<Answer<Mx> | Answer<string>>);
    return asked;
  }

  /** Gives up what is being asked. */
  close(): void {
    this.#resolver.cancel();
  }
}

function again(type: string): { kind: "again"; type: string } {
  return { kind: "again", type };
}

/** Only a clear no is a no: whatever else went wrong may be better later. */
function failed(error: unknown, type: string): [Answer<never>, number] {
  const errno = errnoOf(error);
  if (errno === "ENOTFOUND" || errno === "EBADNAME") return [{ kind: "none", type, exists: false }, ABSENT_MS];
  if (errno === "ENODATA") return [{ kind: "none", type, exists: true }, ABSENT_MS];
  return [again(type), 0];
}

function merge(answers: readonly Answer<string>[]): Answer<string> {
  const records = answers.flatMap((answer) => (answer.kind === "found" ? answer.records : []));
  if (records.length > 0) return { kind: "found", records };
  return answers.find((answer) => answer.kind === "again") ?? answers[0] ?? again("A");
}
