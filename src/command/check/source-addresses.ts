/** Source addresses that the machine does not have: mail that is to go out from one of them is returned. */
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import type { Config } from "../../config/config.ts";
import type { Finding } from "./finding.ts";

export function* checkSourceAddresses(config: Config): Generator<Finding> {
  const own = new Set(Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? []));
  for (const [name, address] of sourceAddresses(config)) {
    if (isIP(address) === 0 || own.has(address) || address.startsWith("127.")) continue;
    yield {
      severity: "warning",
      text: `${name}: ${address} is not an address of this machine: add it, or name another`,
    };
  }
}

/** Each with the parameter that names it. */
function sourceAddresses(config: Config): (readonly [string, string])[] {
  const smtp = config.transports.filter(({ agent }) => agent === "smtp").map(({ name }) => name);
  const named = ["smtp", ...smtp].flatMap((name) => {
    const view = name === "smtp" ? config : config.forTransport(name);
    const pooled = view.smtp_source_pools.flatMap(({ sources }) => sources.map(({ address }) => address));
    return [
      [`${name}_bind_address`, view.smtp_bind_address] as const,
      [`${name}_bind_address6`, view.smtp_bind_address6] as const,
      ...pooled.map((address) => [`${name}_source_pools`, address] as const),
    ];
  });
  // What a transport has not set of its own it has from the others.
  return named.filter(([, address], at) => named.findIndex(([, other]) => other === address) === at);
}
