/**
 * Addresses as they are to be known outside: canonical_maps and masquerading, for envelope and header. Doors do this
 * as they write a message, whose content never changes later.
 */
import { ScesError } from "../base/errors.ts";
import type { Config } from "../config/config.ts";
import type { Maps, Tables } from "../config/tables.ts";
import { domainOf, localOf, needsSmtputf8 } from "../mail/address.ts";
import type { EnvelopeDraft, Recipient } from "../mail/envelope.ts";
import { type Header, splitHeader } from "../mail/header.ts";
import { type AddressRole, rewriteHeader } from "../mail/rewrite-addresses.ts";
import { identity, renamed } from "../mail/rewritten.ts";
import { type AddressMapOptions, addressMapOptions, mapAddress, originOf } from "./address-map.ts";

/** Whose address it is, and where it stands: what canonical_classes and masquerade_classes name. */
export type AddressPlace = `${"envelope" | "header"}_${AddressRole}`;

export type Addressed = Pick<EnvelopeDraft, "sender" | "recipients" | "smtputf8">;

/** A message from its first byte on, at least to the end of its header. */
export interface Headed {
  readonly bytes: Buffer;
  readonly header: Header; // of `bytes`
}

/** An address that leads on so often leads nowhere. */
const MAX_NESTING = 100;

export class Canonical {
  readonly #origin: string;
  readonly #options: AddressMapOptions;
  readonly #mapsOf: Readonly<Record<AddressPlace, readonly Maps[]>>;
  readonly #masquerade: ReadonlyMap<AddressPlace, (address: string) => string>;

  constructor(config: Config, tables: Tables) {
    this.#origin = originOf(config);
    this.#options = addressMapOptions(config, "canonical");
    const all: ReadonlyArray<readonly [Maps, readonly AddressPlace[]]> = [
      [tables.open(config.sender_canonical_maps), config.sender_canonical_classes],
      [tables.open(config.recipient_canonical_maps), config.recipient_canonical_classes],
      [tables.open(config.canonical_maps), config.canonical_classes],
    ];
    const mapsOf = (place: AddressPlace) =>
      all.filter(([maps, places]) => !maps.isEmpty && places.includes(place)).map(([maps]) => maps);
    this.#mapsOf = {
      envelope_sender: mapsOf("envelope_sender"),
      envelope_recipient: mapsOf("envelope_recipient"),
      header_sender: mapsOf("header_sender"),
      header_recipient: mapsOf("header_recipient"),
    };
    const masquerade = masqueradeBy(config);
    const places = config.masquerade_domains.length === 0 ? [] : config.masquerade_classes;
    this.#masquerade = new Map(places.map((place) => [place, masquerade]));
  }

  /** Throws ScesError TABLE_UNREADABLE and ALIAS_UNUSABLE, as do the others. */
  address(address: string, place: AddressPlace): string {
    if (address === "") return address; // the null sender is nobody's
    let mapped = address;
    for (const maps of this.#mapsOf[place]) mapped = this.#follow(maps, mapped);
    return this.#masquerade.get(place)?.(mapped) ?? mapped;
  }

  /** Sender and recipients; the same object where nothing changes. */
  envelope<T extends Addressed>(draft: T): T {
    const sender = this.address(draft.sender, "envelope_sender");
    const recipients = this.#recipients(draft.recipients);
    if (sender === draft.sender && recipients === draft.recipients) return draft;
    const isUtf8 = needsSmtputf8(sender) || recipients.some(({ address }) => needsSmtputf8(address));
    return { ...draft, sender, recipients, ...(isUtf8 ? { smtputf8: true as const } : {}) };
  }

  /** The header of a message of our own users and hosts; the same object where nothing changes. */
  header<T extends Headed>(message: T): T {
    const map = (address: string, role: AddressRole) => this.address(address, `header_${role}`);
    const bytes = rewriteHeader(message.bytes, message.header, this.#origin, map);
    return bytes === message.bytes ? message : { ...message, bytes, header: splitHeader(bytes) };
  }

  /** Several may become one. */
  #recipients(recipients: readonly Recipient[]): readonly Recipient[] {
    const mapped = recipients.map((recipient) => {
      const address = this.address(recipient.address, "envelope_recipient");
      return address === recipient.address ? recipient : renamed(recipient, address);
    });
    if (mapped.every((recipient, index) => recipient === recipients[index])) return recipients;
    const seen = new Set<string>();
    return mapped.filter((recipient) => seen.size < seen.add(identity(recipient)).size);
  }

  #follow(maps: Maps, address: string): string {
    let current = address;
    for (let count = 0; count < MAX_NESTING; count++) {
      // Postfix, too, takes the first of several.
      const next = mapAddress(maps, current, this.#options)?.[0];
      if (next === undefined || next.toLowerCase() === current.toLowerCase()) return next ?? current;
      current = next;
    }
    throw new ScesError("ALIAS_UNUSABLE", `unreasonable canonical map nesting for ${address}`);
  }
}

/** Hosts within masquerade_domains vanish behind the domain's own name. The first that matches decides. */
function masqueradeBy({ masquerade_domains, masquerade_exceptions }: Config): (address: string) => string {
  const exceptions = new Set(masquerade_exceptions.map((name) => name.toLowerCase()));
  return (address) => {
    const domain = domainOf(address);
    if (exceptions.has(localOf(address).toLowerCase())) return address;
    for (const item of masquerade_domains) {
      const parent = item.replace(/^!/, "").toLowerCase();
      if (domain !== parent && !domain.endsWith(`.${parent}`)) continue;
      return item.startsWith("!") ? address : `${localOf(address)}@${parent}`;
    }
    return address;
  };
}
