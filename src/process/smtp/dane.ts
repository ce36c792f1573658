/**
 * DANE for SMTP (RFC 7672): what the validated DNS says of a host's key takes the place of authorities. Of the four
 * usages two mean something between mail systems: 3, this very key, whatever else its certificate says; and 2, a
 * certificate under this authority for one of the host's names. Of a host behind an alias whose end is not validated
 * nothing is asked, though the alias could have records (RFC 7672 2.2.2): MX hosts are no aliases (RFC 5321 5.1).
 */
import { createHash, type X509Certificate } from "node:crypto";
import type { Dns } from "../../dns/dns.ts";
import type { TlsaRecord } from "../../dns/message.ts";
import type { Host } from "./route.ts";

export type DaneAnswer =
  | { readonly kind: "usable"; readonly records: readonly TlsaRecord[]; readonly base: string } // base: where they are
  | { readonly kind: "unusable" } // there are some, but none that can be used: TLS is meant (RFC 7672 2.2)
  | { readonly kind: "absent"; readonly why: string } // nothing, or nothing that is validated
  | { readonly kind: "again" }; // it could not be found out: the host is not to be used now

const AUTHORITY = 2;
const THIS_KEY = 3;
const LONGEST_CHAIN = 10;

/** Hashes by matching type, RFC 6698 7.4; of 0 the thing itself. */
const HASHES: Readonly<Record<number, { readonly name: string; readonly bytes: number }>> = {
  1: { name: "sha256", bytes: 32 },
  2: { name: "sha512", bytes: 64 },
};

export async function findDane(dns: Dns, { port, tlsaNames = [] }: Host): Promise<DaneAnswer> {
  if (tlsaNames.length === 0) return { kind: "absent", why: "non DNSSEC destination" };
  for (const base of tlsaNames) {
    const answer = await dns.tlsa(base, port);
    if (answer.kind === "again") return { kind: "again" };
    if (answer.kind === "none" || !answer.isSecure) continue;
    const records = strongest(answer.records.filter(isUsable));
    return records.length > 0 ? { kind: "usable", records, base } : { kind: "unusable" };
  }
  return { kind: "absent", why: "no TLSA records found" };
}

function isUsable({ usage, selector, matchingType, certificate }: TlsaRecord): boolean {
  if ((usage !== AUTHORITY && usage !== THIS_KEY) || (selector !== 0 && selector !== 1)) return false;
  return matchingType === 0 ? certificate.length > 0 : HASHES[matchingType]?.bytes === certificate.length;
}

/** Of two hashes of the same thing only the better one counts, or it would be worth no more than the other (RFC 7671 9). */
function strongest(records: readonly TlsaRecord[]): readonly TlsaRecord[] {
  return records.filter(
    ({ usage, selector, matchingType }) =>
      matchingType !== 1 ||
      !records.some((one) => one.usage === usage && one.selector === selector && one.matchingType === 2),
  );
}

export type DaneMatch = "match" | "other name" | "other key";

/** Whether the server is the one of these records. `isNamed`: its certificate has one of the names it may have. */
export function daneMatch(records: readonly TlsaRecord[], certificate: X509Certificate, isNamed: boolean): DaneMatch {
  try {
    return match(records, certificate, isNamed);
  } catch {
    return "other key"; // somewhere in the chain is a key of a kind that the runtime does not know
  }
}

function match(records: readonly TlsaRecord[], certificate: X509Certificate, isNamed: boolean): DaneMatch {
  if (records.some((record) => record.usage === THIS_KEY && stands(record, certificate))) return "match";
  const authorities = records.filter((record) => record.usage === AUTHORITY);
  if (authorities.length === 0 || !leadsTo(authorities, certificate)) return "other key";
  return isNamed ? "match" : "other name";
}

/** The record stands for this certificate, or its key (RFC 6698 2.1.2, 2.1.3). */
function stands({ selector, matchingType, certificate: wanted }: TlsaRecord, certificate: X509Certificate): boolean {
  const bytes = selector === 0 ? certificate.raw : certificate.publicKey.export({ type: "spki", format: "der" });
  const hash = HASHES[matchingType];
  const found = hash === undefined ? bytes : createHash(hash.name).update(bytes).digest();
  return Buffer.compare(found, wanted) === 0;
}

/**
 * From the server's certificate up to one that the records stand for, each signed by the next and valid now. The owner
 * of the domain chose the authority, so its constraints on names and on the length of the way are not looked at.
 */
function leadsTo(authorities: readonly TlsaRecord[], leaf: X509Certificate): boolean {
  const now = Date.now();
  let certificate = leaf;
  for (let length = 0; length < LONGEST_CHAIN; length++) {
    if (now < Date.parse(certificate.validFrom) || now > Date.parse(certificate.validTo)) return false;
    if (authorities.some((record) => stands(record, certificate))) return true;
    const { issuerCertificate: issuer } = certificate;
    if (issuer === undefined || !issuer.ca) return false;
    if (!certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey)) return false;
    certificate = issuer;
  }
  return false;
}
