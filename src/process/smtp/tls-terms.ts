/** What TLS one session must come to, once policy, next hop and host are known. */
import type { TlsaRecord } from "../../dns/message.ts";
import type { ReportedPolicy } from "../../mail/tls-report.ts";
import type { TlsProtocols } from "../../config/tls-policy.ts";

export interface TlsTerms {
  /**
   * none: in the clear. may: if it works. encrypt: or nothing. verify: with a certificate of one of the names. dane:
   * with a key or authority of the TLSA records.
   */
  readonly level: "none" | "may" | "encrypt" | "verify" | "dane";
  readonly policy: string; // where they come from, as the record has it: may, secure, dane, sts ...
  readonly names: readonly string[]; // must be had at verify and dane; with a dot in front: whatever is below; an IP address
  readonly noCommonName?: true; // only the DNS names of a certificate count (RFC 8461 4.1)
  readonly protocols: TlsProtocols;
  readonly fromStart: boolean; // without STARTTLS (RFC 8314)
  readonly sni: string; // the name that the server is to show a certificate for
  readonly tlsa?: readonly TlsaRecord[]; // of dane
  readonly reported?: ReportedPolicy; // how it goes is counted under this
}

export function needsTls({ level }: TlsTerms): boolean {
  return level !== "none" && level !== "may";
}
