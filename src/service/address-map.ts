/** Looking an address up in virtual and canonical tables, and what is found as addresses: Postfix's mail_addr_map. */
import { ScesError } from "../base/errors.ts";
import { clean } from "../base/text.ts";
import type { Config } from "../config/config.ts";
import type { Found, Maps } from "../config/tables.ts";
import { domainOf, isAddressError, localOf, parsePath } from "../mail/address.ts";
import { parseAddressList } from "../mail/address-list.ts";
import { canonicalDomain } from "../mail/domain.ts";
import { aliasKeys, splitExtension } from "../mail/lookup-keys.ts";
import { addressClasses } from "./address-class.ts";

export interface AddressMapOptions {
  readonly delimiters: string; // recipient_delimiter
  readonly origin: string; // canonical: the domain of addresses that have none
  readonly isOurs: (domain: string) => boolean; // a bare local part in the table stands for addresses of this domain
  readonly propagates: boolean; // an extension that is not part of the key is put on what is found
}

/** `kind`: as propagate_unmatched_extensions names the tables. */
export function addressMapOptions(config: Config, kind: "canonical" | "virtual" | "alias"): AddressMapOptions {
  const classOf = addressClasses(config);
  const origin = originOf(config);
  return {
    delimiters: config.recipient_delimiter,
    origin,
    isOurs: (domain) => domain === origin || classOf(domain) === "local",
    propagates: config.propagate_unmatched_extensions.includes(kind),
  };
}

/** myorigin, canonical. */
export function originOf({ myorigin, myhostname }: Config): string {
  return canonicalDomain(myorigin) ?? myhostname.toLowerCase();
}

/**
 * Whole addresses, at least one; undefined if the tables have none. Throws ScesError TABLE_UNREADABLE; ALIAS_UNUSABLE
 * where what was found is no address.
 */
export function mapAddress(maps: Maps, address: string, options: AddressMapOptions): readonly string[] | undefined {
  const keys = aliasKeys(address, options.delimiters, options.isOurs(domainOf(address)));
  const found = maps.lookup(keys.map(({ key }) => key));
  if (found === undefined) return undefined;
  const isPart = keys.some(({ key, extension }) => key === found.key && extension !== "");
  const { user } = splitExtension(localOf(address), options.delimiters);
  const extension = isPart && options.propagates ? localOf(address).slice(user.length) : "";
  // @other: the same local part, with its extension in any case.
  const text = found.value.startsWith("@") ? `${isPart ? user : localOf(address)}${found.value}` : found.value;
  return addressesIn({ ...found, value: text }, options.origin).map((target) => withExtension(target, extension));
}

/** The addresses on the right-hand side of an entry, those without a domain at `origin`. Throws ALIAS_UNUSABLE. */
export function addressesIn({ table, key, value }: Found, origin: string): string[] {
  const { mailboxes, bad } = parseAddressList(value, { defaultDomain: origin });
  const wrong = bad[0] ?? (mailboxes.length === 0 ? { reason: "no address", text: value } : undefined);
  if (wrong !== undefined) {
    const text = `${table}: ${clean(key, 300)}: ${wrong.reason}: ${clean(wrong.text, 300)}`;
    throw new ScesError("ALIAS_UNUSABLE", text);
  }
  return mailboxes.map(({ address }) => address);
}

/** user@domain as user+ext@domain. `extension`: with its delimiter, or "". */
export function withExtension(address: string, extension: string): string {
  if (extension === "") return address;
  const local = localOf(address);
  const extended = local.endsWith('"') ? `${local.slice(0, -1)}${extension}"` : `${local}${extension}`;
  const parsed = parsePath(`${extended}@${domainOf(address)}`, { smtputf8: true });
  return isAddressError(parsed) ? address : parsed.address; // too long: better without it than not at all
}
