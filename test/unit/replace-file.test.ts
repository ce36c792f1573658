import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cwd } from "node:process";
import { expect, test } from "vitest";
import { replaceFile } from "../../src/base/replace-file.ts";
import { useSpool } from "../harness/spool.ts";

useSpool();

test("what a process that is gone began to write is no obstacle, and goes", () => {
  writeFileSync("state/pauses", "old");
  writeFileSync("state/.pauses.4194305.new", "ha"); // no process has that number
  writeFileSync(`state/.pauses.${process.pid}.new`, "lf"); // ours now, and somebody else's before
  writeFileSync("state/.pauses.1.new", "another writes");
  replaceFile(join(cwd(), "state/pauses"), "new");
  expect(readFileSync("state/pauses", "utf8")).toBe("new");
  expect(readdirSync("state").filter((name) => name.startsWith(".pauses"))).toEqual([".pauses.1.new"]);
});
