import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT, runCommand } from "../harness/instance.ts";

test("sces demo shows it all, within a minute, and leaves nothing behind", async () => {
  const directory = mkdtempSync(join(tmpdir(), "sces-test-demo-"));
  try {
    const began = performance.now();
    const { code, stdout, stderr } = await runCommand(join(ROOT, "bin/sces"), ["demo"], {
      cwd: directory,
      env: { PATH: process.env["PATH"], TMPDIR: directory },
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(performance.now() - began).toBeLessThan(60_000);
    for (const promised of [
      /to=<smtp@there\.example>.* status=sent/,
      /to=<eml@there\.example>.* status=sent/,
      /to=<json@there\.example>.* status=sent/,
      /to=<sendmail@there\.example>.* status=sent/,
      /to=<later@there\.example>.* status=deferred[\s\S]*to=<later@there\.example>.* status=sent/,
      /status=bounced[\s\S]*sender non-delivery notification[\s\S]*Action: failed/,
      /placed on hold[\s\S]*released from hold[\s\S]*to=<held@there\.example>.* status=sent/,
      /\$ sces-queue list\n[\s\S]*-- 0 Kbytes in 2 Requests\.\n/,
      /All of this happened, in \d+ s\.\n/,
    ]) {
      expect(stdout).toMatch(promised);
    }
    expect(readdirSync(directory)).toEqual([]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
