/**
 * From a next hop's TLS policy to the terms for one of its hosts, which may need the DNS and an https server. What the
 * domain says of itself is counted for the report that it may want (RFC 8460).
 */
import { type TlsDefaults, tlsPolicyOf } from "../../config/tls-policy.ts";
import type { Dns } from "../../dns/dns.ts";
import type { TlsaRecord } from "../../dns/message.ts";
import type { ReportedPolicy, TlsFailureType, TlsOutcome } from "../../mail/tls-report.ts";
import { findDane } from "./dane.ts";
import type { MtaSts } from "./mta-sts.ts";
import type { Host } from "./route.ts";
import { isStsHost, stsLines, type StsPolicy } from "./sts-policy.ts";
import type { NexthopPolicy } from "./tls-policies.ts";
import type { TlsTerms } from "./tls-terms.ts";
import { ownVerdict, type Verdict } from "./verdict.ts";

export type TlsPlan = { readonly terms: TlsTerms } | { readonly verdict: Verdict }; // this host cannot be used now

export interface PlannerOptions {
  readonly dns: Dns;
  readonly defaults: TlsDefaults;
  readonly sts: MtaSts | undefined; // none: MTA-STS is not wanted
  count(outcome: TlsOutcome): void;
}

export class TlsPlanner {
  readonly #options: PlannerOptions;

  constructor(options: PlannerOptions) {
    this.#options = options;
  }

  /** `byMx`: the next hop is a domain, which may say something of itself. */
  async plan(policy: NexthopPolicy, host: Host, byMx: boolean): Promise<TlsPlan> {
    const domain = byMx && !policy.isFinal ? policy.nexthop : undefined;
    const plan = await this.#byDane(policy, host, domain);
    // RFC 8461 2: DANE goes first. And an administrator's own line before what the domain says of itself.
    const isOpen = "terms" in plan && (plan.terms.level === "may" || plan.terms.level === "encrypt");
    return isOpen && domain !== undefined ? this.#bySts(domain, host, plan.terms) : plan;
  }

  async #bySts(domain: string, host: Host, terms: TlsTerms): Promise<TlsPlan> {
    const { sts, defaults } = this.#options;
    const { policy, problem } = (await sts?.find(domain)) ?? {};
    const reported: ReportedPolicy = { domain, type: "no-policy-found", strings: [], mxHosts: [] };
    if (problem !== undefined)
      this.#fail(policy === undefined ? { ...reported, type: "sts" } : bySts(domain, policy), host, problem);
    if (policy === undefined || policy.mode === "none") return { terms: { ...terms, reported } };
    const found = { names: [host.name], noCommonName: true as const, reported: bySts(domain, policy) };
    if (!isStsHost(policy, host.name)) {
      const why = `host ${host.name} is not in the MTA-STS policy of ${domain}`;
      this.#fail(found.reported, host, "validation-failure", why);
      return policy.mode === "enforce" ? refuse(why) : { terms };
    }
    if (policy.mode === "testing") return { terms: { ...terms, ...found } };
    return { terms: { ...terms, ...found, level: "verify", policy: "sts", protocols: defaults.mandatoryProtocols } };
  }

  /** `domain`: whose policy it is; undefined: nobody's but ours. */
  async #byDane(policy: NexthopPolicy, host: Host, domain: string | undefined): Promise<TlsPlan> {
    if (policy.level !== "dane" && policy.level !== "dane-only") return { terms: termsFor(policy, host) };
    const answer = await findDane(this.#options.dns, host);
    const isOnly = policy.level === "dane-only";
    const fail = (type: TlsFailureType) => {
      if (domain !== undefined) this.#fail(byTlsa(domain, []), host, type);
    };
    switch (answer.kind) {
      case "again":
        fail("dnssec-invalid");
        return refuse(`TLSA lookup error for ${host.name}:${host.port}`);
      case "absent":
        if (!isOnly) return { terms: this.#without(policy, host, "may") };
        fail("dane-required");
        return refuse(answer.why);
      case "unusable":
        fail("tlsa-invalid");
        return isOnly ? refuse("TLSA records unusable") : { terms: this.#without(policy, host, "encrypt") };
      case "usable": {
        const { base, records } = answer;
        const names = [...new Set([base, policy.nexthop])]; // RFC 7672 3.2.2
        const reported = domain === undefined ? {} : { reported: byTlsa(domain, records) };
        const terms = { ...termsFor(policy, host), ...reported, names, tlsa: records, sni: base };
        return { terms: { ...terms, level: "dane", policy: "dane" } };
      }
    }
  }

  #without(policy: NexthopPolicy, host: Host, level: "may" | "encrypt"): TlsTerms {
    return termsFor({ ...policy, ...tlsPolicyOf(level, this.#options.defaults) }, host);
  }

  #fail(policy: ReportedPolicy, host: Host, type: TlsFailureType, reason?: string): void {
    const failure = { type, mxHost: host.name, ...(reason === undefined ? {} : { reason }) };
    this.#options.count({ policy, failure });
  }
}

/** What a policy comes to that needs nothing but itself. */
function termsFor({ level, match, protocols, nexthop, fromStart }: NexthopPolicy, host: Host): TlsTerms {
  const isChecked = level === "verify" || level === "secure";
  const isOptional = level === "none" || level === "may";
  return {
    level: isChecked ? "verify" : isOptional && !fromStart ? level : "encrypt",
    policy: level,
    names: match.map((pattern) => {
      if (pattern === "hostname") return host.name;
      if (pattern === "nexthop") return nexthop;
      return pattern === "dot-nexthop" ? `.${nexthop}` : pattern;
    }),
    protocols,
    fromStart,
    sni: host.name,
  };
}

function byTlsa(domain: string, records: readonly TlsaRecord[]): ReportedPolicy {
  const strings = records.map(({ usage, selector, matchingType, certificate }) => {
    return `${usage} ${selector} ${matchingType} ${Buffer.from(certificate).toString("hex")}`;
  });
  return { domain, type: "tlsa", strings, mxHosts: [] };
}

function bySts(domain: string, policy: StsPolicy): ReportedPolicy {
  return { domain, type: "sts", strings: stsLines(policy), mxHosts: policy.mx };
}

function refuse(text: string): { readonly verdict: Verdict } {
  return { verdict: ownVerdict("deferred", "tls", "4.7.5", text, "connect") };
}
