/** Where a recipient's mail goes next. Pure. */
import type { Config } from "../../config/config.ts";
import { domainMatcher } from "../../config/match.ts";
import { domainOf } from "../../mail/address.ts";

export interface Route {
  readonly transport: string; // as in default_transport: the name of a way out
  readonly nexthop: string; // "example.org", "[192.0.2.1]:25"; for local delivery the domain
}

/** Where mail goes by these settings: local mail, then relayhost, then the recipient's own domain. */
export function router(config: Config): (address: string) => Route {
  const isLocal = domainMatcher(config.mydestination, false);
  const { local_transport, default_transport, relayhost, postmaster_recipient, myhostname } = config;
  return (address) => {
    const domain = domainOf(address);
    if (domain === "" || address === postmaster_recipient || isLocal(domain)) {
      return { transport: local_transport, nexthop: domain === "" ? myhostname : domain };
    }
    return { transport: default_transport, nexthop: relayhost === "" ? domain : relayhost };
  };
}
