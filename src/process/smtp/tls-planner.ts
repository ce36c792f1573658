/** From a next hop's TLS policy to the terms for one of its hosts, which may need the DNS. */
import { type TlsDefaults, tlsPolicyOf } from "../../config/tls-policy.ts";
import type { Dns } from "../../dns/dns.ts";
import { findDane } from "./dane.ts";
import type { MtaSts } from "./mta-sts.ts";
import type { Host } from "./route.ts";
import { isStsHost } from "./sts-policy.ts";
import type { NexthopPolicy } from "./tls-policies.ts";
import type { TlsTerms } from "./tls-terms.ts";
import { ownVerdict, type Verdict } from "./verdict.ts";

export type TlsPlan = { readonly terms: TlsTerms } | { readonly verdict: Verdict }; // this host cannot be used now

export class TlsPlanner {
  readonly #dns: Dns;
  readonly #defaults: TlsDefaults;
  readonly #sts: MtaSts | undefined;

  /** `sts`: none if MTA-STS is not wanted. */
  constructor(dns: Dns, defaults: TlsDefaults, sts: MtaSts | undefined) {
    this.#dns = dns;
    this.#defaults = defaults;
    this.#sts = sts;
  }

  /** `byMx`: the next hop is a domain. */
  async plan(policy: NexthopPolicy, host: Host, byMx: boolean): Promise<TlsPlan> {
    const plan = await this.#byDane(policy, host);
    // RFC 8461 2: DANE goes first. And an administrator's own line before what the domain says of itself.
    const isOpen = "terms" in plan && (plan.terms.level === "may" || plan.terms.level === "encrypt");
    return isOpen && byMx && !policy.isExplicit ? this.#bySts(policy.nexthop, host, plan.terms) : plan;
  }

  async #bySts(domain: string, host: Host, terms: TlsTerms): Promise<TlsPlan> {
    const sts = (await this.#sts?.find(domain))?.policy;
    if (sts === undefined || sts.mode === "none") return { terms };
    const names = { names: [host.name], noCommonName: true as const };
    if (sts.mode === "testing") return { terms: { ...terms, ...names } };
    if (!isStsHost(sts, host.name)) return refuse(`host ${host.name} is not in the MTA-STS policy of ${domain}`);
    return {
      terms: { ...terms, ...names, level: "verify", policy: "sts", protocols: this.#defaults.mandatoryProtocols },
    };
  }

  async #byDane(policy: NexthopPolicy, host: Host): Promise<TlsPlan> {
    if (policy.level !== "dane" && policy.level !== "dane-only") return { terms: termsFor(policy, host) };
    const answer = await findDane(this.#dns, host);
    const isOnly = policy.level === "dane-only";
    switch (answer.kind) {
      case "again":
        return refuse(`TLSA lookup error for ${host.name}:${host.port}`);
      case "absent":
        return isOnly ? refuse(answer.why) : { terms: this.#without(policy, host, "may") };
      case "unusable":
        return isOnly ? refuse("TLSA records unusable") : { terms: this.#without(policy, host, "encrypt") };
      case "usable": {
        const { base, records } = answer;
        const names = [...new Set([base, policy.nexthop])]; // RFC 7672 3.2.2
        return { terms: { ...termsFor(policy, host), level: "dane", policy: "dane", names, tlsa: records, sni: base } };
      }
    }
  }

  #without(policy: NexthopPolicy, host: Host, level: "may" | "encrypt"): TlsTerms {
    return termsFor({ ...policy, ...tlsPolicyOf(level, this.#defaults) }, host);
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

function refuse(text: string): { readonly verdict: Verdict } {
  return { verdict: ownVerdict("deferred", "tls", "4.7.5", text, "connect") };
}
