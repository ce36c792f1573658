/** How names are looked up for mail that goes out, as main.cf has it. */
import type { Config } from "../config/config.ts";
import type { DnsOptions } from "./dns.ts";

export function dnsOptions(config: Config): DnsOptions {
  return {
    servers: config.dns_servers,
    hostLookup: config.smtp_host_lookup,
    protocols: config.inet_protocols,
    timeoutMs: config.smtp_dns_timeout,
    dnssec: config.smtp_dns_support_level === "dnssec",
  };
}
