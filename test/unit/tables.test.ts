import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { checkTable } from "../../src/command/check/tables.ts";
import { parseMainCf } from "../../src/config/main-cf.ts";
import { maps, parseTable, tableName, type TableType } from "../../src/config/maps.ts";
import { parseTableText } from "../../src/config/table-formats.ts";
import { Tables } from "../../src/config/tables.ts";
import { longestTurn } from "../fuzz/turns.ts";

const directory = mkdtempSync(join(tmpdir(), "sces-tables-"));
afterAll(() => rmSync(directory, { recursive: true }));

const find = (type: TableType, text: string, key: string) => parseTableText(type, text).find(key);
const problems = (type: TableType, text: string) => parseTableText(type, text).problems.map(({ line }) => line);

describe("a list of tables", () => {
  test("has types, paths relative to main.cf, and text in braces", () => {
    const specs = maps.parse("texthash:transport, regexp:/etc/x inline:{ a=b, {c d = e f} } static:OK", "/etc/sces");
    expect(specs.map(tableName)).toEqual([
      "texthash:/etc/sces/transport",
      "regexp:/etc/x",
      "inline:{a=b, {c d = e f}}",
      "static:OK",
    ]);
  });

  test.each([
    ["transport", "type:name"],
    ["hash:/etc/postfix/transport", "write texthash:/etc/postfix/transport"],
    ["ldap:/etc/x", "the types are"],
    ["texthash:", "has no name"],
    ["inline:{a=b", '"{" without "}"'],
    ["inline:a=b}", '"}" without "{"'],
  ])("%s is an error that says what would be right", (text, words) => {
    expect(() => maps.parse(text, "/etc")).toThrow(words);
  });
});

describe("texthash", () => {
  const text =
    '# comment\nexample.org  smtp:[a]:25\n\n.Example.NET\n  slow:\n"two words" x\nexample.org other\nlonely\n';
  test.each([
    ["example.org", "smtp:[a]:25"],
    ["EXAMPLE.ORG", "smtp:[a]:25"],
    [".example.net", "slow:"],
    ["two words", "x"],
    ["lonely", undefined],
    ["__proto__", undefined],
  ])("%s is %s", (key, value) => expect(find("texthash", text, key)).toBe(value));

  test("names lines without a value, and second ones of a key", () => {
    expect(problems("texthash", text)).toEqual([7, 8]);
  });
});

describe("patterns", () => {
  const text = [
    "/^(.*)\\.test@example\\.org$/  $1@example.net",
    "!/@/ no at",
    "if /@inner\\./",
    "/^a@/ inside $$1",
    "endif",
    "/^CASE@/i upper",
    "/^case@/ any",
    "/(/ x",
    "/novalue/",
  ].join("\n");
  test.each([
    ["bob.test@example.org", "bob@example.net"],
    ["bare", "no at"],
    ["a@inner.org", "inside $1"],
    ["a@outer.org", undefined],
    ["CASE@x", "upper"],
    ["cAsE@x", "any"],
  ])("%s is %s", (key, value) => expect(find("regexp", text, key)).toBe(value));

  test("name what they cannot understand, and hold otherwise", () => {
    expect(problems("regexp", text)).toEqual([8, 9]);
    expect(problems("regexp", "if /a/\n/b/ c\n")).toEqual([1]);
    expect(problems("regexp", "endif")).toEqual([1]);
  });

  test("what stands under a condition that is wrong does not hold without it", () => {
    expect(find("regexp", "if /(/\n/a/ x\nendif\n/a/ y", "a")).toBe("y");
  });

  test("networks are found by address", () => {
    const table = "192.0.2.7 one\n192.0.2.0/24 net\n[2001:db8::]/32 six\n!10.0.0.0/8 not ten";
    expect(find("cidr", table, "192.0.2.7")).toBe("one");
    expect(find("cidr", table, "192.0.2.8")).toBe("net");
    expect(find("cidr", table, "2001:db8::1")).toBe("six");
    expect(find("cidr", table, "10.1.1.1")).toBe(undefined);
    expect(problems("cidr", "nonsense x")).toEqual([1]);
  });
});

describe("inline tables", () => {
  const look = (text: string) => maps.parse(text, "/").map(({ type, name }) => parseTableText(type, name))[0];

  test("that are several where one is meant are a problem, not an error in a session", () => {
    for (const text of ["inline:{a=b}{c=d}", "inline:{ {a=b} {c=d}x }"]) expect(look(text)?.problems).toHaveLength(1);
    expect(look("inline:{ {a = b c}, d=e }")?.find("a")).toBe("b c");
  });
});

describe("expressions", () => {
  test("are compiled when the table is read: one that is too large is a problem then", () => {
    expect(problems("regexp", `/${"(".repeat(20_000)}a${")".repeat(20_000)}/ x\n/b/ y`)).toEqual([1]);
  });

  test("[E13] see no more than the beginning of a long key", async () => {
    const look = () => find("regexp", "/a.*a.*b$/ x", "a".repeat(20_000));
    expect(look()).toBeUndefined();
    expect(await longestTurn(look)).toBeLessThan(1000); // of CPU time
  });

  test("that cannot be understood are quoted in a way that a terminal bears", () => {
    const [problem] = parseTableText("regexp", "/\u001b[2J(/ x").problems;
    expect(problem?.text).toMatch(/^[ -~]+$/);
  });
});

test("white space without end costs no time, in tables and in main.cf", async () => {
  const blank = " ".repeat(200_000);
  const longestMs = await longestTurn(() => {
    parseTableText("inline", `a${blank}b`);
    parseTableText("texthash", `a${blank}b${blank}c`);
    parseMainCf(`a = b${blank}c${blank}\n`, "main.cf");
    for (const type of ["regexp", "cidr", "aliases"] as const) parseTableText(type, `if${blank}/a${blank}b`);
  });
  expect(longestMs).toBeLessThan(1000);
});

describe("tables of a process", () => {
  test("ask each key of every table in turn; patterns see the whole key only", () => {
    const tables = new Tables({ warn: () => {} });
    const path = join(directory, "patterns");
    writeFileSync(path, "/^example/ pattern\n");
    const opened = tables.open(maps.parse(`regexp:${path}, inline:{example.org=domain, *=all}`, "/"));
    expect(opened.lookup(["bob@example.org", "example.org", "*"])).toEqual({
      key: "example.org",
      value: "domain",
      table: "inline:{example.org=domain, *=all}",
    });
    expect(opened.lookup(["example.org"])?.value).toBe("pattern");
    expect(opened.lookup(["x", "*"])?.value).toBe("all");
    expect(tables.open([]).isEmpty).toBe(true);
  });

  test("are read again when they change, and keep what they know when that fails", () => {
    let now = 0;
    const warnings: string[] = [];
    const tables = new Tables({ warn: (text) => warnings.push(text), monotonic: () => now });
    const path = join(directory, "changing");
    writeFileSync(path, "a 1\n");
    const opened = tables.open([parseTable(`texthash:${path}`, "/")]);
    const value = () => opened.lookup(["a"])?.value;
    expect(value()).toBe("1");
    writeFileSync(path, "a 22\nbroken\n");
    expect(value()).toBe("1"); // not looked at yet
    now += 1000;
    expect(value()).toBe("22");
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(`texthash:${path}, line 2:`);
    rmSync(path);
    now += 1000;
    expect(value()).toBe("22");
    now += 1000;
    expect(value()).toBe("22");
    expect(warnings).toHaveLength(2); // once
    writeFileSync(path, "a 3\n");
    utimesSync(path, 1, 1);
    now += 1000;
    expect(value()).toBe("3");
  });

  test("that were never readable say so each time", () => {
    const tables = new Tables({ warn: () => {} });
    const opened = tables.open([parseTable("texthash:nowhere", directory)]);
    expect(() => opened.lookup(["a"])).toThrow(/cannot read table texthash:.*nowhere: ENOENT/);
    expect(() => opened.lookup(["a"])).toThrow(expect.objectContaining({ code: "TABLE_UNREADABLE" }));
  });
});

test("sces check names tables that are not there and lines that nobody understands", () => {
  const path = join(directory, "checked");
  writeFileSync(path, "ok value\nlonely\n", { mode: 0o600 });
  const check = (table: string, owner?: { uid: number; gid: number }) =>
    [...checkTable("transport_maps", parseTable(table, directory), owner)].map(({ text }) => text);
  expect(check("texthash:nowhere")).toEqual([expect.stringContaining("ENOENT: make it, or take it out")]);
  expect(check("texthash:checked", { uid: 12345, gid: 12345 })).toEqual([
    expect.stringContaining("checked, line 2: no value"),
    expect.stringContaining("cannot be read by the mail_owner"),
  ]);
});
