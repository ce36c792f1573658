import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseMainCf } from "../../src/config/main-cf.ts";

const parse = (text: string) => parseMainCf(text, "main.cf");
const values = (text: string) => Object.fromEntries(parse(text).entries.map(({ name, value }) => [name, value]));

describe("main.cf", () => {
  test("takes name = value with any space around the sign and at the end", () => {
    expect(values("a=1\nb = 2\nc\t=  3  \t\nd =\n")).toEqual({ a: "1", b: "2", c: "3", d: "" });
  });

  test("keeps further = signs in the value", () => {
    expect(values("a = b=c = d")).toEqual({ a: "b=c = d" });
  });

  test("ignores blank lines and comments, also with space in front", () => {
    expect(values("# x = 1\n\n   \n  # y = 2\na = 1 # no comment\n")).toEqual({ a: "1 # no comment" });
  });

  test("joins lines that start with white space", () => {
    expect(values("a = 1,\n  2,\n\t3\nb = x")).toEqual({ a: "1,  2,\t3", b: "x" });
  });

  test("ignores comments and blank lines inside a continued value", () => {
    expect(values("a = 1\n# comment\n\n  # another\n  2\nb = 3")).toEqual({ a: "1  2", b: "3" });
  });

  test("takes lines that end with CR LF", () => {
    expect(values("a = 1\r\n  2\r\nb = 3\r\n")).toEqual({ a: "1  2", b: "3" });
  });

  test("lets the last of two entries hold, and says so", () => {
    const { entries, warnings } = parse("a = 1\n\na = 2\n");
    expect(entries.at(-1)).toEqual({ name: "a", value: "2", line: 3, end: 3 });
    expect(warnings).toEqual(["main.cf, line 3: overriding earlier entry: a=1"]);
  });

  test("knows the first and last line of each value", () => {
    expect(parse("#\na = 1\n#\n  2\n\nb = 3").entries.map(({ line, end }) => [line, end])).toEqual([
      [2, 4],
      [6, 6],
    ]);
  });

  test("names file and line of what is no setting, and goes on", () => {
    const { entries, problems } = parse("  lost\nfoo bar = 1\na = 1\n= x\nbare\n");
    expect(entries.map(({ name }) => name)).toEqual(["a"]);
    expect(problems).toEqual([
      { place: "main.cf, line 1", text: expect.stringContaining('a continuation of nothing: "lost"') },
      { place: "main.cf, line 2", text: `missing '=' after attribute name: "foo bar = 1"` },
      { place: "main.cf, line 4", text: 'missing attribute name: "= x"' },
      { place: "main.cf, line 5", text: `missing '=' after attribute name: "bare"` },
    ]);
  });

  const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,20}$/);
  const piece = fc.stringMatching(/^[!-"$-~][ -~]{0,20}[!-~]$/);
  const noise = fc.constantFrom("", "# a comment", "   ", "  # indented = comment");

  test("reads back what was written, whatever noise and line breaks there are", () => {
    const setting = fc.record({
      name,
      pieces: fc.array(piece, { minLength: 1, maxLength: 4 }),
      noise: fc.array(noise),
    });
    fc.assert(
      fc.property(fc.uniqueArray(setting, { selector: (each) => each.name }), (settings) => {
        const text = settings
          .map((each) =>
            [...each.noise, `${each.name} = ${each.pieces.join(`\n${each.noise.join("\n")}\n `)}`].join("\n"),
          )
          .join("\n");
        expect(values(text)).toEqual(Object.fromEntries(settings.map((each) => [each.name, each.pieces.join(" ")])));
        expect(parse(text).problems).toEqual([]);
      }),
    );
  });

  test("never throws, and accounts for every line that is more than noise", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("a", "=", " ", "\n", "#", "$", "\t", "\r") }), (text) => {
        const { entries, problems } = parse(text);
        const isNothing = text.split(/\r?\n/).every((line) => /^\s*(#|$)/.test(line));
        expect(entries.length + problems.length > 0).toBe(!isNothing);
      }),
    );
  });
});
