/** What addresses expand to, by main.cf and tables in it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { testConfig } from "../../src/config/load.ts";
import { parseTableText } from "../../src/config/table-formats.ts";
import { Tables } from "../../src/config/tables.ts";
import { parseAliasTargets, parseIncludedTargets } from "../../src/mail/alias-targets.ts";
import { Aliases } from "../../src/service/aliases.ts";

const directory = mkdtempSync(join(tmpdir(), "sces-aliases-"));
afterAll(() => rmSync(directory, { recursive: true }));

const file = (name: string, text: string) => {
  writeFileSync(join(directory, name), text);
  return join(directory, name);
};

/** The addresses that one expands to, each with why it fails; "itself" if it stands for itself. */
function expand(address: string, settings: Readonly<Record<string, string>>): string | string[] {
  const config = testConfig({
    myhostname: "mx.home.test",
    mydestination: "home.test",
    myorigin: "home.test",
    ...settings,
  });
  const found = new Aliases(config, new Tables({ warn() {} })).expand(address);
  return (
    found?.map(({ address: to, failure }) => (failure === undefined ? to : `${to} ${failure.dsn} ${failure.text}`)) ??
    "itself"
  );
}

describe("virtual aliases", () => {
  const virtual_alias_maps =
    "inline:{ {bob@shop.test = bob@far.test, sue@far.test}, {@shop.test = catch@far.test}, {@old.test = @new.test}, " +
    "{root = admin}, {admin@home.test = root@far.test, admin@home.test}, {list@any.test = bob@shop.test, odd} }";
  const settings = { virtual_alias_maps, recipient_delimiter: "+" };
  test.each([
    ["bob@shop.test", ["bob@far.test", "sue@far.test"]],
    ["BOB@shop.test", ["bob@far.test", "sue@far.test"]],
    ["bob+x@shop.test", ["bob+x@far.test", "sue+x@far.test"]],
    ["who@shop.test", ["catch@far.test"]],
    ["who+x@shop.test", ["catch@far.test"]],
    ["ann+x@old.test", ["ann+x@new.test"]],
    ["root@home.test", ["root@far.test", "admin@home.test"]],
    ["root@elsewhere.test", "itself"],
    ["list@any.test", ["bob@far.test", "sue@far.test", "odd@home.test"]],
    ["nobody@home.test", "itself"],
  ])("%s", (address, targets) => expect(expand(address, settings)).toEqual(targets));

  test("without propagation an extension is left away", () => {
    const without = { ...settings, propagate_unmatched_extensions: "" };
    expect(expand("bob+x@shop.test", without)).toEqual(["bob@far.test", "sue@far.test"]);
  });

  test("a loop fails, and what is beside it is delivered", () => {
    const loop = { virtual_alias_maps: "inline:{ {a@v.test = b@v.test, c@v.test}, b@v.test=A@v.test }" };
    expect(expand("a@v.test", loop)).toEqual(["a@v.test 5.4.6 alias database loop for A@v.test", "c@v.test"]);
  });

  test("an entry that is no address, and one that is too large, are trouble that may pass", () => {
    const many = Array.from({ length: 30 }, (_, index) => `u${index}@far.test`).join(", ");
    const expandIn = (value: string, more = {}) =>
      expand("a@v.test", { virtual_alias_maps: `inline:{ {a@v.test = ${value}} }`, ...more });
    const unusable = expect.objectContaining({ code: "ALIAS_UNUSABLE" });
    expect(() => expandIn("two words")).toThrow(unusable);
    expect(() => expandIn(many, { virtual_alias_expansion_limit: "29" })).toThrow(unusable);
    expect(expandIn(many, { virtual_alias_expansion_limit: "30" })).toHaveLength(30);
    const chain = Array.from({ length: 12 }, (_, index) => `c${index}@v.test=c${index + 1}@v.test`).join(", ");
    const nested = (limit: string) =>
      expand("c0@v.test", { virtual_alias_maps: `inline:{${chain}}`, virtual_alias_recursion_limit: limit });
    expect(() => nested("11")).toThrow(/unreasonable alias nesting for c0@v.test/);
    expect(nested("12")).toEqual(["c12@v.test"]);
  });
});

describe("local aliases", () => {
  const list = file("list", "# members\none@far.test, two\n\n  three@far.test\n");
  const nested = file("nested", `:include:${list}\n`);
  const aliases = file(
    "aliases",
    [
      "# /etc/aliases",
      "postmaster: root",
      "root:   ann,",
      "\tboss@far.test",
      `team: :include:${list}, ann`,
      `bad: :include:${nested}`,
      "gone: :include:/nowhere/at/all",
      'prog: "|/usr/bin/prog --arg, x", ann',
      "box: /var/mail/box",
      "self: self, copy@far.test",
      "final: \\root",
      "x: y",
      "y: x",
      '"odd name": ann',
      "none:",
    ].join("\n"),
  );
  const settings = { alias_maps: `aliases:${aliases}`, recipient_delimiter: "+" };
  test.each([
    ["postmaster@home.test", ["ann@home.test", "boss@far.test"]],
    ["root+x@home.test", ["ann@home.test", "boss@far.test"]],
    ["root@far.test", "itself"],
    ["team@home.test", ["one@far.test", "two@home.test", "three@far.test", "ann@home.test"]],
    ["prog@home.test", ["prog@home.test 5.7.1 mail to command is restricted", "ann@home.test"]],
    ["box@home.test", ["box@home.test 5.7.1 mail to file is restricted"]],
    ["self@home.test", ["self@home.test", "copy@far.test"]],
    ["final@home.test", ["root@home.test"]],
    ["x@home.test", ["x@home.test 5.4.6 alias database loop for x@home.test"]],
    ["postmaster@mx.home.test", ["ann@home.test", "boss@far.test"]],
    ['"odd name"@home.test', ["ann@home.test"]],
    ["none@home.test", "itself"],
  ])("%s", (address, targets) => expect(expand(address, settings)).toEqual(targets));

  test("files that cannot be included are trouble that may pass", () => {
    for (const name of ["bad", "gone"]) {
      expect(() => expand(`${name}@home.test`, settings)).toThrow(expect.objectContaining({ code: "ALIAS_UNUSABLE" }));
    }
  });

  test("virtual aliases come first, and again for what leads elsewhere", () => {
    const both = {
      ...settings,
      virtual_alias_maps: "inline:{info@shop.test=root@home.test, boss@far.test=chief@far.test}",
    };
    expect(expand("info@shop.test", both)).toEqual(["ann@home.test", "chief@far.test"]);
  });

  test("the table names lines that are no alias", () => {
    expect(parseTableText("aliases", "a: b\nno colon\nc : d\n").problems).toEqual([
      { line: 2, text: "no value behind no colon (name: value)" },
    ]);
  });

  test("targets may be quoted, commented out and empty", () => {
    expect(parseAliasTargets('"a, b"@x, , c')).toEqual([
      { kind: "address", text: '"a, b"@x' },
      { kind: "address", text: "c" },
    ]);
    expect(parseAliasTargets('"|prog \\"x\\"", ":include:/a b"')).toEqual([
      { kind: "command", text: '|prog "x"' },
      { kind: "include", path: "/a b" },
    ]);
    expect(parseIncludedTargets("#a, b\n c \n")).toEqual([{ kind: "address", text: "c" }]);
  });
});
