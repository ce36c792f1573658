/** Whether an address of one of our domains is there, as far as the recipient tables know: nothing is taken to be returned. */
import type { Config } from "../../../config/config.ts";
import type { TableSpec } from "../../../config/maps.ts";
import { domainOf, localOf } from "../../../mail/address.ts";
import { aliasKeys } from "../../../mail/lookup-keys.ts";
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
  const isThere = (specs: readonly TableSpec[]) => {
    const keys = aliasKeys(address, config.recipient_delimiter, whose === "local");
    return rules.maps(specs).lookup(keys.map(({ key }) => key)) !== undefined;
  };
  // A canonical address is looked for under its new form later; an alias is there whatever it leads to.
  if ([config.recipient_canonical_maps, config.canonical_maps, config.virtual_alias_maps].some(isThere))
    return undefined;
  if (whose === "virtual-alias") return { table: "virtual alias", code: config.unknown_virtual_alias_reject_code };
  const wanted = whose === "local" ? config.local_recipient_maps : config.relay_recipient_maps;
  // RFC 5321 4.5.1: whoever looks after our mail can always be reached; and so can what our reports come from.
  if (wanted.length === 0 || /^(postmaster|mailer-daemon|double-bounce)$/i.test(localOf(address))) return undefined;
  if (isThere(wanted)) return undefined;
  return whose === "local"
    ? { table: "local recipient", code: config.unknown_local_recipient_reject_code }
    : { table: "relay recipient", code: config.unknown_relay_recipient_reject_code };
}
