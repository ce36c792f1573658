import { describe, expect, test } from "vitest";
import { checkSourceAddresses } from "../../src/command/check/source-addresses.ts";
import { contradictions } from "../../src/config/contradictions.ts";
import { testConfig } from "../../src/config/load.ts";
import { sourcePools } from "../../src/config/source-pools.ts";

describe("smtp_source_pools", () => {
  test("has pools with addresses, names and weights", () => {
    expect(sourcePools.parse("a: 192.0.2.1=mx1.example.org*3, 2001:db8::1;\n b: 192.0.2.2*2", "/")).toEqual([
      {
        name: "a",
        sources: [
          { address: "192.0.2.1", helo: "mx1.example.org", weight: 3 },
          { address: "2001:db8::1", helo: "", weight: 1 },
        ],
      },
      { name: "b", sources: [{ address: "192.0.2.2", helo: "", weight: 2 }] },
    ]);
  });

  test.each([
    "192.0.2.1",
    "a:",
    "a b: 192.0.2.1",
    "a: 192.0.2.1*0",
    "a: host",
    "a: 192.0.2.1=",
    "a: 192.0.2.1; a: 192.0.2.2",
  ])("%j is an error", (text) => {
    expect(() => sourcePools.parse(text, "/")).toThrow(/pool|source/);
  });

  test("a pool that a transport names must be there", () => {
    const config = testConfig({
      smtp_source_pools: "a: 127.0.0.1",
      smtp_source_pool: "a",
      transports: "slow:smtp",
      slow_source_pool: "b",
    });
    expect(contradictions(config).map(({ text }) => text)).toContain(
      "slow_source_pool is b, which is not in smtp_source_pools (a)",
    );
  });

  test("sces check warns of addresses that the machine does not have", () => {
    const config = testConfig({
      smtp_source_pools: "a: 127.0.0.9, 198.51.100.1",
      smtp_bind_address: "198.51.100.2",
      transports: "slow:smtp",
      slow_bind_address: "198.51.100.3",
    });
    expect([...checkSourceAddresses(config)].map(({ severity, text }) => `${severity}: ${text}`)).toEqual([
      "warning: smtp_bind_address: 198.51.100.2 is not an address of this machine: add it, or name another",
      "warning: smtp_source_pools: 198.51.100.1 is not an address of this machine: add it, or name another",
      "warning: slow_bind_address: 198.51.100.3 is not an address of this machine: add it, or name another",
    ]);
  });
});
