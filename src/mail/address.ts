/**
 * Mail addresses: the Mailbox of RFC 5321 4.1.2 with RFC 6531's UTF-8. One parser for every door, so that each door
 * gives the same verdict. The local part stays as it was given (only the receiving domain may interpret it, RFC 5321
 * 2.3.11); the domain becomes canonical. Nothing but the last unquoted @ divides the two: `"a@b"@c` is at c.
 */
import { canonicalDomain, hasUnsafe } from "./domain.ts";

export const MAX_LOCAL = 64; // octets, RFC 5321 4.5.3.1.1
export const MAX_ADDRESS = 254; // octets: a path of 256 without its brackets, RFC 5321 4.5.3.1.3
const MAX_PATH = 2048; // characters, with a source route, before we look at it

export interface Address {
  readonly address: string; // local@domain, or "" for the null reverse-path
  readonly local: string; // as given, with its quotes
  readonly domain: string; // canonical, see domain.ts
}

export interface AddressError {
  /** syntax: no address. length: a part is too long. smtputf8: an address beyond ASCII where that was not asked for. */
  readonly error: "syntax" | "length" | "smtputf8";
  readonly text: string; // why, in words; holds nothing of the input
}

export interface PathOptions {
  readonly smtputf8: boolean; // the client asked for SMTPUTF8: UTF-8 is allowed
  readonly allowEmpty?: boolean; // "" and "<>" are the null reverse-path
  readonly postmasterDomain?: string; // canonical; where a bare `postmaster` lives (RFC 5321 4.1.1.3)
  readonly defaultDomain?: string; // canonical; where every other bare local part lives
}

export function isAddressError(value: Address | AddressError): value is AddressError {
  return "error" in value;
}

// RFC 5321 4.1.2; u flag and the upper range for RFC 6531 3.3. Dots stand alone between atoms: linear time.
const DOT_ATOM = /^[\w!#$%&'*+/=?^`{|}~\u0080-\u{10ffff}-]+(?:\.[\w!#$%&'*+/=?^`{|}~\u0080-\u{10ffff}-]+)*$/u;
const QUOTED = /^"(?:[ !#-[\]-~\u0080-\u{10ffff}]|\\[ -~])*"$/u;
const NON_ASCII = /[\u0080-\u{10ffff}]/u;

/** Parses a path, with or without its angle brackets; a source route is dropped (RFC 5321 appendix C). */
export function parsePath(text: string, options: PathOptions): Address | AddressError {
  let path = text;
  if (path.startsWith("<")) {
    if (!path.endsWith(">") || path.length < 2) return syntax("unbalanced angle brackets");
    path = path.slice(1, -1);
  }
  if (path === "") return options.allowEmpty ? { address: "", local: "", domain: "" } : syntax("empty address");
  if (path.length > MAX_PATH) return tooLong("path too long");
  if (NON_ASCII.test(path)) {
    if (hasUnsafe(path)) return syntax("invalid character in address");
    if (!options.smtputf8) return { error: "smtputf8", text: "non-ASCII address without SMTPUTF8" };
  }
  if (path.startsWith("@")) {
    const route = afterRoute(path);
    if (route === undefined) return syntax("invalid source route");
    path = route;
  }
  return parseMailbox(path, options);
}

function parseMailbox(text: string, options: PathOptions): Address | AddressError {
  const at = localEnd(text);
  const local = text.slice(0, at);
  if (!DOT_ATOM.test(local) && !QUOTED.test(local)) return syntax("invalid local part");
  if (octets(local) > MAX_LOCAL) return tooLong("local part too long");
  if (at === text.length) {
    const isPostmaster = local.toLowerCase() === "postmaster";
    const domain = (isPostmaster ? options.postmasterDomain : undefined) ?? options.defaultDomain;
    return domain === undefined ? syntax("need a domain") : build(local, domain);
  }
  const domain = canonicalDomain(text.slice(at + 1));
  return domain === undefined ? syntax("invalid domain") : build(local, domain);
}

function build(local: string, domain: string): Address | AddressError {
  const address = `${local}@${domain}`;
  return octets(address) > MAX_ADDRESS ? tooLong("address too long") : { address, local, domain };
}

/** Where the local part ends: at the @ behind the quoted string, at the last @ otherwise, or at the end. */
function localEnd(text: string): number {
  if (text.startsWith('"')) {
    for (let index = 1; index < text.length; index += 1) {
      const char = text.charAt(index);
      if (char === "\\") index += 1;
      else if (char === '"') return text.charAt(index + 1) === "@" ? index + 1 : text.length;
    }
    return text.length;
  }
  const at = text.lastIndexOf("@");
  return at < 0 ? text.length : at; // an @ before the last one makes the local part invalid
}

/** What follows `@one,@two:`, or undefined if that is no source route. */
function afterRoute(path: string): string | undefined {
  const colon = routeEnd(path);
  if (colon < 0) return undefined;
  const hops = path.slice(0, colon).split(",");
  return hops.every((hop) => hop.startsWith("@") && canonicalDomain(hop.slice(1)) !== undefined)
    ? path.slice(colon + 1)
    : undefined;
}

/** The colon that ends the route, which is not one inside `[IPv6:...]`. */
function routeEnd(path: string): number {
  let inLiteral = false;
  for (let index = 0; index < path.length; index += 1) {
    const char = path.charAt(index);
    if (char === "[") inLiteral = true;
    else if (char === "]") inLiteral = false;
    else if (char === ":" && !inLiteral) return index;
  }
  return -1;
}

/**
 * Takes the path off the front of the argument of MAIL FROM: or RCPT TO:. A ">" inside a quoted local part does not
 * end it. `end` is the offset behind the ">"; undefined if the text does not start with a whole path.
 */
export function takePath(text: string): { readonly path: string; readonly end: number } | undefined {
  if (!text.startsWith("<")) return undefined;
  let inQuotes = false;
  for (let index = 1; index < text.length; index += 1) {
    const char = text.charAt(index);
    if (inQuotes && char === "\\") index += 1;
    else if (char === '"') inQuotes = !inQuotes;
    else if (char === ">" && !inQuotes) return { path: text.slice(1, index), end: index + 1 };
  }
  return undefined;
}

/** `user@example.org` or `@example.org`, canonical and in lower case; undefined if the text is neither. */
export function addressOrDomain(text: string): string | undefined {
  if (text.startsWith("@")) {
    const domain = canonicalDomain(text.slice(1));
    return domain === undefined ? undefined : `@${domain}`;
  }
  const parsed = parsePath(text, { smtputf8: true });
  return isAddressError(parsed) ? undefined : parsed.address.toLowerCase();
}

/** The domain of an address that was parsed once; "" for the null address. */
export function domainOf(address: string): string {
  const at = address.lastIndexOf("@");
  return at < 0 ? "" : address.slice(at + 1); // a domain has no @, so the last one divides
}

/** The local part of an address that was parsed once, with its quotes. */
export function localOf(address: string): string {
  const at = address.lastIndexOf("@");
  return at < 0 ? address : address.slice(0, at);
}

/** What a local part says, without quotes and backslashes. */
export function unquoteLocal(local: string): string {
  return /^"(.*)"$/s.exec(local)?.[1]?.replaceAll(/\\(.)/gs, "$1") ?? local;
}

/** Whether an address needs SMTPUTF8 (RFC 6531): domains are A-labels here, so only local parts can. */
export function needsSmtputf8(address: string): boolean {
  return NON_ASCII.test(address);
}

/** A local part from plain text (a user name): quoted where RFC 5321 4.1.2 needs it; undefined if it can't be one. */
export function quoteLocal(text: string): string | undefined {
  const local = DOT_ATOM.test(text) ? text : `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
  return (DOT_ATOM.test(local) || QUOTED.test(local)) && !(NON_ASCII.test(text) && hasUnsafe(text)) ? local : undefined;
}

function octets(text: string): number {
  return NON_ASCII.test(text) ? Buffer.byteLength(text) : text.length;
}

function syntax(text: string): AddressError {
  return { error: "syntax", text };
}

function tooLong(text: string): AddressError {
  return { error: "length", text };
}
