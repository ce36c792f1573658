/** Source addresses that the machine does not have: mail that is to go out from one of them is returned. */
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import type { Config } from "../../config/config.ts";
import type { Finding } from "./finding.ts";

export function* checkSourceAddresses(config: Config): Generator<Finding> {
  const own = new Set(Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? []));
  const named = [
    ["smtp_bind_address", config.smtp_bind_address],
    ["smtp_bind_address6", config.smtp_bind_address6],
    ...config.smtp_source_pools.flatMap(({ sources }) => sources.map(({ address }) => ["smtp_source_pools", address])),
  ] as const;
  for (const [name = "", address = ""] of named) {
    if (isIP(address) === 0 || own.has(address) || address.startsWith("127.")) continue;
    yield {
      severity: "warning",
      text: `${name}: ${address} is not an address of this machine: add it, or name another`,
    };
  }
}
