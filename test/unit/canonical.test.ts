/** Addresses as they are to be known: what becomes of envelope and header. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { testConfig } from "../../src/config/load.ts";
import { Tables } from "../../src/config/tables.ts";
import { splitHeader } from "../../src/mail/header.ts";
import { rewriteHeader, rewriteList } from "../../src/mail/rewrite-addresses.ts";
import { Canonical } from "../../src/service/canonical.ts";

const canonical = (settings: Readonly<Record<string, string>>) =>
  new Canonical(
    testConfig({ myhostname: "mx.home.test", myorigin: "home.test", mydestination: "home.test", ...settings }),
    new Tables({ warn() {} }),
  );

describe("an address list", () => {
  const map = (address: string) => address.replace("@in.test", "@out.test");
  test.each([
    ["Bob <bob@in.test>", "Bob <bob@out.test>"],
    [
      '"In, <x@in.test>" (y@in.test) <a@in.test>,\r\n\tb@In.Test (B)',
      '"In, <x@in.test>" (y@in.test) <a@out.test>,\r\n\tb@out.test (B)',
    ],
    ["Friends: a@in.test, Joe <joe>;, sue", "Friends: a@out.test, Joe <joe@home.test>;, sue@home.test"],
    ['"a b"@in.test', '"a b"@out.test'],
    ['"a@b"', '"a@b"@home.test'],
    ["<@relay.test:a@in.test>", "<a@out.test>"],
    ["Ünter <ü@in.test>", "Ünter <ü@out.test>"],
    ["A@Other.Test", "A@Other.Test"],
    ["Bob Smith", "Bob Smith"],
    ["undisclosed-recipients:;", "undisclosed-recipients:;"],
    ["<>", "<>"],
    ["(only", "(only"],
  ])("%s", (value, rewritten) => expect(rewriteList(value, "home.test", map)).toBe(rewritten));

  test("is folded where addresses make a line too long", () => {
    const value = ` ${Array.from({ length: 100 }, () => "longname").join(",")}\r\n`;
    const rewritten = rewriteList(value, "home.test", map);
    expect(Math.max(...rewritten.split("\r\n").map(({ length }) => length))).toBeLessThan(400);
    expect(rewritten.replaceAll("\r\n\t", "")).toBe(value.replaceAll("longname", "longname@home.test"));
    expect(rewriteList(rewritten, "home.test", map)).toBe(rewritten);
  });

  test("without an address to change stays as it is, whatever it is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const value = text.replaceAll(/[a-z0-9]/gi, "@");
        const again = rewriteList(value, "home.test", (address) => address);
        if (!again.includes("home.test")) expect(again).toBe(value);
      }),
    );
  });
});

test("a header is rewritten in its address fields alone, and its bytes stay", () => {
  const message = Buffer.from(
    "From: root\r\nSubject: root\r\nX-To: root\r\nTo: \xffx <root>\r\nCc: M\u00fcller <root>\r\n\r\nTo: root\r\n",
    "latin1",
  );
  const utf8 = Buffer.from(
    message.toString("latin1").replace("M\u00fcller", Buffer.from("Müller").toString("latin1")),
    "latin1",
  );
  const rewritten = rewriteHeader(utf8, splitHeader(utf8), "home.test", (address) => address);
  expect(rewritten.toString("latin1")).toBe(
    utf8
      .toString("latin1")
      .replace("From: root", "From: root@home.test")
      .replace("ller <root>", "ller <root@home.test>"),
  );
  const plain = Buffer.from("From: a@b.test\r\n\r\n");
  expect(rewriteHeader(plain, splitHeader(plain), "home.test", (address) => address)).toBe(plain);
});

describe("canonical maps", () => {
  const settings = {
    canonical_maps: "inline:{ann=Ann.Smith@home.test, {@old.test = @new.test}}",
    sender_canonical_maps: "inline:{www@web.test=webmaster@old.test}",
    recipient_canonical_maps: "inline:{all@home.test=everybody@home.test}",
    recipient_delimiter: "+",
  };
  test.each([
    ["envelope_sender", "ann@home.test", "Ann.Smith@home.test"],
    ["header_recipient", "ann+x@home.test", "Ann.Smith+x@home.test"],
    ["envelope_recipient", "bob@old.test", "bob@new.test"],
    ["header_sender", "www@web.test", "webmaster@new.test"],
    ["header_recipient", "www@web.test", "www@web.test"],
    ["envelope_recipient", "all@home.test", "everybody@home.test"],
    ["envelope_sender", "all@home.test", "all@home.test"],
    ["envelope_sender", "", ""],
  ] as const)("%s %s", (place, address, mapped) => {
    expect(canonical(settings).address(address, place)).toBe(mapped);
  });

  test("change only the classes that they are for", () => {
    const only = canonical({ ...settings, canonical_classes: "header_sender" });
    expect(only.address("ann@home.test", "header_sender")).toBe("Ann.Smith@home.test");
    expect(only.address("ann@home.test", "envelope_sender")).toBe("ann@home.test");
  });

  test("make one recipient of two, which remembers what it was", () => {
    const draft = { sender: "", recipients: [{ address: "all@home.test" }, { address: "everybody@home.test" }] };
    expect(canonical(settings).envelope(draft).recipients).toEqual([
      { address: "everybody@home.test", original: "all@home.test", orcpt: "rfc822;all@home.test" },
    ]);
    const same = { sender: "x@far.test", recipients: [{ address: "y@far.test" }] };
    expect(canonical(settings).envelope(same)).toBe(same);
  });

  test("that lead in circles are trouble that may pass", () => {
    const loop = canonical({ canonical_maps: "inline:{a@x.test=b@x.test, b@x.test=a@x.test}" });
    expect(() => loop.address("a@x.test", "envelope_sender")).toThrow(
      expect.objectContaining({ code: "ALIAS_UNUSABLE" }),
    );
  });
});

test("masquerading hides hosts, but not those and not the users that are excepted", () => {
  const hiding = canonical({ masquerade_domains: "!db.home.test, Home.test", masquerade_exceptions: "Root" });
  const sender = (address: string) => hiding.address(address, "envelope_sender");
  expect(sender("ann@web.home.test")).toBe("ann@home.test");
  expect(sender("ann@x.db.home.test")).toBe("ann@x.db.home.test");
  expect(sender("root@web.home.test")).toBe("root@web.home.test");
  expect(sender("ann@nothome.test")).toBe("ann@nothome.test");
  expect(hiding.address("ann@web.home.test", "envelope_recipient")).toBe("ann@web.home.test");
});
