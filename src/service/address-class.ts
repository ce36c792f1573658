/**
 * The class of a domain, as Postfix's ADDRESS_CLASS_README has them: what this mail system is to it. Whoever takes
 * mail and whoever sends it must agree on this. Pure but for the addresses of this machine.
 */
import { isOwnAddress } from "../base/own-addresses.ts";
import type { Config } from "../config/config.ts";
import { domainMatcher } from "../config/match.ts";
import { literalAddress } from "../mail/domain.ts";

/**
 *   local          ends here: mydestination, no domain at all, an address literal of this machine
 *   virtual-alias  ends nowhere: all its addresses are aliases of others (virtual_alias_domains)
 *   relay          another mail system's, for which we take mail from anybody (relay_domains)
 *   default        the rest of the world
 */
export type AddressClass = "local" | "virtual-alias" | "relay" | "default";

/** Tells the class of a domain, canonical as in mail/domain.ts; the first class that has it holds. */
export function addressClasses(config: Config): (domain: string) => AddressClass {
  const isLocal = domainMatcher(config.mydestination, false);
  const isVirtual = domainMatcher(config.virtual_alias_domains, false);
  const isRelayed = domainMatcher(config.relay_domains, true);
  return (domain) => {
    if (domain === "" || isLocal(domain)) return "local";
    const literal = literalAddress(domain);
    if (literal !== undefined && isOwnAddress(literal)) return "local";
    if (isVirtual(domain)) return "virtual-alias";
    return isRelayed(domain) ? "relay" : "default";
  };
}
