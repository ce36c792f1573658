/**
 * Where a recipient's mail goes next, as Postfix's trivial-rewrite(8) resolves it. The class of the domain gives a
 * transport; its next hop is, in this order, the one written with the transport, the relayhost for the sender, the
 * relayhost, the recipient's own domain. Then transport_maps may change either. qmgr, smtpd and commands ask here.
 */
import { ScesError } from "../base/errors.ts";
import type { Config } from "../config/config.ts";
import type { Found, Tables } from "../config/tables.ts";
import { ownAgent, splitWay, type Way } from "../config/transports.ts";
import { domainOf } from "../mail/address.ts";
import { aliasKeys, transportKeys } from "../mail/lookup-keys.ts";
import { addressClasses } from "./address-class.ts";

export interface Route {
  readonly transport: string; // a name that config.agentOf knows
  readonly nexthop: string; // "example.org", "[192.0.2.1]:25"; for local delivery the domain; for error its text
}

export interface RouteOptions {
  /** The message was released from hold: the hold transport is passed by. */
  readonly isReleased?: boolean;
}

export type Router = (address: string, sender: string, options?: RouteOptions) => Route;

/** What is looked up for the null sender: empty_address_relayhost_maps_lookup_key. */
const NULL_SENDER = "<>";
/** A value that ends a search for what depends on the sender: the general setting holds. */
const DUNNO = "DUNNO";
/** Where a released message goes if all that main.cf has for it is hold. */
const PAST_HOLD = { local_transport: "maildir", relay_transport: "relay", default_transport: "smtp" } as const;

/** Addresses are canonical. A router never throws: a table that cannot be read puts the recipient off. */
export function router(config: Config, tables: Tables, warn: (text: string) => void): Router {
  const classOf = addressClasses(config);
  const transports = tables.open(config.transport_maps);
  const senderTransports = tables.open(config.sender_dependent_default_transport_maps);
  const senderRelayhosts = tables.open(config.sender_dependent_relayhost_maps);
  const delimiters = config.recipient_delimiter;
  const myhostname = config.myhostname.toLowerCase();
  const postmaster = config.postmaster_recipient.toLowerCase();
  const isHold = (way: Way) => config.agentOf(way.transport) === "hold";
  const isNoHop = (transport: string) => ownAgent(config.agentOf(transport)) !== undefined;

  function bySender(maps: typeof transports, sender: string): string | undefined {
    if (maps.isEmpty) return undefined;
    const keys = sender === "" ? [NULL_SENDER] : aliasKeys(sender, delimiters, false).map(({ key }) => key);
    const value = maps.lookup(keys)?.value.trim();
    return value === "" || value?.toUpperCase() === DUNNO ? undefined : value;
  }

  function away(name: keyof typeof PAST_HOLD, domain: string, sender: string, isReleased: boolean): Route {
    const forSender = name === "default_transport" ? bySender(senderTransports, sender) : undefined;
    const ways = [...(forSender === undefined ? [] : [splitWay(forSender)]), config[name]];
    const way = ways.find((one) => !isReleased || !isHold(one)) ?? { transport: PAST_HOLD[name], nexthop: "" };
    if (way.nexthop !== "" || isNoHop(way.transport)) return way;
    if (name === "local_transport") return { ...way, nexthop: domain === "" ? myhostname : domain };
    return { ...way, nexthop: bySender(senderRelayhosts, sender) ?? (config.relayhost || domain) };
  }

  function byClass(address: string, domain: string, sender: string, isReleased: boolean): Route {
    // Notices and mail to postmaster without a domain have a place even where no domain is local.
    if (domain === myhostname && address.toLowerCase() === postmaster) {
      return away("local_transport", domain, sender, isReleased);
    }
    switch (classOf(domain)) {
      case "local":
        return away("local_transport", domain, sender, isReleased);
      case "relay":
        return away("relay_transport", domain, sender, isReleased);
      case "virtual-alias":
        return { transport: "error", nexthop: "5.1.1 User unknown in virtual alias table" };
      case "default":
        return away("default_transport", domain, sender, isReleased);
    }
  }

  /** transport(5): `:` changes nothing; a transport alone goes to the recipient's domain, past any relayhost. */
  function redirect(route: Route, found: Found, domain: string, isReleased: boolean): Route {
    const way = splitWay(found.value);
    if (way.transport === "") return way.nexthop === "" ? route : { ...route, nexthop: way.nexthop };
    if (isReleased && isHold(way)) return route;
    return way.nexthop !== "" || isNoHop(way.transport) ? way : { ...way, nexthop: domain };
  }

  return (address, sender, { isReleased = false } = {}) => {
    try {
      const domain = domainOf(address);
      let route = byClass(address, domain, sender, isReleased);
      const found = transports.isEmpty ? undefined : transports.lookup(transportKeys(address, delimiters));
      if (found !== undefined) route = redirect(route, found, domain === "" ? myhostname : domain, isReleased);
      if (config.agentOf(route.transport) !== undefined) return route;
      // Of main.cf this is known before the start; what is in a table is found out here.
      warn(`${found?.table ?? "a table"}: no such transport: ${route.transport} (looked up for ${address})`);
      return putOff("mail transport unavailable");
    } catch (error) {
      if (error instanceof ScesError && error.code === "TABLE_UNREADABLE") return putOff(error.message);
      throw error;
    }
  };
}

function putOff(why: string): Route {
  return { transport: "retry", nexthop: `4.3.0 ${why}` };
}
