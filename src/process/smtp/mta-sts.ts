/**
 * Which MTA-STS policy a domain has (RFC 8461). A record in the DNS says whether there is one and under which id; the
 * policy itself comes by https, and holds for as long as it says, whatever the DNS says meanwhile: who can forge the
 * DNS must not be able to take it away.
 */
import { messageOf } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Dns } from "../../dns/dns.ts";
import { TtlCache } from "../../dns/ttl-cache.ts";
import { fetchStsPolicy, type FetchOptions } from "./sts-fetch.ts";
import { parseStsPolicy, type StsPolicy, stsId } from "./sts-policy.ts";
import type { StsStore } from "./sts-store.ts";

/** Why there is none that counts although there should be one (RFC 8460 4.3.2.2). */
export type StsProblem = "sts-policy-fetch-error" | "sts-policy-invalid" | "sts-webpki-invalid";

export interface StsAnswer {
  readonly policy?: StsPolicy; // in force; of mode none, too
  readonly problem?: StsProblem; // of the last attempt to get it
}

const MOST_KNOWN = 10_000;
const AFTER_FAILURE_MS = 300_000; // RFC 8461 3.3: not more often than every five minutes
const REFRESH_MS = 86_400_000; // so that one whose id stays does not run out

export class MtaSts {
  readonly #dns: Dns;
  readonly #store: StsStore | undefined;
  readonly #fetch: FetchOptions;
  readonly #log: Log;
  readonly #known = new TtlCache<StsPolicy>(MOST_KNOWN, () => performance.now());
  readonly #failed = new TtlCache<StsProblem>(MOST_KNOWN, () => performance.now());
  readonly #fetching = new Map<string, Promise<StsAnswer>>();

  /** `store`: none in tests without a spool. */
  constructor(dns: Dns, store: StsStore | undefined, fetch: FetchOptions, log: Log) {
    this.#dns = dns;
    this.#store = store;
    this.#fetch = fetch;
    this.#log = log;
  }

  /** Never rejects. */
  async find(domain: string): Promise<StsAnswer> {
    const known = this.#inForce(domain);
    const answer = await this.#dns.txt(`_mta-sts.${domain}`);
    const id = answer.kind === "found" ? stsId(answer.records) : undefined;
    if (id === undefined) return known === undefined ? {} : { policy: known };
    if (id !== known?.id) return this.#get(domain, id);
    if (Date.now() - known.fetchedMs > Math.min(REFRESH_MS, known.maxAgeMs / 2)) void this.#get(domain, id);
    return { policy: known };
  }

  #inForce(domain: string): StsPolicy | undefined {
    let policy = this.#known.get(domain);
    if (policy === undefined) {
      policy = this.#store?.read(domain);
      if (policy !== undefined) this.#remember(domain, policy);
    }
    return policy !== undefined && policy.fetchedMs + policy.maxAgeMs > Date.now() ? policy : undefined;
  }

  #remember(domain: string, policy: StsPolicy): void {
    this.#known.set(domain, policy, policy.fetchedMs + policy.maxAgeMs - Date.now());
  }

  /** Once at a time for each domain. If it fails the one before stays in force. */
  #get(domain: string, id: string): Promise<StsAnswer> {
    const running = this.#fetching.get(domain);
    if (running !== undefined) return running;
    const fetching = this.#ask(domain, id).finally(() => this.#fetching.delete(domain));
    this.#fetching.set(domain, fetching);
    return fetching;
  }

  async #ask(domain: string, id: string): Promise<StsAnswer> {
    const before = this.#failed.get(domain);
    if (before !== undefined) return this.#without(domain, before);
    const fetched = await fetchStsPolicy(domain, this.#dns, this.#fetch);
    if ("problem" in fetched) {
      const problem = fetched.kind === "certificate" ? "sts-webpki-invalid" : "sts-policy-fetch-error";
      return this.#fail(domain, problem, fetched.problem);
    }
    const policy = parseStsPolicy(fetched.text, id, Date.now());
    if (policy === undefined) return this.#fail(domain, "sts-policy-invalid", "no policy in it");
    this.#remember(domain, policy);
    try {
      this.#store?.write(domain, policy);
    } catch (error) {
      this.#log.warn(`cannot keep the MTA-STS policy of ${domain}: ${messageOf(error)}`);
    }
    return { policy };
  }

  #fail(domain: string, problem: StsProblem, why: string): StsAnswer {
    this.#log.warn(`cannot get the MTA-STS policy of ${domain}: ${why}`);
    this.#failed.set(domain, problem, AFTER_FAILURE_MS);
    return this.#without(domain, problem);
  }

  #without(domain: string, problem: StsProblem): StsAnswer {
    const policy = this.#inForce(domain);
    return policy === undefined ? { problem } : { policy, problem };
  }
}
