import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Address,
  domainOf,
  isAddressError,
  localOf,
  needsSmtputf8,
  parsePath,
  quoteLocal,
  takePath,
} from "../../src/mail/address.ts";
import { canonicalDomain, literalAddress } from "../../src/mail/domain.ts";

const ascii = { smtputf8: false };
const utf8 = { smtputf8: true };

function verdict(text: string, options = ascii): string {
  const parsed = parsePath(text, options);
  return isAddressError(parsed) ? parsed.error : parsed.address;
}

describe("parsePath", () => {
  test.each([
    ["bob@example.org", "bob@example.org"],
    ["<bob@example.org>", "bob@example.org"],
    ["Bob@EXAMPLE.Org", "Bob@example.org"],
    ["u@XN--BCHER-KVA.example", "u@xn--bcher-kva.example"],
    ["u@localhost", "u@localhost"],
    ["@example.org:u@evil.example", "u@evil.example"],
    ["@a.example,@b.example:u@c.example", "u@c.example"],
    ["@[IPv6:::1]:u@c.example", "u@c.example"],
    ['"u@evil.example"@example.org', '"u@evil.example"@example.org'],
    ['"a b"@example.org', '"a b"@example.org'],
    ['"a\\"b"@example.org', '"a\\"b"@example.org'],
    ['"\\ "@example.org', '"\\ "@example.org'],
    ['""@example.org', '""@example.org'],
    ['"a>b"@example.org', '"a>b"@example.org'],
    ["u%evil.example@example.org", "u%evil.example@example.org"],
    ["evil.example!u@example.org", "evil.example!u@example.org"],
    ["-oQ/tmp@e.example", "-oQ/tmp@e.example"],
    ["|/bin/sh@e.example", "|/bin/sh@e.example"],
    ["$" + "{run{id}}@e.example", "$" + "{run{id}}@e.example"],
    ["u@[192.0.2.1]", "u@[192.0.2.1]"],
    ["u@[IPv6:2001:DB8:0:0::1]", "u@[ipv6:2001:db8::1]"],
    ["u@r3---sn.example", "u@r3---sn.example"],
    [`u@${"a".repeat(63)}.example`, `u@${"a".repeat(63)}.example`],
    [`${"l".repeat(64)}@e.example`, `${"l".repeat(64)}@e.example`],
  ])("takes %s", (text, address) => {
    expect(verdict(text)).toBe(address);
  });

  test.each([
    "",
    "<>",
    "u",
    "postmaster",
    "@",
    "u@",
    "@e.example",
    "u@evil.example@example.org",
    '"u@evil.example"',
    '"\\"@e.example',
    '"a"b@e.example',
    '"a',
    "u@-e.example",
    "u@e-.example",
    "u@e..example",
    "u@.example",
    "u@example.org.",
    ".u@e.example",
    "u.@e.example",
    "u..v@e.example",
    "u@e_f.example",
    "u@127.0.0.1",
    "u@2130706433",
    "u@0x7f.1",
    "u@0x7f",
    "u@[127.0.0.256]",
    "u@[127.0.0.1",
    "u@[IPv6:::g]",
    "u@[IPv6:fe80::1%lo]",
    "u@[::1]",
    "u@[x-tag:y]",
    "u @e.example",
    " u@e.example",
    "u@e.example ",
    "u@e.example\n",
    "u\u0000@e.example",
    "u\t@e.example",
    "u\u001b@e.example",
    '"u\r\nDATA"@e.example',
    "u@e.example>",
    "<u@e.example",
    "u<v@e.example",
    "u(c)@e.example",
    "u,v@e.example",
    "u@a%41.example",
    "u@e/f.example",
    "@e..example:u@f.example",
    "@e.example,f.example:u@f.example",
    `u@${"a".repeat(64)}.example`,
  ])("refuses %j", (text) => {
    expect(verdict(text)).toBe("syntax");
    expect(verdict(text, utf8)).toBe("syntax");
  });

  test("holds the length limits of RFC 5321 4.5.3.1", () => {
    expect(verdict(`${"l".repeat(65)}@e.example`)).toBe("length");
    expect(verdict(`l@${"a.".repeat(125)}ab`)).toBe(`l@${"a.".repeat(125)}ab`); // 254
    expect(verdict(`l@${"a.".repeat(125)}abc`)).toBe("length");
    expect(verdict(`${"ü".repeat(33)}@e.example`, utf8)).toBe("length");
    expect(verdict("x".repeat(100_000))).toBe("length");
  });

  test("takes UTF-8 only with SMTPUTF8", () => {
    expect(verdict("jürgen@e.example")).toBe("smtputf8");
    expect(verdict("jürgen@e.example", utf8)).toBe("jürgen@e.example");
    expect(verdict("u@bücher.example")).toBe("smtputf8");
    expect(verdict("u@BÜCHER.example", utf8)).toBe("u@xn--bcher-kva.example");
    expect(verdict("u@bücher。example", utf8)).toBe("u@xn--bcher-kva.example"); // UTS 46 maps the full stop
    expect(verdict('"ü @"@e.example', utf8)).toBe('"ü @"@e.example');
  });

  test.each([
    "a\u200bb@e.example",
    "a\u0085b@e.example",
    "a\u202eb@e.example",
    "a\ufffdb@e.example",
    "a\ud800b@e.example",
    "a\u00a0b@e.example",
    "u@a\u202eb.example",
    "u@a\u200bb.example",
    "u@a\u00adb.example",
    "u@a\u200db.example",
    "u@１２７.0.0.１",
    "u@\uff05b.example",
    "u@ü_.example",
    "u@ü/.example",
  ])("refuses %j even with SMTPUTF8", (text) => {
    expect(verdict(text, utf8)).toBe("syntax");
    expect(verdict(text)).not.toContain("@");
  });

  test("takes the null path, postmaster and bare names where the caller allows them", () => {
    expect(parsePath("<>", { ...ascii, allowEmpty: true })).toEqual({ address: "", local: "", domain: "" });
    expect(parsePath("", { ...ascii, allowEmpty: true })).toEqual({ address: "", local: "", domain: "" });
    expect(parsePath("<Postmaster>", { ...ascii, postmasterDomain: "mx.example" })).toMatchObject({
      address: "Postmaster@mx.example",
    });
    expect(parsePath("bob", { ...ascii, postmasterDomain: "mx.example" })).toMatchObject({ error: "syntax" });
    expect(parsePath("bob", { ...ascii, defaultDomain: "mx.example" })).toMatchObject({ address: "bob@mx.example" });
    expect(parsePath("postmaster", { ...ascii, defaultDomain: "mx.example" })).toMatchObject({
      address: "postmaster@mx.example",
    });
  });

  test("never throws, and what it takes it takes again unchanged", () => {
    const piece = fc.constantFrom(
      "a",
      "ü",
      "@",
      ".",
      '"',
      "\\",
      "<",
      ">",
      " ",
      "[",
      "]",
      ":",
      "-",
      "1",
      ",",
      "é",
      "\r\n",
      "xn--",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.array(piece).map((parts) => parts.join("")),
        ),
        (text) => {
          const parsed = parsePath(text, utf8);
          if (isAddressError(parsed)) return;
          expect(parsePath(parsed.address, utf8)).toEqual(parsed);
          expect(domainOf(parsed.address)).toBe(parsed.domain);
          expect(localOf(parsed.address)).toBe(parsed.local);
          // biome-ignore lint/suspicious/noControlCharactersInRegex: no such thing gets through
          expect(parsed.address).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
        },
      ),
    );
  });

  test.each(["a", "-", ".", " ", "(", '"\\', "@", "a.", "[", "é", ",@a", "\\"])(
    "[E13] takes linear time for many %j",
    (unit) => {
      const text = unit.repeat(100_000);
      const start = performance.now();
      for (const value of [text, `<${text}>`, `"${text}"@e.example`, `u@${text}`, `@${text}:u@e.example`]) {
        parsePath(value, utf8);
        takePath(`<${value}`);
        canonicalDomain(value);
      }
      expect(performance.now() - start).toBeLessThan(500);
    },
  );
});

describe("takePath", () => {
  test.each([
    ["<a@b> SIZE=1", "a@b", " SIZE=1"],
    ["<>", "", ""],
    ['<"a>b"@c> BODY=8BITMIME', '"a>b"@c', " BODY=8BITMIME"],
    ['<"a\\"> "@c>', '"a\\"> "@c', ""],
  ])("splits %s", (text, path, rest) => {
    const taken = takePath(text);
    expect(taken?.path).toBe(path);
    expect(text.slice(taken?.end)).toBe(rest);
  });
  test.each(["a@b", "<a@b", '<"a>b', ""])("refuses %j", (text) => {
    expect(takePath(text)).toBeUndefined();
  });
});

describe("parts of an address", () => {
  test("divides at the last @", () => {
    expect(domainOf('"a@b"@c.example')).toBe("c.example");
    expect(localOf('"a@b"@c.example')).toBe('"a@b"');
    expect(domainOf("")).toBe("");
  });
  test("names the IP address of a literal", () => {
    expect(literalAddress("[192.0.2.1]")).toBe("192.0.2.1");
    expect(literalAddress("[ipv6:2001:db8::1]")).toBe("2001:db8::1");
    expect(literalAddress("example.org")).toBeUndefined();
  });
  test("quotes a local part where needed", () => {
    expect(quoteLocal("bob")).toBe("bob");
    expect(quoteLocal("a b")).toBe('"a b"');
    expect(quoteLocal('a"\\b')).toBe('"a\\"\\\\b"');
    expect(quoteLocal("a\nb")).toBeUndefined();
    fc.assert(
      fc.property(fc.string({ maxLength: 30 }), (text) => {
        const local = quoteLocal(text);
        if (local !== undefined) expect((parsePath(`${local}@e.example`, utf8) as Address).local).toBe(local);
      }),
    );
  });
  test("tells who needs SMTPUTF8", () => {
    expect(needsSmtputf8("ü@e.example")).toBe(true);
    expect(needsSmtputf8("u@xn--bcher-kva.example")).toBe(false);
  });
});
