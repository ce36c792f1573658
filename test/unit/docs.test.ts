import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { reliability } from "../../docs/fault-table.ts";
import { parameterReference } from "../../docs/generate.ts";
import { PARAMETER_NAMES, SECTIONS } from "../../src/config/parameters.ts";

const root = join(import.meta.dirname, "../..");

test("docs/parameters.md is what `npm run docs` writes", () => {
  expect(readFileSync(join(root, "docs/parameters.md"), "utf8")).toBe(parameterReference());
});

test("the table of docs/reliability.md is what the campaign measured", () => {
  expect(readFileSync(join(root, "docs/reliability.md"), "utf8")).toBe(reliability(join(root, "docs")));
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

test("every parameter is read by the program, not only parsed and documented", () => {
  const src = join(root, "src");
  const isReader = (file: string) => file.endsWith(".ts") && !/^config\/(parameters\b|contradictions)/.test(file);
  const code = readdirSync(src, { recursive: true, encoding: "utf8" })
    .filter(isReader)
    .map((file) => readFileSync(join(src, file), "utf8").replace(/\/\*[\s\S]*?\*\/|(^|\s)\/\/.*$/gm, ""))
    .join("\n");
  const defaults = SECTIONS.flatMap(({ rows }) => Object.values(rows).map((row) => row.default)).join("\n");
  const isRead = (name: string) =>
    new RegExp(`\\b${name}\\b`).test(code) ||
    (name.startsWith("default_destination_") && code.includes(`"${name.slice("default_".length)}"`)) ||
    defaults.includes(`$${name}`);
  expect(PARAMETER_NAMES.filter((name) => !isRead(name))).toEqual([]);
});
