/** What an administrator told to wait: deliveries to a domain, from a source address, of a sender. Pure. */
import { isIP, isIPv6, SocketAddress } from "node:net";
import { addressOrDomain } from "./address.ts";
import { canonicalDomain } from "./domain.ts";

export const PAUSE_KINDS = ["domain", "sender", "source"] as const;
export type PauseKind = (typeof PAUSE_KINDS)[number];

export interface Pause {
  readonly kind: PauseKind;
  readonly value: string; // domain: of recipients, canonical; sender: an address or @domain; source: our IP address
  readonly reason: string; // cleaned; "": none was given
  readonly since: number; // ms since 1970
  readonly until?: number; // ms since 1970; absent: until it is resumed
}

/** What is paused, in the form in which it is stored and compared; undefined if the text is no such thing. */
export function pauseValue(kind: PauseKind, text: string): string | undefined {
  if (kind === "source") return sourceValue(text);
  if (kind === "domain") return canonicalDomain(text.replace(/^@/, ""));
  return addressOrDomain(text);
}

/** One IPv6 address is written in many ways; with a zone it stays as it is. */
function sourceValue(text: string): string | undefined {
  if (isIP(text) === 0) return undefined;
  if (!isIPv6(text) || text.includes("%")) return text.toLowerCase();
  return new SocketAddress({ address: text, family: "ipv6" }).address;
}

export function pauseKey({ kind, value }: Pick<Pause, "kind" | "value">): string {
  return `${kind} ${value}`;
}

/** `paused by administrator: reason`. */
export function pauseText({ reason }: Pause): string {
  return reason === "" ? "paused by administrator" : `paused by administrator: ${reason}`;
}
