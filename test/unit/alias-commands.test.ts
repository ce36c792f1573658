import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run as aliases } from "../../src/command/aliases.ts";
import type { Run } from "../../src/command/io.ts";
import { run as lookup } from "../../src/command/lookup.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "sces-alias-commands-"));
  const lines = [
    `queue_directory = ${directory}`,
    "myhostname = mx.home.test",
    "mydestination = home.test",
    "myorigin = home.test",
    "recipient_canonical_maps = inline:{old@home.test=ann@home.test}",
    "virtual_alias_maps = texthash:virtual",
    "virtual_alias_domains = shop.test",
    "alias_maps = inline:{ann=ann, prog=|run}",
  ];
  writeFileSync(join(directory, "main.cf"), `${lines.join("\n")}\n`);
  writeFileSync(join(directory, "virtual"), "team@shop.test ann@home.test, b@far.test, who@shop.test\n");
});
afterAll(() => rmSync(directory, { recursive: true }));

async function runIn(command: Run, ...args: string[]) {
  const out = { stdout: "", stderr: "" };
  const status = await command(["-c", directory, ...args], {
    stdout: { write: (text) => (out.stdout += text) },
    stderr: { write: (text) => (out.stderr += text) },
    stdin: (async function* () {})(),
    env: {},
  });
  return { status, ...out };
}

test("sces lookup prints the value, and ends with 1 where there is none", async () => {
  const value = "ann@home.test, b@far.test, who@shop.test\n";
  expect(await runIn(lookup, "TEAM@shop.test", "texthash:virtual")).toEqual({ status: 0, stdout: value, stderr: "" });
  expect(await runIn(lookup, "x", "texthash:virtual")).toEqual({ status: 1, stdout: "", stderr: "" });
  expect(await runIn(lookup, "abc", "inline:{abc=1}")).toMatchObject({ stdout: "1\n" });
  await expect(runIn(lookup, "x", "hash:virtual")).rejects.toThrow("write texthash:virtual");
  await expect(runIn(lookup, "x", "texthash:nowhere")).rejects.toThrow("cannot read table");
  await expect(runIn(lookup, "x")).rejects.toThrow("usage:");
});

test("sces aliases prints where mail ends up, and what cannot be delivered", async () => {
  expect(await runIn(aliases, "team@shop.test", "old", "prog", "other@far.test")).toEqual({
    status: 0,
    stdout: [
      "ann@home.test",
      "b@far.test",
      "who@shop.test: 5.1.1 User unknown in virtual alias table",
      "ann@home.test",
      "prog@home.test: 5.7.1 mail to command is restricted",
      "other@far.test\n",
    ].join("\n"),
    stderr: "",
  });
  expect(await runIn(aliases, "a@@b")).toMatchObject({ status: 65, stdout: "" });
  await expect(runIn(aliases)).rejects.toThrow("usage:");
});
