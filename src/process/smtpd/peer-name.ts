/** The name of a client: what the DNS says of its address, and whether the name has that address, too. */
import { SocketAddress } from "node:net";
import type { Dns } from "../../dns/dns.ts";
import { canonicalDomain } from "../../mail/domain.ts";

export type NameStatus = "known" | "none" | "again"; // again: the DNS does not answer now

export interface PeerName {
  readonly name: string; // verified, or "unknown"
  readonly status: NameStatus;
  readonly reverseName: string; // what the address says, verified or not, or "unknown"
  readonly reverseStatus: NameStatus;
}

const LOCALHOST: PeerName = {
  name: "localhost",
  status: "known",
  reverseName: "localhost",
  reverseStatus: "known",
};
const UNKNOWN = { name: "unknown", reverseName: "unknown" } as const;
export const NAMELESS: PeerName = { ...UNKNOWN, status: "none", reverseStatus: "none" };

/** The name that is known without a question; undefined if there is one to ask. */
export function presetName(address: string, isLookedUp: boolean): PeerName | undefined {
  if (address === "127.0.0.1" || address === "::1") return LOCALHOST;
  return isLookedUp ? undefined : NAMELESS;
}

/** Never rejects. */
export async function lookUpName(dns: Dns, address: string): Promise<PeerName> {
  const answer = await dns.ptr(address);
  if (answer.kind === "again") return { ...UNKNOWN, status: "again", reverseStatus: "again" };
  const reverseName =
    answer.kind === "found" ? canonicalDomain(answer.records[0]?.replace(/\.$/, "") ?? "") : undefined;
  if (reverseName === undefined) return NAMELESS;
  const reverse = { reverseName, reverseStatus: "known" } as const;
  const forward = await dns.addresses(reverseName);
  if (forward.kind === "again") return { ...reverse, name: "unknown", status: "again" };
  const isVerified = forward.kind === "found" && forward.records.some((one) => isSameAddress(one, address));
  return isVerified
    ? { ...reverse, name: reverseName, status: "known" }
    : { ...reverse, name: "unknown", status: "none" };
}

function isSameAddress(left: string, right: string): boolean {
  return canonicalAddress(left) === canonicalAddress(right);
}

function canonicalAddress(address: string): string {
  return address.includes(":") ? new SocketAddress({ address, family: "ipv6" }).address : address;
}
