/** Lists of networks and of domains, and what matches them. */
import { BlockList, isIP } from "node:net";
import { listOf, shown, ValueError, type Kind } from "./values.ts";

const NETWORK = /^!?(?:\[([0-9A-Fa-f:.]+)\]|([0-9A-Fa-f:.]+))(?:\/(\d{1,3}))?$/;

interface Network {
  readonly address: string;
  readonly family: "ipv4" | "ipv6";
  readonly bits: number;
}

/** `192.0.2.0/24`, `192.0.2.1`, `[2001:db8::]/32`, `!192.0.2.9`. Throws ValueError. */
function parseNetwork(item: string): Network {
  const match = NETWORK.exec(item);
  const address = match?.[1] ?? match?.[2] ?? "";
  const version = isIP(address);
  const widest = version === 4 ? 32 : 128;
  const bits = match?.[3] === undefined ? widest : Number(match[3]);
  if (version === 0 || bits > widest) {
    throw new ValueError(
      `bad network: ${shown(item)} (as 192.0.2.0/24, 192.0.2.1, [2001:db8::]/32; with ! before it: not)`,
    );
  }
  return { address, family: version === 4 ? "ipv4" : "ipv6", bits };
}

export const networks: Kind<readonly string[]> = listOf(
  "networks: 192.0.2.0/24, 192.0.2.1, [2001:db8::]/32; `!` before one excludes it, the first match decides",
  parseNetwork,
);

/** Tells whether an IP address (no brackets) is in a list of networks; the first entry that matches decides. */
export function networkMatcher(items: readonly string[]): (address: string) => boolean {
  const tests = items.map((item) => {
    const network = parseNetwork(item);
    const block = new BlockList();
    block.addSubnet(network.address, network.bits, network.family);
    return { block, isIn: !item.startsWith("!") };
  });
  return (address) => {
    // An IPv4 client of a dual-stack socket.
    const bare = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address.replace(/%.*$/, "");
    const version = isIP(bare);
    if (version === 0) return false;
    const family = version === 4 ? "ipv4" : "ipv6";
    return tests.find(({ block }) => block.check(bare, family))?.isIn ?? false;
  };
}

const DOMAIN = /^!?(\*|\.?[^\s.@/]+(\.[^\s.@/]+)*|\[[0-9A-Za-z:.]+\])$/;

export const domains: Kind<readonly string[]> = listOf(
  "domains; `.example.org` for the subdomains, `*` for all, `!` before one excludes it, the first match decides",
  (item) => {
    if (!DOMAIN.test(item)) throw new ValueError(`bad domain: ${shown(item)} (as example.org or .example.org)`);
  },
);

/**
 * Tells whether a domain (lower case, A-labels) is in a list. `withSubdomains`: `example.org` matches its subdomains
 * too, as Postfix does for relay_domains (parent_domain_matches_subdomains) and not for mydestination.
 */
export function domainMatcher(items: readonly string[], withSubdomains: boolean): (domain: string) => boolean {
  if (items.length === 0) return () => false;
  const listed = new Map<string, { readonly order: number; readonly isIn: boolean }>();
  for (const [order, item] of items.entries()) {
    const name = item.replace(/^!/, "").toLowerCase();
    const alone = !withSubdomains || name.startsWith(".") || name === "*";
    for (const key of alone ? [name] : [name, `.${name}`]) {
      if (!listed.has(key)) listed.set(key, { order, isIn: !item.startsWith("!") });
    }
  }
  return (domain) => {
    let first: { readonly order: number; readonly isIn: boolean } | undefined;
    for (const key of keysOf(domain)) {
      const entry = listed.get(key);
      if (entry !== undefined && (first === undefined || entry.order < first.order)) first = entry;
    }
    return first?.isIn ?? false;
  };
}

/** What could stand in a list for this domain: itself, `.parent`s, `*`. */
function* keysOf(domain: string): Generator<string> {
  yield domain;
  for (let dot = domain.indexOf("."); dot >= 0; dot = domain.indexOf(".", dot + 1)) yield domain.slice(dot);
  yield "*";
}
