/** TLS policies as main.cf and smtp_tls_policy_maps write them, in Postfix's words (its TLS_README). */
import type { Config } from "./config.ts";
import { shown, ValueError, type Kind } from "./values.ts";

export const DANE_NEEDS = "smtp_dns_support_level = dnssec and smtp_host_lookup = dns";

/** From nothing to much. Each is explained at smtp_tls_security_level. */
export const TLS_LEVELS = ["none", "may", "encrypt", "dane", "dane-only", "verify", "secure"] as const;
export type TlsLevel = (typeof TLS_LEVELS)[number];

const VERSIONS = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"] as const;
export type TlsVersion = (typeof VERSIONS)[number];
const NO_MORE = ["sslv2", "sslv3"]; // may be named, but never are used

export interface TlsProtocols {
  readonly min: TlsVersion;
  readonly max: TlsVersion;
}

export interface TlsPolicy {
  readonly level: TlsLevel;
  readonly match: readonly string[]; // hostname, nexthop, dot-nexthop, a domain, .domain; of verify and secure
  readonly protocols: TlsProtocols;
}

/** What a policy has where its line does not say. */
export interface TlsDefaults {
  readonly protocols: TlsProtocols; // of none and may
  readonly mandatoryProtocols: TlsProtocols;
  readonly verifyMatch: readonly string[];
  readonly secureMatch: readonly string[];
  readonly canDane: boolean; // the DNS servers say what is validated, and are asked
}

export function tlsDefaults(config: Config): TlsDefaults {
  return {
    protocols: config.smtp_tls_protocols,
    mandatoryProtocols: config.smtp_tls_mandatory_protocols,
    verifyMatch: config.smtp_tls_verify_cert_match,
    secureMatch: config.smtp_tls_secure_cert_match,
    canDane: config.smtp_dns_support_level === "dnssec" && config.smtp_host_lookup.every((how) => how === "dns"),
  };
}

/** `>=TLSv1.2`, `<=TLSv1.2`, `!TLSv1, !TLSv1.1`, `TLSv1.2 TLSv1.3`. */
export const tlsProtocols: Kind<TlsProtocols> = {
  name: "protocols",
  takes: `TLS versions (${VERSIONS.join(", ")}): >=TLSv1.2, <=TLSv1.2, !TLSv1, or those that are wanted`,
  parse: parseProtocols,
};

/** Which names a certificate may have. */
export const certificateMatch: Kind<readonly string[]> = {
  name: "match",
  takes: "list of hostname, nexthop, dot-nexthop, a domain, or .domain for all below it; divided by colons or commas",
  parse: parseMatch,
};

export function tlsPolicyOf(level: TlsLevel, defaults: TlsDefaults): TlsPolicy {
  const isMandatory = level !== "none" && level !== "may";
  return {
    level,
    match: level === "verify" ? defaults.verifyMatch : level === "secure" ? defaults.secureMatch : [],
    protocols: isMandatory ? defaults.mandatoryProtocols : defaults.protocols,
  };
}

/** The value in a policy table: `level [match=...] [protocols=...]`. Throws ValueError. */
export function parseTlsPolicy(text: string, defaults: TlsDefaults): TlsPolicy {
  const [word = "", ...attributes] = text.split(/[\s,]+/).filter((item) => item !== "");
  const level = TLS_LEVELS.find((one) => one === word.toLowerCase());
  if (level === undefined) {
    throw new ValueError(`unknown TLS level: ${shown(word)} (one of: ${TLS_LEVELS.join(", ")})`);
  }
  if ((level === "dane" || level === "dane-only") && !defaults.canDane) {
    throw new ValueError(`level ${level} needs validated answers: ${DANE_NEEDS}`);
  }
  let policy = tlsPolicyOf(level, defaults);
  const match: string[] = [];
  for (const attribute of attributes) {
    const [, name = "", value = ""] = /^([a-z]+)=(.+)$/i.exec(attribute) ?? [];
    switch (name.toLowerCase()) {
      case "match":
        if (level !== "verify" && level !== "secure") {
          throw new ValueError(`match has no meaning at level ${level} (verify and secure look at names)`);
        }
        match.push(...parseMatch(value));
        break;
      case "protocols":
        policy = { ...policy, protocols: parseProtocols(value) };
        break;
      default:
        throw new ValueError(`unknown attribute: ${shown(attribute)} (match=name:name, protocols=version:version)`);
    }
  }
  return match.length > 0 ? { ...policy, match } : policy;
}

function parseProtocols(text: string): TlsProtocols {
  const wanted = new Set<number>();
  const unwanted = new Set<number>();
  let low = 0;
  let high = VERSIONS.length - 1;
  for (const item of text.split(/[\s,:]+/)) {
    if (item === "") continue;
    const [, sign = "", name = ""] = /^(>=|<=|!|)(.*)$/.exec(item) ?? [];
    const version = VERSIONS.findIndex((one) => one.toLowerCase() === name.toLowerCase());
    if (version < 0 && !(NO_MORE.includes(name.toLowerCase()) && sign !== "<=")) {
      throw new ValueError(`unknown protocol: ${shown(item)} (${VERSIONS.join(", ")}; with >=, <= or ! before it)`);
    }
    if (sign === ">=") low = Math.max(low, version);
    else if (sign === "<=") high = Math.min(high, version);
    else if (sign === "!") unwanted.add(version);
    else wanted.add(version);
  }
  const left = VERSIONS.filter(
    (_, at) => at >= low && at <= high && !unwanted.has(at) && (wanted.size === 0 || wanted.has(at)),
  );
  const [min] = left;
  const max = left.at(-1);
  if (min === undefined || max === undefined) throw new ValueError(`no protocol is left: ${shown(text)}`);
  if (VERSIONS.indexOf(max) - VERSIONS.indexOf(min) >= left.length) {
    throw new ValueError(
      `a protocol in the middle is left out: ${shown(text)} (a range has one beginning and one end)`,
    );
  }
  return Object.freeze({ min, max });
}

function parseMatch(text: string): readonly string[] {
  const items = text.split(/[\s,:]+/).filter((item) => item !== "");
  for (const item of items) {
    if (!/^\.?[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(item)) {
      throw new ValueError(`bad name: ${shown(item)} (hostname, nexthop, dot-nexthop, example.org or .example.org)`);
    }
  }
  return Object.freeze(items.map((item) => item.toLowerCase()));
}
