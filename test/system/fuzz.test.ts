/** A short run of the fuzzer (test/fuzz), which takes first what it found earlier. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../harness/instance.ts";

const seconds = process.env["SCES_FUZZ_SECONDS"] ?? "5";

test("bytes by chance break no promise, crash nothing and hold nothing up", { timeout: 120_000 }, async () => {
  const child = spawn(process.execPath, [join(ROOT, "test/fuzz/fuzz.ts"), "--seconds", seconds]);
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said += String(text)));
  const status = await new Promise((resolve) => child.on("close", resolve));
  expect(status, said).toBe(0);
  expect(said).toMatch(/^\d+ inputs in \d+ s, seed \d+, 0 finds$/m);
});
