/** The name under which the DNS has what belongs to an address (RFC 1035 3.5, RFC 3596 2.5). */
import { isIPv4 } from "node:net";

export function reverseName(address: string): string {
  return `${reverseLabels(address)}.${isIPv4(address) ? "in-addr" : "ip6"}.arpa`;
}

/** `1.2.0.192`, and for IPv6 all 32 digits: lists of addresses in the DNS begin with it too (RFC 5782 2.1). */
export function reverseLabels(address: string): string {
  if (isIPv4(address)) return address.split(".").toReversed().join(".");
  const digits = ipv6Groups(address).map((group) => group.toString(16).padStart(4, "0"));
  return [...digits.join("")].toReversed().join(".");
}

/** Eight numbers of 16 bits. */
function ipv6Groups(address: string): number[] {
  // As a URL has it there is no zone, no embedded IPv4 and at most one "::".
  const plain = new URL(`http://[${address.replace(/%.*$/, "")}]`).hostname.slice(1, -1);
  const [left = "", right] = plain.split("::");
  const numbers = (part: string) =>
    part
      .split(":")
      .filter(Boolean)
      .map((group) => Number.parseInt(group, 16));
  if (right === undefined) return numbers(left);
  const zeros = 8 - numbers(left).length - numbers(right).length;
  return [...numbers(left), ...Array.from({ length: zeros }, () => 0), ...numbers(right)];
}
