/** What a handshake came to: how much is known of who answered, in Postfix's words, and whether that is enough. */
import type { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import type { TLSSocket } from "node:tls";
import { clean } from "../../base/text.ts";
import type { TlsPeer } from "../../mail/attempt.ts";
import type { TlsFailureType } from "../../mail/tls-report.ts";
import { daneMatch } from "./dane.ts";
import type { TlsTerms } from "./tls-terms.ts";

export interface Handshake {
  readonly peer: TlsPeer;
  readonly summary: string; // "TLSv1.3 TLS_AES_256_GCM_SHA384"
  readonly details: string; // as Postfix logs it: "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)"
  readonly problem?: { readonly type: TlsFailureType; readonly why: string }; // not as names or TLSA records want it
  readonly refusal?: string; // and that is not enough
  readonly certificate?: X509Certificate;
  readonly distrust?: string; // why no authority vouches for it, in OpenSSL's words
}

export function assess(socket: TLSSocket, terms: TlsTerms): Handshake {
  const protocol = socket.getProtocol() ?? "TLS";
  const cipher = socket.getCipher();
  const bits = cipherBits(cipher.name);
  const certificate = socket.getPeerX509Certificate();
  const hasName = certificate !== undefined && terms.names.some((name) => isNamed(certificate, name, terms));
  const dane = certificate === undefined ? "other key" : daneMatch(terms.tlsa ?? [], certificate, hasName);
  const isTrusted = terms.level === "dane" ? dane !== "other key" : certificate !== undefined && socket.authorized;
  const isVerified = terms.level === "dane" ? dane === "match" : isTrusted && hasName;
  const isWanted = terms.names.length > 0 || terms.tlsa !== undefined;
  const isEnough = isVerified || (terms.level !== "verify" && terms.level !== "dane");
  return {
    peer: certificate === undefined ? "Anonymous" : isVerified ? "Verified" : isTrusted ? "Trusted" : "Untrusted",
    summary: `${protocol} ${cipher.standardName ?? cipher.name}`,
    details: `${protocol} with cipher ${cipher.name} (${bits}/${bits} bits)`,
    ...(isWanted && !isVerified ? { problem: problemOf(certificate, isTrusted, terms, socket) } : {}),
    ...(certificate === undefined ? {} : { certificate }),
    ...(socket.authorized ? {} : { distrust: String(socket.authorizationError) }),
    ...(isEnough ? {} : { refusal: `Server certificate not ${isTrusted ? "verified" : "trusted"}` }),
  };
}

function problemOf(
  certificate: X509Certificate | undefined,
  isTrusted: boolean,
  { names, tlsa }: TlsTerms,
  { authorizationError }: TLSSocket,
): NonNullable<Handshake["problem"]> {
  if (certificate === undefined) return { type: "certificate-not-trusted", why: "there is none" };
  if (isTrusted) {
    const why = `it is for ${certificate.subjectAltName ?? certificate.subject}, not for ${names.join(" or ")}`;
    return { type: "certificate-host-mismatch", why: clean(why, 300) };
  }
  if (tlsa !== undefined) return { type: "certificate-not-trusted", why: "no TLSA record stands for it" };
  const code = String(authorizationError); // OpenSSL's, whatever the type says
  return { type: code === "CERT_HAS_EXPIRED" ? "certificate-expired" : "certificate-not-trusted", why: code };
}

/** OpenSSL compares: wildcards for one whole label, the common name only where there are no DNS names (RFC 6125). */
function isNamed(certificate: X509Certificate, name: string, { noCommonName }: TlsTerms): boolean {
  if (isIP(name) !== 0) return certificate.checkIP(name) !== undefined;
  const subject = noCommonName ? "never" : "default";
  return certificate.checkHost(name, { subject, partialWildcards: false }) !== undefined;
}

function cipherBits(name: string): number {
  if (/AES_?128|CAMELLIA128|ARIA128|SEED/.test(name)) return 128;
  return /3DES|DES-CBC3/.test(name) ? 168 : 256;
}
