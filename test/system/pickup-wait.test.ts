/** When nothing can be taken, dropped files wait; when there are very many or very large ones, all are taken. */
import { spawnSync } from "node:child_process";
import { closeSync, openSync, rmSync, symlinkSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { openContent, readQueueFile } from "../../src/spool/file.ts";
import { makeLayout } from "../../src/spool/layout.ts";
import { messages, names, Picking } from "../harness/picking.ts";
import { useSpool } from "../harness/spool.ts";
import { pause, until } from "../harness/until.ts";

useSpool();

const HEADER = "From: a@one.test\nTo: b@two.test\n\n";

describe("dropped files wait", () => {
  test("while incoming is too far behind, and one line says so", async () => {
    await using picking = new Picking();
    picking.flow = { type: "flow", delayMs: 0, stop: true };
    writeFileSync("drop/a.eml", `${HEADER}Hi\n`);
    await until("the warning", () => picking.log.lines.length > 0);
    await pause(300);
    expect(names("drop")).toEqual(["a.eml"]);
    expect(picking.log.lines).toEqual(["warning: dropped files wait: incoming is too far behind"]);
    picking.flow = { type: "flow", delayMs: 0, stop: false };
    await picking.emptied();
    await until("the end", () => picking.log.lines.at(-1) === "dropped files are taken again");
    expect(messages().length).toBe(1);
  });

  test("while there is less free space than queue_minfree", async () => {
    await using picking = new Picking({ queue_minfree: "1024g" });
    writeFileSync("drop/a.eml", `${HEADER}Hi\n`);
    await until("the warning", () => picking.log.lines.length > 0);
    expect(picking.log.lines).toEqual(["warning: dropped files wait: not enough free space in the spool"]);
    expect(names("drop")).toEqual(["a.eml"]);
    expect(names("incoming")).toEqual([]);
  });

  test("while the disk is full, leave nothing half written, and go on when there is room", async (context) => {
    const disk = join(process.cwd(), "disk");
    if (process.getuid?.() !== 0) return context.skip();
    spawnSync("mkdir", [disk]);
    if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=2m", "none", disk]).status !== 0) return context.skip();
    const before = process.cwd();
    process.chdir(disk);
    try {
      makeLayout();
      for (let index = 0; index < 5; index += 1)
        writeFileSync(`drop/${index}.eml`, `${HEADER}${"x".repeat(100_000)}\n`);
      const filler = openSync("filler", "w");
      try {
        for (;;) writeSync(filler, Buffer.alloc(4096));
      } catch {
        closeSync(filler); // full
      }
      await using picking = new Picking({ spool_memory_limit: "64k", queue_minfree_inodes: "0" });
      await until("the warning", () => picking.log.lines.length > 0);
      expect(picking.log.lines).toEqual(["warning: dropped files wait: not enough free space in the spool"]);
      expect(names("drop").length).toBe(5);
      expect(names("incoming")).toEqual([]);
      rmSync("filler");
      await picking.emptied();
      expect(messages().length).toBe(5);
    } finally {
      process.chdir(before);
      spawnSync("umount", ["-l", disk]);
    }
  });
});

describe("pickup", () => {
  test("takes two thousand files that come at once, good and bad, each once", { timeout: 60_000 }, async () => {
    await using picking = new Picking({ drop_scan_interval: "1h", drop_stable_time: "100ms" });
    for (let index = 0; index < 2000; index += 1) {
      if (index % 40 === 0) symlinkSync("x", `drop/link${index}.eml`);
      else writeFileSync(`drop/${index}.eml`, `${HEADER}number ${index}\n`);
      if (index % 100 === 0) await pause(1);
    }
    await picking.emptied(50_000);
    const numbers = messages().map(({ text }) => /number (\d+)/.exec(text)?.[1]);
    expect(numbers.length).toBe(1950);
    expect(new Set(numbers).size).toBe(1950);
    expect(names("corrupt").filter((name) => !name.endsWith(".reason")).length).toBe(50);
    expect(picking.accepted.length).toBe(1950);
  });

  test("takes a file of 100 MB in little memory", { timeout: 60_000 }, async () => {
    const child = fileURLToPath(new URL("../harness/pickup-until-empty.ts", import.meta.url));
    const settings = { message_size_limit: "0", drop_size_limit: "0" };
    const run = () => {
      const args = [child, process.cwd(), JSON.stringify(settings)];
      const { stdout, stderr } = spawnSync(process.execPath, args, { env: { ...process.env, NODE_OPTIONS: "" } });
      expect(stderr.toString()).toBe("");
      return (JSON.parse(stdout.toString()) as { rssMb: number }).rssMb;
    };
    writeFileSync("drop/small.eml", `${HEADER}Hi\n`);
    const idleMb = run();
    const [small] = names("incoming");
    const line = `${"0123456789".repeat(7)}\n`;
    const lines = Math.ceil(100_000_000 / line.length);
    writeFileSync("drop/large.eml", HEADER + line.repeat(lines));
    const largeMb = run();
    const large = names("incoming").find((id) => id !== small) ?? "";
    const { length } = readQueueFile(`incoming/${large}`);
    expect(length).toBeGreaterThan(lines * (line.length + 1));
    let read = 0;
    const content = openContent(`incoming/${large}`, 0);
    for await (const chunk of content.chunks()) read += chunk.length; // and its checksum is right
    content.close();
    expect(read).toBe(length);
    expect(largeMb - idleMb).toBeLessThan(20);
  });
});
