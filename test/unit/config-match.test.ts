import { describe, expect, test } from "vitest";
import { domainMatcher, domains, networkMatcher, networks } from "../../src/config/match.ts";

describe("networks", () => {
  const isMine = networkMatcher(["!10.0.0.9", "10.0.0.0/8", "192.0.2.1", "[2001:db8::]/32", "::1"]);
  test.each([
    ["10.1.2.3", true],
    ["10.0.0.9", false],
    ["192.0.2.1", true],
    ["192.0.2.2", false],
    ["2001:db8:1::5", true],
    ["2001:db9::5", false],
    ["::1", true],
    ["::ffff:10.1.2.3", true],
    ["::ffff:192.0.2.2", false],
    ["unknown", false],
  ])("%s: %s", (address, expected) => {
    expect(isMine(address)).toBe(expected);
  });

  test("what is no network is refused", () => {
    for (const bad of ["example.org", "10.0.0.0/33", "10.0.0", "[::1", "10.0.0.0/-1"]) {
      expect(() => networks.parse(bad, "/"), bad).toThrow("bad network");
    }
  });
});

describe("domains", () => {
  test("match exactly, or with their subdomains where asked", () => {
    const exact = domainMatcher(["example.org", ".sub.example.net"], false);
    expect(["example.org", "a.example.org", "a.sub.example.net", "sub.example.net"].map(exact)).toEqual([
      true,
      false,
      true,
      false,
    ]);
    const wide = domainMatcher(["Example.org"], true);
    expect(["example.org", "a.b.example.org", "badexample.org", "org"].map(wide)).toEqual([true, true, false, false]);
  });

  test("the first entry that matches decides", () => {
    const matches = domainMatcher(["!secret.example.org", "example.org", "!*"], true);
    expect(["secret.example.org", "x.secret.example.org", "open.example.org", "other.example"].map(matches)).toEqual([
      false,
      false,
      true,
      false,
    ]);
    expect(domainMatcher(["*"], false)("anything.example")).toBe(true);
  });

  test("what is no domain is refused", () => {
    expect(domains.parse("example.org, .example.net, [192.0.2.1], *", "/")).toHaveLength(4);
    for (const bad of ["a@b", "a..b", "hash:/etc/x"]) expect(() => domains.parse(bad, "/"), bad).toThrow("bad domain");
  });
});
