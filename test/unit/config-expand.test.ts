import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expand, references } from "../../src/config/expand.ts";

const names: Record<string, string> = {
  a: "A",
  b: "B$a",
  empty: "",
  n9: "9",
  n10: "10",
  loop: "$loop2",
  loop2: "${loop}",
};
const run = (text: string) => expand(text, (name) => names[name]);

describe("expansion", () => {
  test.each([
    ["$a", "A"],
    ["${a}", "A"],
    ["$(a)", "A"],
    ["${ a }", "A"],
    ["x$a.y", "xA.y"],
    ["$b", "BA"],
    ["$nothing", ""],
    ["$$a", "$a"],
    ["$$$a", "$A"],
    ["a$$", "a$"],
    ["${a?yes}", "yes"],
    ["${empty?yes}", ""],
    ["${empty:no}", "no"],
    ["${a:no}", ""],
    ["${a?{yes}}", "yes"],
    ["${a? $b }", " BA "],
    ["${nothing:{no}}", "no"],
    ["${a?{yes}:{no}}", "yes"],
    ["${empty?{yes}:{no}}", "no"],
    ["${empty ? {yes} : {no}}", "no"],
    ["${empty:{x}:{y}}", "x"],
    ["${a:{x}:{y}}", "y"],
    ["${a?{${empty?{1}:{2}}}:{3}}", "2"],
    ["${a?x}y}", "xy}"],
    ["${{$a} == {A} ? {x} : {y}}", "x"],
    ["${{$a} != {A} ? {x} : {y}}", "y"],
    ["${{$a}=={A}?{x}}", "x"],
    ["${{$n9} < {$n10} ? {number} : {text}}", "number"],
    ["${{9x} < {10} ? {number} : {text}}", "text"],
    ["${{$n10} >= {10} ? {x} : {y}}", "x"],
    ["${{$n10} <= {9} ? {x} : {y}}", "y"],
    ["${{b} > {a} ? {x} : {y}}", "x"],
    ["${{} == {$empty} ? {x} : {y}}", "x"],
  ])("turns %s into %j", (text, expected) => {
    expect(run(text)).toBe(expected);
  });

  test.each([
    ["$loop", /refers to itself/],
    ["$", /lone \$/],
    ["a $ b", /lone \$/],
    ["${a", /"{" without "}"/],
    ["$(a", /"\(" without "\)"/],
    ["${}", /no name/],
    ["${a b}", /unexpected "\s*b"/],
    ["${a?{x}y}", /unexpected "y"/],
    ["${a?{x}:y}", /expected "{" after ":"/],
    ["${a?{x}:{y}z}", /unexpected "z"/],
    ["${{a} ~ {b} ? {x}}", /expected "{a} == {b}/],
    ["${{a} == b ? {x}}", /expected "{a} == {b}/],
    ["${{a} == {b}}", /unexpected/],
    ["${{a} == {b} : {x}}", /unexpected/],
  ])("refuses %s", (text, message) => {
    expect(() => run(text)).toThrow(message);
  });

  test("finds the names that a text refers to, also in branches not taken", () => {
    expect([...references("$a ${b?{$c}:{$(d)}} $$e $$$f ${{$g} == {x} ? {y}} ${h:z}")]).toEqual([
      "a",
      "b",
      "c",
      "d",
      "f",
      "g",
      "h",
    ]);
  });

  test("leaves text without a dollar sign alone", () => {
    const plain = fc.string().filter((text) => !text.includes("$"));
    fc.assert(
      fc.property(plain, (text) => {
        expect(run(text)).toBe(text);
      }),
    );
  });

  test("undoes the doubling of dollar signs", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(run(text.replaceAll("$", "$$$$"))).toBe(text);
      }),
    );
  });

  test("ends on any text, with a value or an ExpandError", () => {
    const symbols = fc.constantFrom("$", "{", "}", "(", ")", "?", ":", "=", "<", "a", "empty", " ", "loop");
    fc.assert(
      fc.property(fc.array(symbols, { maxLength: 30 }), (parts) => {
        try {
          expect(typeof run(parts.join(""))).toBe("string");
        } catch (error) {
          expect((error as Error).name).toBe("ExpandError");
        }
      }),
    );
  });
});
