import { expect, test } from "vitest";
import {
  accessAddressKeys,
  accessHostKeys,
  accessNetworkKeys,
  aliasKeys,
  splitExtension,
  transportKeys,
} from "../../src/mail/lookup-keys.ts";

test("an extension begins at the first delimiter that is not in front", () => {
  expect(splitExtension("bob+list+x", "+")).toEqual({ user: "bob", extension: "list+x" });
  expect(splitExtension("bob-x+y", "+-")).toEqual({ user: "bob", extension: "x+y" });
  expect(splitExtension("+bob", "+")).toEqual({ user: "+bob", extension: "" });
  expect(splitExtension('"a+b"', "+")).toEqual({ user: '"a+b"', extension: "" });
  expect(splitExtension("bob+list", "")).toEqual({ user: "bob+list", extension: "" });
});

test("transport maps: address, domain, parents, everything", () => {
  expect(transportKeys("bob+x@a.b.org", "+")).toEqual([
    "bob+x@a.b.org",
    "bob@a.b.org",
    "a.b.org",
    ".b.org",
    ".org",
    "*",
  ]);
  expect(transportKeys("bob@[192.0.2.1]", "")).toEqual(["bob@[192.0.2.1]", "[192.0.2.1]", "*"]);
});

test("aliases: the address, the local part of our own domains, the domain", () => {
  expect(aliasKeys("bob+x@ex.org", "+", true)).toEqual([
    { key: "bob+x@ex.org", extension: "" },
    { key: "bob@ex.org", extension: "x" },
    { key: "bob+x", extension: "" },
    { key: "bob", extension: "x" },
    { key: "@ex.org", extension: "" },
  ]);
  expect(aliasKeys("bob@ex.org", "+", false).map(({ key }) => key)).toEqual(["bob@ex.org", "@ex.org"]);
});

test("access tables: address, domain with parents, local part", () => {
  expect(accessAddressKeys("bob+x@a.ex.org", "+")).toEqual([
    "bob+x@a.ex.org",
    "bob@a.ex.org",
    "a.ex.org",
    "ex.org",
    ".ex.org",
    "org",
    ".org",
    "bob+x@",
    "bob@",
  ]);
  expect(accessAddressKeys("", "+")).toEqual(["", "@"]);
  expect(accessHostKeys("mx.ex.org")).toEqual(["mx.ex.org", "ex.org", ".ex.org", "org", ".org"]);
});

test("access tables: networks at dots and colons", () => {
  expect(accessNetworkKeys("192.0.2.1")).toEqual(["192.0.2.1", "192.0.2", "192.0", "192"]);
  expect(accessNetworkKeys("2001:db8::1")).toEqual(["2001:db8::1", "2001:db8", "2001"]);
});
