/** Next hops as routing names them: `[host]:port`, `[192.0.2.1]`, `host:port`, `example.org`; `unix:/path`. */
import { isIP } from "node:net";

/** In brackets, or behind `inet:`: that host itself. Without: a domain whose MX records decide. */
export type Nexthop =
  | { readonly kind: "socket"; readonly path: string } // a relative one is in the spool
  | { readonly kind: "host"; readonly host: string; readonly port: number }
  | { readonly kind: "domain"; readonly domain: string; readonly port: number };

/**
 * Undefined for what is none. An IP address without brackets is taken as a host: there is nothing else that it could
 * mean.
 */
export function parseNexthop(text: string, defaultPort: number): Nexthop | undefined {
  if (text.startsWith("unix:")) return text.length > 5 ? { kind: "socket", path: text.slice(5) } : undefined;
  const inet = /^inet:(?:\[(.+)\]|([^[\]:]+))(:\d{1,5})?$/.exec(text);
  const plain = inet === null ? text : `[${inet[1] ?? inet[2]}]${inet[3] ?? ""}`;
  const match = /^(?:\[([^[\]\s]+)\]|([^[\]:\s]+))(?::(\d{1,5}))?$/.exec(plain);
  if (match === null) return undefined;
  const [, bracketed, bare = "", digits] = match;
  const port = digits === undefined ? defaultPort : Number(digits);
  if (port < 1 || port > 65_535) return undefined;
  // The form of address literals, RFC 5321 4.1.3.
  const host = bracketed?.replace(/^ipv6:/i, "").toLowerCase();
  if (host !== undefined) return { kind: "host", host, port };
  return isIP(bare) ? { kind: "host", host: bare, port } : { kind: "domain", domain: bare.toLowerCase(), port };
}

/** Whether a name from the DNS is one that a host may have: such names end up in logs and reports (RFC 1123 2.1). */
export function isHostName(name: string): boolean {
  if (name.length === 0 || name.length > 253 || isIP(name) !== 0) return false;
  const labels = name.split(".");
  if (!labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label))) return false;
  return !/^\d+$/.test(labels.at(-1) ?? "");
}
