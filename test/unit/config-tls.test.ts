import { describe, expect, test } from "vitest";
import { certificateMatch, tlsProtocols } from "../../src/config/tls-policy.ts";

const protocols = (text: string) => {
  const { min, max } = tlsProtocols.parse(text, "/");
  return `${min} to ${max}`;
};

describe("TLS protocols", () => {
  test.each([
    ["", "TLSv1 to TLSv1.3"],
    [">=TLSv1.2", "TLSv1.2 to TLSv1.3"],
    [">=tlsv1.1, <=TLSv1.2", "TLSv1.1 to TLSv1.2"],
    ["!SSLv2, !SSLv3, !TLSv1, !TLSv1.1", "TLSv1.2 to TLSv1.3"],
    ["TLSv1.2:TLSv1.3", "TLSv1.2 to TLSv1.3"],
    ["TLSv1.2", "TLSv1.2 to TLSv1.2"],
    [">=SSLv3", "TLSv1 to TLSv1.3"],
  ])("%j is %s", (text, range) => {
    expect(protocols(text)).toBe(range);
  });

  test.each([
    ["TLSv2", "unknown protocol: TLSv2"],
    ["<=SSLv3", "unknown protocol: <=SSLv3"],
    ["SSLv3", "no protocol is left"],
    [">=TLSv1.3, <=TLSv1.2", "no protocol is left"],
    ["!TLSv1.2", "a protocol in the middle is left out"],
  ])("%j makes no sense", (text, why) => {
    expect(() => protocols(text)).toThrow(why);
  });
});

describe("names of certificates", () => {
  test("are divided by colons, commas or blanks, and compared in lower case", () => {
    expect(certificateMatch.parse("nexthop, dot-nexthop:.Example.ORG mx.e.org", "/")).toEqual([
      "nexthop",
      "dot-nexthop",
      ".example.org",
      "mx.e.org",
    ]);
  });

  test.each(["*.e.org", "a b;c", "-x"])("%j has none", (text) => {
    expect(() => certificateMatch.parse(text, "/")).toThrow("bad name");
  });
});
