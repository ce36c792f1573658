/** What a user without rights is told. That the system is stopped would be untrue, and make somebody start another. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EX_NOPERM } from "../../src/base/exit.ts";
import { ROOT, runCommand } from "../harness/instance.ts";

const NOBODY = 65534;
const isRoot = process.getuid?.() === 0;
if (!isRoot) console.log("skipped: becoming another user needs root");

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "sces-other-"));
  chmodSync(directory, 0o755);
  mkdirSync(join(directory, "etc"));
  writeFileSync(join(directory, "etc/main.cf"), "queue_directory = ../spool\n");
  mkdirSync(join(directory, "spool"), { mode: 0o700 });
});
afterAll(() => rmSync(directory, { recursive: true }));

test.skipIf(!isRoot).each([
  ["sces", "status"],
  ["sces", "stop"],
  ["sces", "reload"],
  ["sces-queue", "list"],
  ["sces-queue", "hold", "ALL"],
])("%s %s by another user says that it has no right, and nothing else", async (command, ...args) => {
  const done = await runCommand(join(ROOT, "bin", command), [...args, "-c", join(directory, "etc")], {
    cwd: "/",
    uid: NOBODY,
    gid: NOBODY,
  });
  expect(done).toEqual({
    code: EX_NOPERM,
    stdout: "",
    stderr: expect.stringMatching(
      /: no right to enter .*spool \(run it as root or as the user of the mail system\)\n$/,
    ),
  });
});
