/** What the restrictions of one listener work with. */
import type { Log } from "../../../base/log.ts";
import type { Config } from "../../../config/config.ts";
import type { TableSpec } from "../../../config/maps.ts";
import { domainMatcher } from "../../../config/match.ts";
import type { Maps, Tables } from "../../../config/tables.ts";
import type { Dns } from "../../../dns/dns.ts";
import type { Address } from "../../../mail/address.ts";
import { type AddressClass, addressClasses } from "../../../service/address-class.ts";
import { Aliases } from "../../../service/aliases.ts";
import { type Router, router } from "../../../service/router.ts";

export interface Rules {
  readonly config: Config;
  readonly log: Log;
  readonly dns: Dns;
  readonly aliases: Aliases;
  /** The tables of one parameter or restriction. */
  maps(specs: readonly TableSpec[]): Maps;
  /** Where mail will go. */
  readonly route: Router;
  /** Whose a canonical domain is. */
  classOf(domain: string): AddressClass;
  /** Whether mydestination has it. */
  isListed(domain: string): boolean;
}

/** Where things are looked up, shared by the listeners of a process. */
export interface Lookups {
  readonly dns: Dns;
  readonly tables: Tables;
}

export function rulesFor(config: Config, log: Log, { dns, tables }: Lookups): Rules {
  const opened = new WeakMap<readonly TableSpec[], Maps>();
  return {
    config,
    log,
    dns,
    aliases: new Aliases(config, tables),
    maps(specs) {
      let maps = opened.get(specs);
      if (maps === undefined) {
        maps = tables.open(specs);
        opened.set(specs, maps);
      }
      return maps;
    },
    route: router(config, tables, (text) => log.warn(text)),
    classOf: addressClasses(config),
    isListed: domainMatcher(config.mydestination, false),
  };
}

/**
 * Whether mail for it may come from anybody: it is for our own domains, and cannot be meant for another host. A local
 * part such as user%host or host!user is a route to some systems behind us (Postfix: allow_untrusted_routing = no). An
 * address literal, even one of this machine, is for strangers only if mydestination lists it.
 */
export function isOurs({ local, domain }: Pick<Address, "local" | "domain">, rules: Rules): boolean {
  if (isRouted(local) || rules.classOf(domain) === "default") return false;
  return !domain.startsWith("[") || rules.isListed(domain);
}

export function isRouted(local: string): boolean {
  return /[%!]/.test(local);
}
