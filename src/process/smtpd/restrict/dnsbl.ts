/** Lists in the DNS of clients and domains that are not wanted, or welcome (RFC 5782). */
import { isIP } from "node:net";
import { clean } from "../../../base/text.ts";
import type { Zone } from "../../../config/dnsbl-zone.ts";
import { expand, ExpandError } from "../../../config/expand.ts";
import type { Restriction } from "../../../config/restrictions.ts";
import type { Answer } from "../../../dns/dns.ts";
import { reverseLabels } from "../../../dns/reverse-name.ts";
import { isOurs } from "./rules.ts";
import type { Trial } from "./trial.ts";
import { type About, fittingStatus, refusal, type Refusal, splitStatus, type Verdict } from "./verdict.ts";

const MAX_REASON = 500; // characters

/** again: the list does not answer, which is no reason to refuse anybody. */
type Listing = "absent" | "listed" | "again";

async function find(trial: Trial, zone: Zone, labels: string): Promise<Listing> {
  const { log } = trial.rules;
  const name = `${labels}.${zone.domain}`;
  const answer = await ask(trial, name);
  if (answer.kind === "again") log.warn(`${name}: RBL lookup error: no answer in time, or none that is one`);
  if (answer.kind !== "found") return answer.kind === "none" ? "absent" : "again";
  return answer.records.some((address) => zone.counts(address)) ? "listed" : "absent";
}

/** Whoever comes to the first list of clients will want to know of the others: slow ones are waited for but once. */
export function askTogether(trial: Trial, list: readonly Restriction[]): void {
  for (const restriction of list) {
    if (restriction.word !== "reject_rbl_client" && restriction.word !== "permit_dnswl_client") continue;
    void ask(trial, `${reverseLabels(trial.subject.address)}.${restriction.zone.domain}`); // never rejects
  }
}

/** Each question once in a trial: also one that was not answered. */
function ask({ rules, asked }: Trial, name: string): Promise<Answer<string>> {
  let answer = asked.get(name);
  if (answer === undefined) {
    answer = rules.dns.address(name, "A");
    asked.set(name, answer);
  }
  return answer;
}

export async function rejectListed(trial: Trial, zone: Zone): Promise<Verdict> {
  const { address } = trial.subject;
  const labels = reverseLabels(address);
  if ((await find(trial, zone, labels)) !== "listed") return "dunno";
  return blocked(trial, zone, labels, { name: address, kind: "Client host" });
}

/** `domain`: "" if there is none to look up. */
export async function rejectListedDomain(trial: Trial, zone: Zone, domain: string, about: About): Promise<Verdict> {
  // Some lists of domains refuse questions about addresses.
  if (domain === "" || domain.startsWith("[") || isIP(domain) > 0 || /(^|\.)\d+$/.test(domain)) return "dunno";
  if ((await find(trial, zone, domain)) !== "listed") return "dunno";
  return blocked(trial, zone, domain, about);
}

/** Not for mail to strangers: a list of good hosts must make no open relay. */
export async function permitListed(trial: Trial, zone: Zone): Promise<Verdict> {
  const { subject, rules } = trial;
  if (subject.where === "RCPT" && subject.recipient !== undefined && !isOurs(subject.recipient, rules)) return "dunno";
  const listing = await find(trial, zone, reverseLabels(subject.address));
  if (listing === "listed") return "ok";
  if (listing === "absent") return "dunno";
  return { deferIfReject: refusal(450, "4.7.1", `<${subject.address}>: Client host rejected: Service unavailable`) };
}

async function blocked(trial: Trial, zone: Zone, labels: string, about: About): Promise<Refusal> {
  const { dns, config, log, maps } = trial.rules;
  const answer = await dns.txt(`${labels}.${zone.domain}`);
  const reason = answer.kind === "found" ? clean(answer.records.join(" / "), MAX_REASON) : "";
  const known = { text: reason, about, zone };
  const own =
    maps(config.rbl_reply_maps).lookup([zone.text])?.value ?? maps(config.rbl_reply_maps).lookup([zone.domain])?.value;
  if (own !== undefined) {
    try {
      return reply(trial, own, known);
    } catch (error) {
      if (!(error instanceof ExpandError)) throw error;
      log.warn(`rbl_reply_maps: bad template for ${zone.domain}: ${error.message}`);
    }
  }
  return reply(trial, config.default_rbl_reply, known);
}

/** Throws ExpandError. */
function reply(
  { subject, rules: { config, log } }: Trial,
  template: string,
  { text, about, zone }: { readonly text: string; readonly about: About; readonly zone: Zone },
): Refusal {
  const names: Readonly<Record<string, string>> = {
    rbl_code: String(config.maps_rbl_reject_code),
    rbl_class: about.kind,
    rbl_what: about.name,
    rbl_domain: zone.domain,
    rbl_reason: text,
    rbl_txt: text,
    client: subject.peer,
    client_address: subject.address,
    client_name: subject.names.name,
    helo_name: subject.helo,
    sender: subject.sender?.address ?? "",
    recipient: subject.recipient?.address ?? "",
  };
  // What comes from outside is no template.
  const said = expand(template, (name) => names[name]?.replaceAll("$", "$$$$"));
  const [, code, rest = ""] = /^([45]\d\d)\s+(.*)$/s.exec(said) ?? [];
  if (code === undefined) {
    log.warn(`default_rbl_reply or rbl_reply_maps: no code at the beginning of ${clean(said, 200)}`);
    return refusal(450, "4.7.1", "Service unavailable");
  }
  const { status, text: why } = splitStatus(rest, "4.7.1");
  return refusal(Number(code), fittingStatus(status, about.kind), why || "Service unavailable");
}
