/** Access tables: under which keys a client, a host or an address is looked for in them (access(5)). */
import { isIP } from "node:net";
import type { Found, Maps } from "../../../config/tables.ts";
import { literalAddress } from "../../../mail/domain.ts";
import { accessAddressKeys, accessHostKeys, accessNetworkKeys } from "../../../mail/lookup-keys.ts";
import { applyAction } from "./access-action.ts";
import { isNullMx } from "./hosts.ts";
import { isRouted } from "./rules.ts";
import type { Trial } from "./trial.ts";
import { type About, CONFIGURATION_ERROR, type Ruling, type Verdict } from "./verdict.ts";

const NULL_SENDER = "<>"; // its key
const MOST_ADDRESSES = 100; // of the mail hosts of one domain

export function clientAccess(trial: Trial, table: Maps): Ruling {
  const { names, address, peer } = trial.subject;
  const found = table.lookup(hostKeys(names.name)) ?? table.lookup(accessNetworkKeys(address));
  return answer(trial, found, { name: peer, kind: "Client host" });
}

/** The name is what the client's own DNS says: it may refuse, but not permit. */
export function reverseClientAccess(trial: Trial, table: Maps): Ruling {
  const { names, address } = trial.subject;
  const found = table.lookup(hostKeys(names.reverseName)) ?? table.lookup(accessNetworkKeys(address));
  return withoutOk(trial, answer(trial, found, { name: names.reverseName, kind: "Unverified Client host" }), found);
}

export function heloAccess(trial: Trial, table: Maps): Ruling {
  const { helo } = trial.subject;
  const keys = hostKeys(helo.toLowerCase().replace(/\.$/, ""));
  return keys.length === 0 ? "dunno" : answer(trial, table.lookup(keys), { name: helo, kind: "Helo command" });
}

export function senderAccess(trial: Trial, table: Maps): Ruling {
  const { sender } = trial.subject;
  if (sender === undefined) return "dunno";
  const { recipient_delimiter: delimiters } = trial.rules.config;
  const keys = sender.address === "" ? [NULL_SENDER] : accessAddressKeys(sender.address, delimiters);
  return answer(trial, table.lookup(keys), { name: sender.address, kind: "Sender address" });
}

export function recipientAccess(trial: Trial, table: Maps): Ruling {
  const { recipient } = trial.subject;
  if (recipient === undefined) return "dunno";
  const keys = accessAddressKeys(recipient.address, trial.rules.config.recipient_delimiter);
  const about: About = { name: recipient.address, kind: "Recipient address" };
  const verdict = answer(trial, table.lookup(keys), about);
  // user%host@domain may be meant for another host than the table thinks of.
  return verdict === "ok" && isRouted(recipient.local) ? "dunno" : verdict;
}

export function saslAccess(trial: Trial, table: Maps): Ruling {
  const { user } = trial.subject;
  if (user === "") return "dunno";
  return answer(trial, table.lookup([user]), { name: user, kind: "SASL login name" });
}

/** By the names and addresses of the hosts that take mail for the domain of `about.name`, an address or a host. */
export async function mxAccess(trial: Trial, table: Maps, domain: string, about: About): Promise<Verdict> {
  const found = domain === "" ? undefined : await findMx(trial, table, domain, about);
  return withoutOk(trial, found === undefined ? "dunno" : answer(trial, found, about), found);
}

async function findMx(trial: Trial, table: Maps, domain: string, about: About): Promise<Found | undefined> {
  const { dns, log } = trial.rules;
  const literal = literalAddress(domain);
  if (literal !== undefined) return table.lookup(accessNetworkKeys(literal));
  const mx = await dns.mx(domain);
  if (mx.kind === "again") log.warn(`Unable to look up MX host for ${domain}: no answer`);
  if (mx.kind === "again" || (mx.kind === "found" && isNullMx(mx.records))) return undefined;
  const hosts = mx.kind === "found" ? mx.records.map(({ exchange }) => exchange.toLowerCase()) : [domain];
  let left = MOST_ADDRESSES;
  for (const host of hosts) {
    const byName = table.lookup(hostKeys(host));
    if (byName !== undefined) return byName;
    const addresses = await dns.addresses(host);
    if (addresses.kind !== "found") log.warn(`Unable to look up MX host ${host} for ${about.kind} ${about.name}`);
    for (const address of addresses.kind === "found" ? addresses.records : []) {
      if (--left < 0) return undefined;
      const byAddress = table.lookup(accessNetworkKeys(address));
      if (byAddress !== undefined) return byAddress;
    }
  }
  return undefined;
}

/** Of a name that is an address only the whole. */
function hostKeys(host: string): string[] {
  return isIP(host) > 0 ? [host] : accessHostKeys(host);
}

function answer(trial: Trial, found: Found | undefined, about: About): Verdict {
  return found === undefined ? "dunno" : applyAction(trial, found, about);
}

/** What others say of themselves in the DNS must not open a door. */
function withoutOk({ rules, subject }: Trial, verdict: Verdict, found: Found | undefined): Verdict {
  if (verdict !== "ok" || subject.effects?.isDiscarded === true) return verdict;
  rules.log.warn(`${found?.table}: OK for ${found?.key} is not allowed here, for it could be forged: write DUNNO`);
  return CONFIGURATION_ERROR;
}
