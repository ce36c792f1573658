/** Whether an address of one of our domains is there, as far as the recipient tables know: nothing is taken to be returned. */
import type { Config } from "../../../config/config.ts";
import { domainOf } from "../../../mail/address.ts";
import { hasAddress, isListed } from "../../../service/listed-recipient.ts";
import type { Rules } from "./rules.ts";
import type { Trial } from "./trial.ts";
import { type About, rejected, type Ruling } from "./verdict.ts";

/** `about.name`: the address; "" has nothing to be listed. */
export function listed(trial: Trial, about: About): Ruling {
  if (!isFirstTime(trial, about) || about.name === "") return "dunno";
  const missing = missingFrom(trial.rules, about.name);
  if (missing === undefined) return "dunno";
  const status = about.kind === "Sender address" ? "5.1.0" : "5.1.1";
  return rejected(about, missing.code, status, `User unknown in ${missing.table} table`);
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
  return (
    config.local_recipient_maps.length + config.relay_recipient_maps.length + config.virtual_alias_domains.length > 0
  );
}

/** The table that should have the address and does not. */
function missingFrom(rules: Rules, address: string): { readonly table: string; readonly code: number } | undefined {
  const { config } = rules;
  const whose = rules.classOf(domainOf(address));
  if (whose === "default") return undefined;
  const { recipient_delimiter: delimiters } = config;
  const isLocal = whose === "local";
  // A canonical address is looked for under its new form later; an alias is there whatever it leads to.
  const renamed = [config.recipient_canonical_maps, config.canonical_maps, config.virtual_alias_maps];
  if (renamed.some((specs) => hasAddress(rules.maps(specs), address, delimiters, isLocal))) return undefined;
  if (whose === "virtual-alias") return { table: "virtual alias", code: config.unknown_virtual_alias_reject_code };
  const wanted = isLocal ? config.local_recipient_maps : config.relay_recipient_maps;
  if (wanted.length === 0) return undefined;
  if (isListed(rules.maps(wanted), address, delimiters, isLocal)) return undefined;
  return isLocal
    ? { table: "local recipient", code: config.unknown_local_recipient_reject_code }
    : { table: "relay recipient", code: config.unknown_relay_recipient_reject_code };
}
