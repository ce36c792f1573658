/** Restrictions on names: of the client, in HELO, and behind the @. */
import { isIP } from "node:net";
import type { Answer, Mx } from "../../../dns/dns.ts";
import { domainOf } from "../../../mail/address.ts";
import { canonicalDomain } from "../../../mail/domain.ts";
import type { NameStatus } from "../peer-name.ts";
import type { Trial } from "./trial.ts";
import { type About, refusal, rejected, type Ruling, type Verdict } from "./verdict.ts";

const LABEL = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;

/** As Postfix's valid_hostname: with underscores, and not numbers alone. A dot at the end is none. */
function isHostName(text: string): boolean {
  const name = withoutLastDot(text);
  return name.length <= 255 && name.split(".").every((label) => LABEL.test(label)) && !/^[\d.]+$/.test(name);
}

function withoutLastDot(name: string): string {
  return /[^.]\.$/.test(name) ? name.slice(0, -1) : name;
}

export function unknownClient(
  { subject, rules }: Trial,
  which: "status" | "reverseStatus",
  status: string,
  what: string,
): Ruling {
  const found: NameStatus = subject.names[which];
  if (found === "known") return "dunno";
  const code = found === "none" ? rules.config.unknown_client_reject_code : 450;
  return refusal(code, status, `Client host rejected: cannot find your ${what}, [${subject.address}]`);
}

/** `judge`: of a name; an address in brackets only has to be one. */
function judgeHelo(trial: Trial, judge: (about: About) => Ruling): Ruling {
  const { helo } = trial.subject;
  const about: About = { name: helo, kind: "Helo command" };
  if (helo === "") return "dunno";
  if (!helo.startsWith("[")) return judge(about);
  if (canonicalDomain(helo) !== undefined) return "dunno";
  return rejected(about, trial.rules.config.invalid_hostname_reject_code, "5.5.2", "invalid ip address");
}

export function invalidHelo(trial: Trial): Ruling {
  return judgeHelo(trial, (about) => {
    const { invalid_hostname_reject_code: code } = trial.rules.config;
    return isHostName(about.name) || isIP(about.name) > 0 ? "dunno" : rejected(about, code, "5.5.2", "Invalid name");
  });
}

export function nonFqdnHelo(trial: Trial): Ruling {
  return judgeHelo(trial, (about) => {
    const isFull = isHostName(about.name) && withoutLastDot(about.name).includes(".");
    const { non_fqdn_reject_code: code } = trial.rules.config;
    return isFull ? "dunno" : rejected(about, code, "5.5.2", "need fully-qualified hostname");
  });
}

export function unknownHelo(trial: Trial): Ruling {
  return judgeHelo(trial, async (about) => {
    const { dns, config } = trial.rules;
    const name = withoutLastDot(about.name);
    const addresses = await dns.addresses(name);
    // A null MX says nothing of a host that only sends.
    const mx = addresses.kind === "found" ? addresses : await dns.mx(name);
    if (mx.kind === "found") return "dunno";
    if (isUncertain(addresses, mx)) return { deferIfPermit: rejected(about, 450, "4.7.1", "Host not found") };
    return rejected(about, config.unknown_hostname_reject_code, "4.7.1", "Host not found");
  });
}

/** `about.name`: an address; of none there is nothing to say. */
export function fullyQualified(trial: Trial, about: About): Ruling {
  const domain = domainOf(about.name);
  if (about.name === "" || domain.startsWith("[") || (isHostName(domain) && domain.includes("."))) return "dunno";
  return rejected(about, trial.rules.config.non_fqdn_reject_code, "4.5.2", "need fully-qualified address");
}

/** Mail can be sent to the domain of an address, as far as the DNS says. Ours are not asked for. */
export async function knownDomain(trial: Trial, about: About): Promise<Verdict> {
  const { dns, config, classOf } = trial.rules;
  const domain = domainOf(about.name);
  const whose = classOf(domain);
  if (about.name === "" || domain.startsWith("[") || whose === "local" || whose === "virtual-alias") return "dunno";
  const isSender = about.kind === "Sender address";
  const mx = await dns.mx(domain);
  if (mx.kind === "found") {
    if (!isNullMx(mx.records)) return "dunno";
    const why = `Domain ${domain} does not accept mail (nullMX)`; // RFC 7505 4
    return isSender ? rejected(about, 550, "5.7.27", why) : rejected(about, 556, "5.1.10", why);
  }
  const addresses = await dns.addresses(domain);
  if (addresses.kind === "found") return "dunno";
  const status = isSender ? "4.1.8" : "4.1.2";
  if (isUncertain(mx, addresses)) return { deferIfPermit: rejected(about, 450, status, "Domain not found") };
  return rejected(about, config.unknown_address_reject_code, status, "Domain not found");
}

export function isNullMx(records: readonly Mx[]): boolean {
  return records.length === 1 && (records[0]?.exchange === "." || records[0]?.exchange === "");
}

function isUncertain(...answers: readonly Answer<unknown>[]): boolean {
  return answers.some((answer) => answer.kind === "again");
}
