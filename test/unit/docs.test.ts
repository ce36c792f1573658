import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parameterReference } from "../../docs/generate.ts";
import { PARAMETER_NAMES, SECTIONS } from "../../src/config/parameters.ts";

const root = join(import.meta.dirname, "../..");

test("docs/parameters.md is what `npm run docs` writes", () => {
  expect(readFileSync(join(root, "docs/parameters.md"), "utf8")).toBe(parameterReference());
});

test("every parameter is in one section of the reference and has a paragraph", () => {
  const documented = SECTIONS.flatMap(({ rows }) => Object.keys(rows));
  expect(documented.sort()).toEqual([...PARAMETER_NAMES].sort());
  for (const { rows } of SECTIONS) {
    for (const [name, { doc }] of Object.entries(rows)) expect(doc, name).toMatch(/^[A-Z].{10,}[.]$/s);
  }
});

test("every parameter that main.cf as shipped names exists", () => {
  const names = readFileSync(join(root, "etc/main.cf"), "utf8").matchAll(/^#?([a-z0-9_]+) =/gm);
  for (const [, name] of names) expect(PARAMETER_NAMES).toContain(name);
});
