/** What TLS one session must come to, once policy, next hop and host are known. */
import type { TlsProtocols } from "../../config/tls-policy.ts";

export interface TlsTerms {
  /** none: in the clear. may: if it works. encrypt: or nothing. verify: with a certificate of one of the names. */
  readonly level: "none" | "may" | "encrypt" | "verify";
  readonly policy: string; // where they come from, as the record has it: may, secure, dane ...
  readonly names: readonly string[]; // of verify; with a dot in front: whatever is below; an IP address
  readonly protocols: TlsProtocols;
  readonly fromStart: boolean; // without STARTTLS (RFC 8314)
}

export function needsTls({ level }: TlsTerms): boolean {
  return level === "encrypt" || level === "verify";
}
