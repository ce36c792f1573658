/** The TLS policy of each next hop: its line in smtp_tls_policy_maps, else the one of all. */
import { messageOf, ScesError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Maps } from "../../config/tables.ts";
import {
  parseTlsPolicy,
  type TlsDefaults,
  type TlsLevel,
  type TlsPolicy,
  tlsPolicyOf,
} from "../../config/tls-policy.ts";
import { ValueError } from "../../config/values.ts";
import { parseNexthop } from "./nexthop.ts";
import { ownVerdict, type Verdict } from "./verdict.ts";

export interface TlsPolicyOptions {
  readonly level: TlsLevel; // of all others
  readonly maps: Maps;
  readonly defaults: TlsDefaults;
  readonly fromStart: boolean; // smtp_tls_wrappermode
}

/** A policy and the next hop that it is for. */
export interface NexthopPolicy extends TlsPolicy {
  readonly key: string; // connections made under one policy are not used under another
  readonly nexthop: string; // the domain or host alone
  readonly isFinal: boolean; // whatever the domain says of itself by MTA-STS
  readonly fromStart: boolean;
}

/** One that cannot be read or understood: nobody knows what its author wanted, and nothing is sent. */
export interface BrokenPolicy {
  readonly key: string;
  readonly verdict: Verdict;
}

const ANY_PORT = 25; // of a next hop of which only the name is asked for

export class TlsPolicies {
  readonly #options: TlsPolicyOptions;
  readonly #log: Log;

  constructor(options: TlsPolicyOptions, log: Log) {
    this.#options = options;
    this.#log = log;
  }

  /** `isOptional`: neither DANE nor MTA-STS hold this mail back (RFC 8460 3); an administrator's own line does. */
  find(nexthop: string, isOptional = false): NexthopPolicy | BrokenPolicy {
    const { maps, defaults, fromStart } = this.#options;
    const level = isOptional && this.#options.level === "dane" ? "may" : this.#options.level;
    const hop = parseNexthop(nexthop, ANY_PORT);
    const name = hop?.kind === "host" ? hop.host : hop?.kind === "domain" ? hop.domain : nexthop;
    const about = { nexthop: name, fromStart };
    try {
      const line = maps.isEmpty ? undefined : maps.lookup(policyKeys(nexthop))?.value;
      if (line !== undefined) return { ...parseTlsPolicy(line, defaults), ...about, key: line, isFinal: true };
      const key = isOptional ? "optional" : "";
      return { ...tlsPolicyOf(level, defaults), ...about, key, isFinal: isOptional };
    } catch (error) {
      if (!(error instanceof ValueError) && !(error instanceof ScesError)) throw error;
      this.#log.warn(`smtp_tls_policy_maps: ${nexthop}: ${messageOf(error)}`);
      const verdict = ownVerdict("deferred", "tls", "4.7.5", "client TLS configuration problem", "connect");
      return { key: "broken", verdict };
    }
  }
}

/**
 * The next hop as it is written; of a plain domain also its parents, with a dot in front. As in Postfix `[host]:port`
 * has no parents: whoever wrote it meant that one.
 */
function policyKeys(nexthop: string): string[] {
  const keys = [nexthop.toLowerCase()];
  if (/[[\]:]/.test(nexthop)) return keys;
  for (let dot = nexthop.indexOf("."); dot >= 0; dot = nexthop.indexOf(".", dot + 1)) {
    keys.push(nexthop.slice(dot).toLowerCase());
  }
  return keys;
}
