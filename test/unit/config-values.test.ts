import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseEndpoint } from "../../src/config/endpoint.ts";
import { feedback } from "../../src/config/feedback.ts";
import { rules } from "../../src/config/rules.ts";
import { transports } from "../../src/config/transports.ts";
import { integer, list, oneOf, path, size, someOf, time, yesNo, type Kind } from "../../src/config/values.ts";

const parse = <T>(kind: Kind<T>, text: string) => kind.parse(text, "/etc/sces");

describe("times", () => {
  test.each([
    ["300s", 300_000],
    ["5m", 300_000],
    ["2h", 7_200_000],
    ["1d", 86_400_000],
    ["2w", 1_209_600_000],
    ["100ms", 100],
    ["7", 7000],
    ["0", 0],
    ["5min", 300_000],
    ["1 h", 3_600_000],
  ])("%s is %i ms", (text, expected) => {
    expect(parse(time(), text)).toBe(expected);
  });

  test("a bare number has the parameter's own unit", () => {
    expect(parse(time({ unit: "d" }), "2")).toBe(172_800_000);
  });

  test.each(["", "x", "-1", "1.5h", "5y", "s", "1e3", "0x10"])("%j is none", (text) => {
    expect(() => parse(time(), text)).toThrow("bad time value or unit");
  });

  test("the range is kept", () => {
    const kind = time({ min: "1s", max: "1h" });
    expect(() => parse(kind, "0")).toThrow("too small: 0 (at least 1s)");
    expect(() => parse(kind, "61m")).toThrow("too large: 61m (at most 1h)");
    expect(() => parse(time(), "99999999999999999w")).toThrow("bad time");
  });

  test("every integer with every unit is that many milliseconds", () => {
    const units = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
    fc.assert(
      fc.property(fc.nat(1000), fc.constantFrom(...(Object.keys(units) as (keyof typeof units)[])), (count, unit) => {
        expect(parse(time({ max: "1000w" }), `${count}${unit}`)).toBe(count * units[unit]);
      }),
    );
  });
});

describe("other values", () => {
  test("sizes take k, m and g", () => {
    expect(["10240000", "256k", "4M", "1g"].map((text) => parse(size(), text))).toEqual([
      10_240_000, 262_144, 4_194_304, 1_073_741_824,
    ]);
    for (const bad of ["", "-1", "1.5m", "4x", "k"]) expect(() => parse(size(), bad)).toThrow("bad numerical");
  });

  test("numbers keep their range", () => {
    expect(parse(integer(1, 5), "5")).toBe(5);
    expect(() => parse(integer(1, 5), "6")).toThrow("too large: 6 (at most 5)");
    expect(() => parse(integer(1, 5), "five")).toThrow("bad numerical configuration: five");
  });

  test("yes and no in any case", () => {
    expect([parse(yesNo, "Yes"), parse(yesNo, "NO")]).toEqual([true, false]);
    expect(() => parse(yesNo, "true")).toThrow("bad boolean configuration: true (yes or no)");
  });

  test("words, and other spellings of them", () => {
    const kind = oneOf(["normalize", "no"], { yes: "normalize" });
    expect([parse(kind, "yes"), parse(kind, "No")]).toEqual(["normalize", "no"]);
    expect(() => parse(kind, "constructor")).toThrow("one of: normalize, no");
    expect(parse(someOf(["a", "b"]), "b, a")).toEqual(["b", "a"]);
  });

  test("lists are divided by commas and white space, and frozen", () => {
    const items = parse(list, " a, b\tc,,d\n e ");
    expect(items).toEqual(["a", "b", "c", "d", "e"]);
    expect(Object.isFrozen(items)).toBe(true);
  });

  test("paths are relative to the directory of main.cf", () => {
    expect(parse(path, "../spool")).toBe("/etc/spool");
    expect(parse(path, "/x")).toBe("/x");
    expect(parse(path, "")).toBe("");
  });

  test("feedback is a number, alone or by the concurrency", () => {
    expect(parse(feedback, "1")).toEqual({ amount: 1, per: "fixed" });
    expect(parse(feedback, "0.5 / concurrency")).toEqual({ amount: 0.5, per: "concurrency" });
    expect(parse(feedback, "1/sqrt_concurrency")).toEqual({ amount: 1, per: "sqrt_concurrency" });
    for (const bad of ["2", "x", "1/x", ""]) expect(() => parse(feedback, bad)).toThrow("bad feedback");
  });

  test("endpoints", () => {
    expect(parseEndpoint("127.0.0.1:25")).toEqual({ host: "127.0.0.1", port: 25 });
    expect(parseEndpoint("[::1]:2525")).toEqual({ host: "::1", port: 2525 });
    expect(parseEndpoint("*:0")).toEqual({ host: "", port: 0 });
    expect(parseEndpoint("587")).toEqual({ host: "127.0.0.1", port: 587 });
    for (const bad of ["", "x", ":25", "::1:25", "a:70000", "[x]:1", "127.0.0.1"]) {
      expect(() => parseEndpoint(bad), bad).toThrow("bad address");
    }
  });

  test("transports name an agent, and no name that is in use", () => {
    expect(parse(transports, "slow:smtp, box:maildir")).toEqual([
      { name: "slow", agent: "smtp" },
      { name: "box", agent: "maildir" },
    ]);
    expect(() => parse(transports, "slow")).toThrow("bad transport: slow");
    expect(() => parse(transports, "slow:pigeon")).toThrow("bad transport: slow:pigeon");
    expect(() => parse(transports, "Slow:smtp")).toThrow("bad transport name");
    for (const used of ["smtp:smtp", "default:smtp", "a:smtp a:smtp"]) {
      expect(() => parse(transports, used)).toThrow("transport name in use");
    }
  });
});

describe("hold rules", () => {
  test("have a pattern and a reason, divided by commas", () => {
    const found = parse(rules("address"), "example.org spam run,  stopped@example.net, /^a,b \\/c/ two words");
    expect(found.map(({ pattern, reason }) => [pattern, reason])).toEqual([
      ["example.org", "spam run"],
      ["stopped@example.net", ""],
      ["/^a,b \\/c/", "two words"],
    ]);
  });

  test.each([
    ["example.org", "a@example.org", true],
    ["example.org", "a@sub.Example.ORG", true],
    ["example.org", "a@notexample.org", false],
    ["@example.org", "a@example.org", true],
    ["a@example.org", "A@example.org", true],
    ["a@example.org", "b@example.org", false],
    ["root@", "root@anywhere.example", true],
    ["<>", "", true],
    ["<>", "a@b", false],
    ["/^x.*@/", "Xavier@example.org", true],
  ])("%s on address %s: %s", (pattern, address, expected) => {
    expect(parse(rules("address"), pattern)[0]?.matches(address)).toBe(expected);
  });

  test("headers are matched by expression only", () => {
    expect(parse(rules("header"), "/^subject:.*hold ?me/ look")[0]?.matches("Subject: please holdme now")).toBe(true);
    expect(() => parse(rules("header"), "Subject x")).toThrow("a header rule is an /expression/");
  });

  test("clients by network, name and expression", () => {
    const match = (pattern: string, client: string) => parse(rules("client"), pattern)[0]?.matches(client);
    expect(match("192.0.2.0/24", "192.0.2.77")).toBe(true);
    expect(match("192.0.2.0/24", "mail.example.org")).toBe(false);
    expect(match(".example.org", "mail.example.org")).toBe(true);
    expect(match("mail.example.org", "mail.example.org")).toBe(true);
    expect(match("cafe.be", "cafe.be")).toBe(true);
  });

  test("a global expression matches every time", () => {
    const [rule] = parse(rules("header"), "/x/g");
    expect([rule?.matches("x"), rule?.matches("x")]).toEqual([true, true]);
  });

  test("a bad expression is told", () => {
    expect(() => parse(rules("address"), "/(/ x")).toThrow("bad expression");
    expect(() => parse(rules("address"), "/unfinished x")).toThrow("bad rule");
  });
});
