/** What TLS one session must come to, once policy, next hop and host are known. */
import type { TlsaRecord } from "../../dns/message.ts";
import type { TlsProtocols } from "../../config/tls-policy.ts";

export interface TlsTerms {
  /**
   * none: in the clear. may: if it works. encrypt: or nothing. verify: with a certificate of one of the names. dane:
   * with a key or authority of the TLSA records.
   */
  readonly level: "none" | "may" | "encrypt" | "verify" | "dane";
  readonly policy: string; // where they come from, as the record has it: may, secure, dane ...
  readonly names: readonly string[]; // of verify and dane; with a dot in front: whatever is below; an IP address
  readonly protocols: TlsProtocols;
  readonly fromStart: boolean; // without STARTTLS (RFC 8314)
  readonly sni: string; // the name that the server is to show a certificate for
  readonly tlsa?: readonly TlsaRecord[]; // of dane
}

export function needsTls({ level }: TlsTerms): boolean {
  return level !== "none" && level !== "may";
}
