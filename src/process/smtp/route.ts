/**
 * From a next hop to the hosts that take its mail, best first (RFC 5321 5.1): MX records by preference, in random
 * order among equals; no MX, the domain's own addresses; a null MX, nothing (RFC 7505). Hosts no better than this
 * system itself are left out, or mail would go in circles.
 */
import { isIPv4 } from "node:net";
import { isLoopback, isOnInterface, isUnspecified, unmapped } from "../../base/own-addresses.ts";
import { clean } from "../../base/text.ts";
import type { Answer, Dns, Found, Mx } from "../../dns/dns.ts";
import { isHostName, parseNexthop } from "./nexthop.ts";
import type { Verdict } from "./verdict.ts";

export interface Host {
  readonly name: string; // as routed, or as the MX said
  readonly address: string; // or the path of a socket
  readonly port: number; // 0: of a socket
  readonly tlsaNames?: readonly string[]; // where TLSA records count, best first: all up to the address is validated
}

export type Route = { readonly hosts: readonly Host[]; readonly byMx: boolean } | { readonly verdict: Verdict }; // nothing to connect to

export interface RouteOptions {
  readonly port: number; // where the next hop names none
  readonly timeoutMs: number; // for all lookups together
  readonly usesMx: boolean; // not for LMTP (RFC 2033 5)
  readonly preference: "any" | "ipv4" | "ipv6";
  readonly addressLimit: number; // 0: none
  readonly ownName: string; // of this mail system
  readonly listeners: readonly { readonly host: string; readonly port: number }[]; // host "": every address
  /** A host that will be passed over: it takes no place from others. */
  isOffline?(host: Host): boolean;
}

const MAX_MX = 100; // names looked at
const AT_ONCE = 10; // lookups
const SMTP_PORT = 25;

export class Router {
  readonly #dns: Dns;
  readonly #options: RouteOptions;

  constructor(dns: Dns, options: RouteOptions) {
    this.#dns = dns;
    this.#options = options;
  }

  async route(nexthop: string): Promise<Route> {
    const hop = parseNexthop(nexthop, this.#options.port);
    if (hop === undefined) return refuse("deferred", "4.3.5", `no host or domain in next hop ${clean(nexthop, 200)}`);
    if (hop.kind === "socket") {
      return { hosts: [{ name: this.#options.ownName, address: hop.path, port: 0 }], byMx: false };
    }
    let timer: NodeJS.Timeout | undefined;
    const name = hop.kind === "host" ? hop.host : hop.domain;
    const byMx = hop.kind === "domain" && this.#options.usesMx;
    const late = new Promise<Route>((resolve) => {
      timer = setTimeout(() => resolve(unknown(name, byMx ? "MX" : "A")), this.#options.timeoutMs);
    });
    try {
      return await Promise.race([byMx ? this.#toDomain(name, hop.port) : this.#toHost(name, hop.port), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** A host named by the administrator may well be on this machine: only our own listener is refused. */
  async #toHost(name: string, port: number): Promise<Route> {
    const answer = await this.#dns.addresses(name);
    if (answer.kind !== "found") return noAddress(name, answer, "5.4.4");
    const hosts = hostsOf(name, answer, port, true);
    if (hosts.some((host) => this.#isListener(host.address, port))) return loop(name);
    return { hosts: this.#arrange([hosts]), byMx: false };
  }

  async #toDomain(domain: string, port: number): Promise<Route> {
    const answer = await this.#dns.mx(domain);
    if (answer.kind === "again") return unknown(domain, "MX");
    if (answer.kind === "none") return this.#withoutMx(domain, port, answer.exists);
    if (answer.records.every((mx) => isNull(mx))) {
      return refuse("bounced", "5.1.10", `Domain ${domain} does not accept mail (nullMX)`);
    }
    return this.#byMx(domain, port, answer.records, answer.isSecure);
  }

  /** RFC 5321 5.1: a domain without MX records is its own mail host. */
  async #withoutMx(domain: string, port: number, exists: boolean): Promise<Route> {
    const answer = await this.#dns.addresses(domain);
    if (answer.kind !== "found") return noAddress(domain, answer, exists ? "5.4.4" : "5.1.2");
    const hosts = hostsOf(domain, answer, port, true);
    if (hosts.some((host) => this.#isOwn(host.name, host.address, port))) return loop(domain);
    return { hosts: this.#arrange([hosts]), byMx: true };
  }

  async #byMx(domain: string, port: number, records: readonly Mx[], isSecure: boolean): Promise<Route> {
    const named = records
      .filter((mx) => isHostName(mx.exchange))
      .map((mx) => ({ name: mx.exchange.toLowerCase(), priority: mx.priority, order: Math.random() }))
      .sort((one, other) => one.priority - other.priority || one.order - other.order)
      .slice(0, MAX_MX);
    if (named.length === 0) {
      const junk = records.find((mx) => !isNull(mx))?.exchange ?? "";
      return refuse("bounced", "5.4.4", `Name service error for ${clean(junk, 255)}: invalid host or domain name`);
    }
    const best = named[0]?.priority;
    const groups: Host[][] = [];
    let failure: { readonly name: string; readonly answer: Answer<string> } | undefined;
    let enough = this.#options.addressLimit || Number.POSITIVE_INFINITY;
    while (named.length > 0 && enough > 0) {
      const priority = named[0]?.priority;
      const group = named.splice(0, named.findLastIndex((mx) => mx.priority === priority) + 1);
      const hosts: Host[] = [];
      for (let done = 0; done < group.length; done += AT_ONCE) {
        const slice = group.slice(done, done + AT_ONCE);
        const answers = await Promise.all(
          slice.map(async ({ name }) => ({ name, answer: await this.#dns.addresses(name) })),
        );
        for (const found of answers) {
          if (found.answer.kind === "found") {
            hosts.push(...hostsOf(found.name, found.answer, port, isSecure));
          } else if (failure === undefined || found.answer.kind === "again") failure = found;
        }
      }
      if (hosts.some((host) => this.#isOwn(host.name, host.address, port))) {
        // RFC 5321 5.1: this one and all that are no better go.
        if (priority === best) return loop(domain);
        if (groups.length === 0) return refuse("deferred", "4.4.4", `unable to find primary relay for ${domain}`);
        break;
      }
      if (hosts.length > 0) groups.push(hosts);
      enough -= this.#online(hosts).length;
    }
    if (groups.length > 0) return { hosts: this.#arrange(groups), byMx: true };
    return failure === undefined ? unknown(domain, "MX") : noAddress(failure.name, failure.answer, "5.4.4");
  }

  #online(hosts: readonly Host[]): readonly Host[] {
    return hosts.filter((host) => this.#options.isOffline?.(host) !== true);
  }

  /** In random order within each group, the families as preferred, and no more than the limit. */
  #arrange(groups: readonly (readonly Host[])[]): readonly Host[] {
    const { preference, addressLimit } = this.#options;
    const all = groups.flatMap((group) => {
      const shuffled = shuffle(group);
      const v4 = shuffled.filter((host) => isIPv4(host.address));
      const v6 = shuffled.filter((host) => !isIPv4(host.address));
      if (preference === "ipv4") return [...v4, ...v6];
      if (preference === "ipv6") return [...v6, ...v4];
      return byTurns(v6, v4, Math.random() < 0.5);
    });
    if (addressLimit === 0 || all.length <= addressLimit) return all;
    const online = this.#online(all);
    const hosts = online.length > 0 ? online : all;
    const kept = hosts.slice(0, addressLimit);
    // A destination with many addresses of a family that does not work from here must stay reachable by the other.
    const isV4 = isIPv4(kept[0]?.address ?? "");
    const other = hosts.find((host) => isIPv4(host.address) !== isV4);
    if (other !== undefined && kept.length > 1 && kept.every((host) => isIPv4(host.address) === isV4))
      kept[kept.length - 1] = other;
    return kept;
  }

  /**
   * Whether mail for a domain of others would come back to this system. On port 25 every address of the machine is
   * ours, whoever listens there: a stranger's DNS must not lead mail to a server that trusts this machine.
   */
  #isOwn(name: string, address: string, port: number): boolean {
    if (name === "localhost" || name === this.#options.ownName.toLowerCase()) return true;
    if (isUnspecified(address) || this.#isListener(address, port)) return true;
    return port === SMTP_PORT && (isLoopback(address) || isOnInterface(address));
  }

  #isListener(address: string, port: number): boolean {
    const plain = unmapped(address);
    return this.#options.listeners.some((listener) => {
      if (listener.port !== port) return false;
      if (isUnspecified(plain)) return true;
      if (listener.host !== "" && !isUnspecified(listener.host)) {
        return plain === listener.host || (listener.host === "localhost" && isLoopback(plain));
      }
      return isLoopback(plain) || isOnInterface(plain);
    });
  }
}

/** `isSecure`: the name itself is validated. RFC 7672 2.2.2: behind aliases the last name goes before the first. */
function hostsOf(name: string, answer: Found<string>, port: number, isSecure: boolean): Host[] {
  const tlsaNames = isSecure && answer.isSecure ? [...new Set([answer.name, name])] : undefined;
  return answer.records.map((address) => ({ name, address, port, ...(tlsaNames === undefined ? {} : { tlsaNames }) }));
}

function isNull(mx: Mx): boolean {
  return mx.exchange === "" || mx.exchange === ".";
}

function shuffle<T>(list: readonly T[]): T[] {
  return list
    .map((item) => ({ item, order: Math.random() }))
    .sort((one, other) => one.order - other.order)
    .map(({ item }) => item);
}

function byTurns<T>(one: readonly T[], other: readonly T[], otherFirst: boolean): T[] {
  const [first, second] = otherFirst ? [other, one] : [one, other];
  const longer = Math.max(first.length, second.length);
  return Array.from({ length: longer }, (_, index) => [
    ...first.slice(index, index + 1),
    ...second.slice(index, index + 1),
  ]).flat();
}

function refuse(outcome: "deferred" | "bounced", dsn: string, text: string): Route {
  return { verdict: { type: "nohosts", outcome, dsn, text, description: text, state: "init" } };
}

function loop(name: string): Route {
  return refuse("bounced", "5.4.6", `mail for ${name} loops back to myself`);
}

function nameServiceError(name: string, type: string, why: string): string {
  return `Host or domain name not found. Name service error for name=${name} type=${type}: ${why}`;
}

function unknown(name: string, type: string): Route {
  return refuse("deferred", "4.4.3", nameServiceError(name, type, "Host not found, try again"));
}

function noAddress(name: string, answer: Answer<string>, dsn: string): Route {
  if (answer.kind !== "none") return unknown(name, answer.kind === "again" ? answer.type : "A");
  const why = answer.exists ? "Host found but no data record of requested type" : "Host not found";
  return refuse("bounced", dsn, nameServiceError(name, answer.type, why));
}
