/**
 * Questions to the DNS servers until one of them answers, and what an answer says: which records, behind which
 * aliases, for how long, and whether the server vouches for them. The servers are recursive ones: they do the walking
 * through the DNS, and the validation.
 */
import { exchange } from "./exchange.ts";
import {
  FORMAT_ERROR,
  NO_ERROR,
  NO_SUCH_NAME,
  NOT_IMPLEMENTED,
  type QueryType,
  type Question,
  type RecordData,
  recordsOf,
  type Response,
} from "./message.ts";
import type { Server, Servers } from "./servers.ts";

/** Of all questions only a clear no is a no (RFC 2308); whatever else went wrong may be better later. */
export type Resolution<T> =
  | (Told & { readonly kind: "found"; readonly name: string; readonly records: readonly T[] }) // name: behind aliases
  | (Told & { readonly kind: "none"; readonly exists: boolean }) // exists: there are other records
  | { readonly kind: "again" };

interface Told {
  readonly ttlMs: number;
  readonly isSecure: boolean; // all of it was validated by the server
}

const ROUNDS = [1, 2, 4]; // each round waits longer, in parts of the time for all
const PARTS = ROUNDS.reduce((sum, part) => sum + part, 0);
const LEAST_WAIT_MS = 50;
const MOST_ALIASES = 16;
const UNTOLD_ABSENT_MS = 60_000; // where the answer has no SOA

export class Resolver {
  readonly #servers: Servers;
  readonly #timeoutMs: number;
  readonly #dnssec: boolean;
  readonly #closing = new AbortController();
  readonly #withoutEdns = new Set<string>(); // servers that do not understand it
  #first = 0; // the server that answered last is asked first

  /** `timeoutMs`: for one question, over all servers and rounds. */
  constructor(servers: Servers, timeoutMs: number, dnssec: boolean) {
    this.#servers = servers;
    this.#timeoutMs = timeoutMs;
    this.#dnssec = dnssec;
  }

  async resolve<T extends QueryType>(question: Question<T>): Promise<Resolution<RecordData[T]>> {
    const due = performance.now() + this.#timeoutMs;
    const first = this.#first;
    for (const part of ROUNDS) {
      let wasSilent = false;
      const servers = this.#servers.current;
      for (let count = 0; count < servers.length; count++) {
        const at = (first + count) % servers.length;
        const server = servers[at];
        const leftMs = due - performance.now();
        if (server === undefined || leftMs <= 0 || this.#closing.signal.aborted) return { kind: "again" };
        const shareMs = Math.max(LEAST_WAIT_MS, (this.#timeoutMs * part) / PARTS / servers.length);
        const response = await this.#ask(server, question, Math.min(leftMs, shareMs));
        const resolution = response === undefined ? undefined : read(response, question, this.#dnssec);
        if (response === undefined) wasSilent = true;
        if (resolution !== undefined) {
          this.#first = at;
          return resolution;
        }
      }
      // Those who said no say no again; who was silent may have lost the packet.
      if (!wasSilent) break;
    }
    return { kind: "again" };
  }

  async #ask(server: Server, question: Question, timeoutMs: number): Promise<Response | undefined> {
    const due = performance.now() + timeoutMs;
    const key = `${server.address} ${server.port}`;
    const options = { dnssec: this.#dnssec, signal: this.#closing.signal };
    const edns = !this.#withoutEdns.has(key);
    const response = await exchange(server, question, { ...options, edns, timeoutMs });
    const isOld = response?.code === FORMAT_ERROR || response?.code === NOT_IMPLEMENTED;
    // Without it nothing would be validated any more, and who relies on that would not know.
    if (!edns || !isOld || this.#dnssec) return response;
    // RFC 6891 7
    const leftMs = Math.max(1, due - performance.now());
    const plain = await exchange(server, question, { ...options, edns: false, timeoutMs: leftMs });
    if (plain?.code === NO_ERROR || plain?.code === NO_SUCH_NAME) this.#withoutEdns.add(key);
    return plain;
  }

  /** Gives up what is being asked. */
  close(): void {
    this.#closing.abort();
  }
}

/** Undefined: an answer that is none, and another server may do better. */
function read<T extends QueryType>(
  { code, answers, authorities, isAuthentic, canRecurse }: Response,
  { name, type }: Question<T>,
  dnssec: boolean,
): Resolution<RecordData[T]> | undefined {
  if (code !== NO_ERROR && code !== NO_SUCH_NAME) return undefined;
  const isSecure = dnssec && isAuthentic;
  const chain = follow(name, answers);
  if (chain === undefined) return { kind: "again" };
  const records = recordsOf(answers, type).filter((record) => record.name === chain.name);
  if (records.length > 0 && code === NO_ERROR) {
    const ttlMs = 1000 * Math.min(chain.ttl, ...records.map((record) => record.ttl));
    return { kind: "found", name: chain.name, records: records.map(({ data }) => data), ttlMs, isSecure };
  }
  const [soa] = recordsOf(authorities, "SOA");
  // It sends us elsewhere instead of going there for us.
  if (soa === undefined && !canRecurse && authorities.some((record) => record.type === "NS")) return undefined;
  // RFC 2308 5: the lesser of both.
  const absentMs = soa === undefined ? UNTOLD_ABSENT_MS : 1000 * Math.min(soa.ttl, soa.data.minimum ?? 0);
  return { kind: "none", exists: code === NO_ERROR, ttlMs: Math.min(absentMs, chain.ttl * 1000), isSecure };
}

/** Where the aliases lead; undefined if in a circle or on without end. `ttl` in seconds. */
function follow(name: string, answers: Response["answers"]): { name: string; ttl: number } | undefined {
  const aliases = new Map(recordsOf(answers, "CNAME").map((record) => [record.name, record]));
  const seen = new Set<string>();
  let at = name;
  let ttl = Number.POSITIVE_INFINITY;
  for (let alias = aliases.get(at); alias !== undefined; alias = aliases.get(at)) {
    seen.add(at);
    at = alias.data.toLowerCase();
    ttl = Math.min(ttl, alias.ttl);
    if (seen.has(at) || seen.size > MOST_ALIASES) return undefined;
  }
  return { name: at, ttl };
}
