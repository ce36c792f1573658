import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT, runCommand } from "../harness/instance.ts";
import { processTable, workingDirectory } from "../harness/process-table.ts";
import { until } from "../harness/until.ts";

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

/** Processes of a spool under this directory, removed or not. */
function runningIn(directory: string): number {
  return processTable().filter(({ pid, state }) => state !== "Z" && workingDirectory(pid)?.startsWith(directory))
    .length;
}

test.each([
  ["it is interrupted", (demo: ChildProcess) => demo.kill("SIGINT"), 70],
  ["nobody reads on", (demo: ChildProcess) => demo.stdout?.destroy(), 0],
])("sces demo leaves nothing behind when %s", async (_, end, status) => {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "sces-test-demo-")));
  try {
    const demo = spawn(join(ROOT, "bin/sces"), ["demo"], {
      env: { PATH: process.env["PATH"], TMPDIR: directory },
      stdio: ["ignore", "pipe", "ignore"],
    });
    const ended = once(demo, "exit");
    await until("its mail system", () => runningIn(directory) > 3, 30_000);
    end(demo);
    expect(await ended).toEqual([status, null]);
    await until("the end of its mail system", () => runningIn(directory) === 0);
    expect(readdirSync(directory)).toEqual([]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
