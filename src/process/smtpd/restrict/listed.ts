/** Whether an address of one of our domains leads anywhere, as far as our tables know: nothing is taken to be returned. */
import type { Config } from "../../../config/config.ts";
import { domainOf } from "../../../mail/address.ts";
import type { Destination } from "../../../mail/expansion.ts";
import { mishapOf } from "../../../service/error-transport.ts";
import { hasAddress, isListed } from "../../../service/listed-recipient.ts";
import type { Rules } from "./rules.ts";
import type { Trial } from "./trial.ts";
import { type About, rejected, type Ruling } from "./verdict.ts";

/** Why mail for an address would come back. */
interface Lack {
  readonly code: number;
  readonly status: string; // of a recipient
  readonly why: string;
}

/** `about.name`: the address; "" has nothing to be listed. */
export function listed(trial: Trial, about: About): Ruling {
  if (!isFirstTime(trial, about) || about.name === "") return "dunno";
  const lack = lackOf(trial.rules, about.name, trial.subject.sender?.address ?? "");
  if (lack === undefined) return "dunno";
  // x.1.1 is about recipients (RFC 3463 3.2).
  const status = about.kind === "Sender address" ? lack.status.replace(/\.1\.1$/, ".1.0") : lack.status;
  return rejected(about, lack.code, status, lack.why);
}

/** The word may stand in a list, and is asked once more behind all lists. */
function isFirstTime(trial: Trial, about: About): boolean {
  const flag = about.kind === "Sender address" ? "isSenderListed" : "isRecipientListed";
  if (trial[flag]) return false;
  trial[flag] = !trial.onlyWarns;
  return true;
}

/** Whether anything at all is looked up for recipients. */
export function checksRecipients(config: Config): boolean {
  const { local_recipient_maps: ofLocal, relay_recipient_maps: ofRelay, virtual_alias_maps, alias_maps } = config;
  const tables = [...ofLocal, ...ofRelay, ...virtual_alias_maps, ...alias_maps];
  return tables.length + config.virtual_alias_domains.length > 0 || mayErr(config);
}

/** Whether some mail goes to a transport that only returns it. */
function mayErr(config: Config): boolean {
  if (config.transport_maps.length + config.sender_dependent_default_transport_maps.length > 0) return true;
  const ways = [config.local_transport, config.relay_transport, config.default_transport];
  return ways.some(({ transport }) => config.agentOf(transport) === "error");
}

function lackOf(rules: Rules, address: string, sender: string): Lack | undefined {
  const { config } = rules;
  const whose = rules.classOf(domainOf(address));
  if (whose === "default") return lackOfRoute(rules, address, sender);
  const isLocal = whose === "local";
  // A canonical address is looked for under its new form later.
  for (const specs of [config.recipient_canonical_maps, config.canonical_maps]) {
    if (hasAddress(rules.maps(specs), address, config.recipient_delimiter, isLocal)) return undefined;
  }
  const ends = rules.aliases.expand(address) ?? [{ address }];
  const lacks = ends.map((end) => lackAtEnd(rules, end, sender));
  return lacks.every((lack) => lack !== undefined) ? lacks[0] : undefined;
}

/** Where aliases have led, or there were none. An address of virtual_alias_domains is no mailbox. */
function lackAtEnd(rules: Rules, { address, failure }: Destination, sender: string): Lack | undefined {
  const { config, classOf, maps } = rules;
  const ofAlias = config.unknown_virtual_alias_reject_code;
  if (failure !== undefined) return { code: ofAlias, status: failure.dsn, why: failure.text };
  const whose = classOf(domainOf(address));
  if (whose === "virtual-alias") return unknown(ofAlias, "virtual alias");
  const lack = lackOfRoute(rules, address, sender);
  if (lack !== undefined || whose === "default") return lack;
  const isLocal = whose === "local";
  const wanted = isLocal ? config.local_recipient_maps : config.relay_recipient_maps;
  if (wanted.length === 0) return undefined;
  if (isListed(maps(wanted), address, config.recipient_delimiter, isLocal)) return undefined;
  return isLocal
    ? unknown(config.unknown_local_recipient_reject_code, "local recipient")
    : unknown(config.unknown_relay_recipient_reject_code, "relay recipient");
}

/** A route to the transport error ends there, as Postfix's smtpd has it: 550 with the words of the route. */
function lackOfRoute({ config, route }: Rules, address: string, sender: string): Lack | undefined {
  const way = route(address, sender);
  if (config.agentOf(way.transport) !== "error") return undefined;
  const { dsn, text } = mishapOf(way);
  return dsn.startsWith("5") ? { code: 550, status: dsn, why: text } : undefined;
}

function unknown(code: number, table: string): Lack {
  return { code, status: "5.1.1", why: `User unknown in ${table} table` };
}
