/** A spool of its own for one test file: the process works in it, as every process of sces does. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chdir, cwd } from "node:process";
import { afterEach, beforeEach } from "vitest";
import { makeLayout } from "../../src/spool/layout.ts";

/** Before each test a new spool, after it none; returns nothing, for paths are relative. */
export function useSpool(): void {
  let before = "";
  let spool = "";
  beforeEach(() => {
    before = cwd();
    spool = mkdtempSync(join(tmpdir(), "sces-spool-"));
    chdir(spool);
    makeLayout();
  });
  afterEach(() => {
    chdir(before);
    rmSync(spool, { recursive: true, force: true });
  });
}
