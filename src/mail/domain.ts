/**
 * Domains of mail addresses in one canonical form, the only one that is stored and compared: lower case, A-labels
 * (RFC 5890) by UTS 46, or an address literal such as `[192.0.2.1]` and `[ipv6:2001:db8::1]`.
 */
import { isIPv4, isIPv6 } from "node:net";
import { domainToASCII } from "node:url";

export const MAX_DOMAIN = 255; // octets, RFC 5321 4.5.3.1.2
const MAX_LABEL = 63; // octets, RFC 1035 2.3.4

// Controls, unpaired surrogates, private use, invisible format characters (but for the two joiners, which UTS 46
// judges by context), spaces but for the plain one, and the replacement character that stands for bytes that were not UTF-8. UTS 46 would
// drop some of these silently, and two different texts would become one domain.
const NEVER = /[\p{Cc}\p{Cs}\p{Co}\p{Noncharacter_Code_Point}\ufffd]|(?! )\p{Z}|(?![\u200c\u200d])\p{Cf}/u;
const NON_ASCII = /[\u0080-\u{10ffff}]/u;
const LDH = /^[a-z0-9-]+$/;
const NUMERIC = /^(?:[0-9]+|0x[0-9a-f]*)$/;

/** The canonical form, or undefined if the text is no domain of an address (RFC 5321 4.1.2, 4.1.3; RFC 6531 3.3). */
export function canonicalDomain(text: string): string | undefined {
  if (text.startsWith("[")) return canonicalLiteral(text);
  if (text.length === 0 || text.length > MAX_DOMAIN) return undefined;
  if (!NON_ASCII.test(text)) {
    const lower = text.toLowerCase();
    return isHostName(lower) ? lower : undefined;
  }
  // domainToASCII parses as a URL's host does: it would also decode %41 and stop at "/", so ASCII is judged before.
  if (hasUnsafe(text) || /[^\u0080-\u{10ffff}A-Za-z0-9.-]/u.test(text)) return undefined;
  const ascii = domainToASCII(text.normalize("NFC"));
  return ascii.length <= MAX_DOMAIN && isHostName(ascii) ? ascii : undefined;
}

/** Whether the text has characters beyond ASCII, or controls, that no mail address may have, in whatever part. */
export function hasUnsafe(text: string): boolean {
  return NEVER.test(text);
}

/** The IP address in an address literal in canonical form, or undefined if the domain is a name. */
export function literalAddress(domain: string): string | undefined {
  if (!domain.startsWith("[")) return undefined;
  return domain.startsWith("[ipv6:") ? domain.slice(6, -1) : domain.slice(1, -1);
}

/** Letters, digits and hyphens, no empty label, and not an IPv4 address in any of the forms that resolvers accept. */
function isHostName(domain: string): boolean {
  if (domain.length === 0) return false;
  let last = "";
  for (const label of domain.split(".")) {
    if (label.length === 0 || label.length > MAX_LABEL || !LDH.test(label)) return false;
    if (label.startsWith("-") || label.endsWith("-")) return false;
    last = label;
  }
  return !NUMERIC.test(last);
}

function canonicalLiteral(text: string): string | undefined {
  if (text.length > 64 || !text.endsWith("]")) return undefined;
  const inner = text.slice(1, -1);
  if (isIPv4(inner)) return `[${inner}]`;
  const address = /^ipv6:([0-9a-f:.]+)$/i.exec(inner)?.[1];
  if (address === undefined || !isIPv6(address)) return undefined;
  return `[ipv6:${new URL(`http://[${address}]`).hostname.slice(1, -1)}]`;
}
