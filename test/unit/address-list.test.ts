import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatAddress, parseAddressList } from "../../src/mail/address-list.ts";

const addresses = (value: string) => parseAddressList(value).mailboxes.map((mailbox) => mailbox.address);

describe("parseAddressList", () => {
  test.each([
    ["bob@e.example", ["bob@e.example"]],
    ["Bob <bob@E.example>", ["bob@e.example"]],
    ["a@e.example, b@e.example,c@e.example", ["a@e.example", "b@e.example", "c@e.example"]],
    ['"Doe, Jane" <jane@e.example>, b@e.example', ["jane@e.example", "b@e.example"]],
    ["bob@e.example (Bob (B.) Builder)", ["bob@e.example"]],
    ["(x) bob (y) @ (z) e . example", ["bob@e.example"]],
    ["undisclosed-recipients:;", []],
    ["Team: a@e.example, B <b@e.example>;, c@e.example", ["a@e.example", "b@e.example", "c@e.example"]],
    [",, a@e.example ,,", ["a@e.example"]],
    ["<@x.example,@y.example:a@e.example>", ["a@e.example"]],
    ["=?utf-8?Q?J=C3=BCrgen?= <j@e.example>", ["j@e.example"]],
    ["Jürgen <jürgen@bücher.example>", ["jürgen@xn--bcher-kva.example"]],
    ["u@[192.0.2.1]", ["u@[192.0.2.1]"]],
    ["[list] Owner <o@e.example>", ["o@e.example"]],
    ['J. R. "Bob" Dobbs <bob@e.example>', ["bob@e.example"]],
    ["< bob@e.example >", ["bob@e.example"]],
    ["", []],
  ])("reads %s", (value, expected) => {
    expect(addresses(value)).toEqual(expected);
    expect(parseAddressList(value).bad).toEqual([]);
  });

  test("[C4] never divides at an @ inside quotes (CVE-2025-13033)", () => {
    expect(addresses('"xclow3n@gmail.example x"@internal.example')).toEqual([
      '"xclow3n@gmail.example x"@internal.example',
    ]);
    expect(addresses('"u@evil.example" <bob@e.example>')).toEqual(["bob@e.example"]);
    expect(addresses('"a . b@evil.example" @ e.example')).toEqual(['"a . b@evil.example"@e.example']);
    expect(addresses('"<u@evil.example>" <bob@e.example>')).toEqual(["bob@e.example"]);
    expect(addresses("(u@evil.example) bob@e.example")).toEqual(["bob@e.example"]);
  });

  test.each([
    "bob",
    "<bob@e.example",
    "bob@e.example>",
    "<a@e.example> <b@e.example>",
    '"unclosed <a@e.example>',
    "(unclosed a@e.example",
    "a@e.example b@e.example",
    "a b@e.example",
    "<>",
    "a@127.0.0.1",
  ])("reports %s and takes no address from it", (value) => {
    expect(addresses(value)).toEqual([]);
    expect(parseAddressList(value).bad).toHaveLength(1);
  });

  test("goes on behind what it can't read", () => {
    const list = parseAddressList("bad, a@e.example, <b@@e.example>, c@e.example");
    expect(list.mailboxes.map((mailbox) => mailbox.address)).toEqual(["a@e.example", "c@e.example"]);
    expect(list.bad.map((entry) => entry.text)).toEqual(["bad", "<b@@e.example>"]);
  });

  test("keeps the names", () => {
    expect(parseAddressList('"Doe, \\"J\\"" <j@e.example>, b@e.example (Bob)').mailboxes.map((m) => m.name)).toEqual([
      'Doe, "J"',
      "Bob",
    ]);
  });

  test("uses the default domain where it is given", () => {
    expect(
      parseAddressList("bob, a@e.example", { defaultDomain: "d.example" }).mailboxes.map((m) => m.address),
    ).toEqual(["bob@d.example", "a@e.example"]);
  });

  test("[E13] never throws and takes linear time", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom("a", '"', "\\", "<", ">", "(", ")", ",", ";", ":", "@", ".", " ", "[", "]", "ü", "\r\n "),
        ),
        (parts) => {
          parseAddressList(parts.join(""));
        },
      ),
    );
    for (const unit of ["a ", ".", "@", "(", ")", '"', '" ', "\\", "<", "[", ",", " . ", '"a.', ";", ": "]) {
      const start = performance.now();
      parseAddressList(unit.repeat(100_000));
      parseAddressList(`"${unit.repeat(100_000)}"@e.example`);
      expect(performance.now() - start, unit).toBeLessThan(1000);
    }
  });
});

describe("formatAddress", () => {
  test.each([
    ["b@e.example", "", "b@e.example"],
    ["b@e.example", "Bob Builder", "Bob Builder <b@e.example>"],
    ["b@e.example", 'Bob "B." Builder', '"Bob \\"B.\\" Builder" <b@e.example>'],
    ["b@e.example", "Jürgen", "=?utf-8?B?SsO8cmdlbg==?= <b@e.example>"],
  ])("writes %s with the name %j", (address, name, text) => {
    expect(formatAddress(address, name)).toBe(text);
    if (!name.includes("ü")) expect(parseAddressList(text).mailboxes).toMatchObject([{ address, name }]);
  });
});
