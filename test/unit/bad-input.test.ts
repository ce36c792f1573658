/** The table of bad inputs (test/bad-input/rows.ts) against what is tested. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { KNOWN_WRONG, marksIn, ROWS } from "../bad-input/rows.ts";

const root = resolve(import.meta.dirname, "../..");
const marks = ["test/unit", "test/system"].flatMap((directory) =>
  readdirSync(join(root, directory))
    .filter((file) => file.endsWith(".test.ts") && file !== "bad-input.test.ts")
    .flatMap((file) => marksIn(readFileSync(join(root, directory, file), "utf8"))),
);
const tested = new Set(marks.filter(({ isStock }) => !isStock).map(({ id }) => id));
const stock = new Set(marks.filter(({ isStock }) => isStock).map(({ id }) => id));

/** How many rows each letter has. */
const ROWS_OF = { A: 18, B: 18, C: 19, D: 12, E: 13, F: 15, G: 13, H: 10 };

describe("the table of bad inputs", () => {
  test("has each row once", () => {
    const all = Object.entries(ROWS_OF).flatMap(([letter, count]) =>
      Array.from({ length: count }, (_, index) => `${letter}${index + 1}`),
    );
    expect(ROWS.map(({ id }) => id)).toEqual(all);
  });

  test("has a test for each row, or a reason why there is none", () => {
    const isKept = ({ id, notYet }: (typeof ROWS)[number]) => tested.has(id) === (notYet === undefined);
    expect(ROWS.filter((row) => !isKept(row)).map(({ id }) => id)).toEqual([]);
  });

  test("knows every row that a title names", () => {
    const known = new Set(ROWS.map(({ id }) => id));
    expect(marks.filter(({ id }) => !known.has(id))).toEqual([]);
  });

  test("shows the library alone for each row that one is known to get wrong, and names our guard", () => {
    const rows = ROWS.filter(({ id }) => KNOWN_WRONG.includes(id));
    expect(rows).toHaveLength(KNOWN_WRONG.length);
    expect(rows.filter(({ guard }) => guard === undefined || !existsSync(join(root, guard)))).toEqual([]);
    expect(rows.filter(({ id, notStock }) => stock.has(id) !== (notStock === undefined)).map(({ id }) => id)).toEqual(
      [],
    );
  });
});
