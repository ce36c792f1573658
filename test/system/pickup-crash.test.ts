/** Drop once: whatever call is the last, each dropped file becomes one message. */
import { spawnSync } from "node:child_process";
import { lstatSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { memoryLog } from "../../src/base/log.ts";
import { DropOnce } from "../../src/process/pickup/drop-once.ts";
import { DroppedFile } from "../../src/process/pickup/dropped-file.ts";
import { Intake } from "../../src/spool/intake.ts";
import { makeLayout } from "../../src/spool/layout.ts";
import { sealedPath, takenPath } from "../../src/spool/taken.ts";
import { messages, names, Picking, partsOf, quarantined } from "../harness/picking.ts";
import { useSpool } from "../harness/spool.ts";

useSpool();

const HEADER = "From: a@one.test\nTo: b@two.test\n\n";
const LARGE = "x".repeat(1_500_000); // more than is read at once, so that it streams
const SETTINGS = { spool_memory_limit: "100k" };
const hasStrace = spawnSync("strace", ["-V"]).status === 0;

function dropThree(): void {
  writeFileSync("drop/small.eml", `${HEADER}small\n`);
  writeFileSync("drop/large.eml", `${HEADER}${LARGE}\n`);
  writeFileSync("drop/other.json", JSON.stringify({ recipient: "b@two.test", mime: `${HEADER}json\n` }));
}

/** Runs pickup, and kills it when it makes that call for the nth time. Returns whether it was killed. */
function runUntil(call: string, nth: number): boolean {
  const child = fileURLToPath(new URL("../harness/pickup-until-empty.ts", import.meta.url));
  const inject = ["-e", `trace=${call}`, "-e", `inject=${call}:signal=KILL:when=${nth}`];
  const args = [
    "-f",
    "-qq",
    "-o",
    "/dev/null",
    ...inject,
    process.execPath,
    child,
    process.cwd(),
    JSON.stringify(SETTINGS),
  ];
  // One thread for the disk, so that the calls come in one order and strace, which counts by thread, counts them all.
  const { signal, status } = spawnSync("strace", args, {
    env: { ...process.env, UV_THREADPOOL_SIZE: "1", NODE_OPTIONS: "" },
  });
  return signal === "SIGKILL" || status === 137;
}

async function recover(): Promise<void> {
  await using picking = new Picking(SETTINGS);
  await picking.emptied();
}

const bodies = () =>
  messages()
    .map(({ text }) => partsOf(text).body.trim())
    .sort();

describe.skipIf(!hasStrace)("killed at any", () => {
  test.each(["rename", "fsync", "unlink", "writev", "pwrite64"])(
    "%s, pickup makes one message of each file in the end",
    { timeout: 120_000 },
    async (call) => {
      const spool = process.cwd();
      let killed = 0;
      for (let nth = 1; nth <= 60; nth += 1) {
        const part = join(spool, `run${nth}`);
        spawnSync("mkdir", [part]);
        process.chdir(part);
        makeLayout();
        dropThree();
        const wasKilled = runUntil(call, nth);
        if (wasKilled) killed += 1;
        // Nothing that is half a message is ever to be seen.
        for (const body of bodies()) expect(["small", "json", LARGE]).toContain(body);
        await recover();
        expect({ nth, bodies: bodies(), quarantined: quarantined() }).toEqual({
          nth,
          bodies: ["json", "small", LARGE],
          quarantined: [],
        });
        if (!wasKilled) break;
      }
      process.chdir(spool);
      expect(killed).toBeGreaterThanOrEqual(2);
    },
  );
});

describe("after an interruption", () => {
  /** A file as it is when pickup has read it and sealed the queue file. */
  async function sealed(): Promise<{ id: string; inode: number }> {
    const inode = lstatSync("drop/a.eml").ino;
    const entry = new Intake().open();
    const draft = { sender: "a@one.test", recipients: [{ address: "b@two.test" }], origin: "pickup" as const };
    await entry.seal(draft, [Buffer.from("From: a@one.test\r\n\r\nHi\r\n")], sealedPath(entry.id, inode));
    return { id: entry.id, inode };
  }

  test("a queue file whose dropped file is still in place is made anew", async () => {
    writeFileSync("drop/a.eml", `${HEADER}Hi\n`);
    const { id } = await sealed();
    await recover();
    expect(messages().map(({ envelope }) => envelope.id)).not.toContain(id);
    expect(messages().length).toBe(1);
  });

  test("a queue file whose dropped file was taken is published", async () => {
    writeFileSync("drop/a.eml", `${HEADER}Hi\n`);
    const { id } = await sealed();
    renameSync("drop/a.eml", takenPath(id));
    await using picking = new Picking();
    await picking.emptied();
    expect(messages().map(({ envelope }) => envelope.id)).toEqual([id]);
    expect(picking.accepted).toEqual([id]);
    expect(picking.log.lines).toEqual([`${id}: uid=${process.getuid?.()} from=<a@one.test>`]);
  });

  test("a taken file whose message was published is removed", async () => {
    writeFileSync("drop/a.eml", `${HEADER}Hi\n`);
    const { id, inode } = await sealed();
    renameSync("drop/a.eml", takenPath(id));
    renameSync(sealedPath(id, inode), `incoming/${id}`);
    await recover();
    expect(messages().map(({ envelope }) => envelope.id)).toEqual([id]);
  });

  test("a file that was put in place of the one that was read is kept, unread, in quarantine", async () => {
    writeFileSync("drop/a.eml", `${HEADER}first\n`);
    const { id } = await sealed();
    writeFileSync("drop/.aside", `${HEADER}second\n`);
    renameSync("drop/.aside", takenPath(id));
    renameSync("drop/a.eml", "gone");
    await recover();
    expect(messages()).toEqual([]);
    expect(quarantined()).toMatchObject([{ was: id, reason: expect.stringContaining("was not read") }]);
    expect(names("corrupt")).toContain(id);
  });

  test("a queue file that the disk has damaged does not take its dropped file with it", async () => {
    writeFileSync("drop/a.eml", `${HEADER}Hi\n`);
    const { id, inode } = await sealed();
    renameSync("drop/a.eml", takenPath(id));
    writeFileSync(sealedPath(id, inode), "SCES1 nonsense");
    await recover();
    expect(messages()).toEqual([]);
    expect(quarantined().length).toBe(1);
  });
});

describe("a file that is replaced while it is read", () => {
  test("leaves the message unmade and the new file in drop/", async () => {
    writeFileSync("drop/a.eml", `${HEADER}first\n`);
    const stat = lstatSync("drop/a.eml");
    const file = DroppedFile.open(Buffer.from("drop/a.eml"), stat) as DroppedFile;
    const intake = new Intake();
    const entry = intake.open();
    const once = new DropOnce(intake, memoryLog(), () => {});
    const isTaken = await once.take("a.eml", file, entry, async (sealedAs) => {
      const draft = { sender: "", recipients: [{ address: "b@two.test" }], origin: "pickup" as const };
      const envelope = await entry.seal(draft, [Buffer.from("x: y\r\n\r\n")], sealedAs);
      writeFileSync("drop/.aside", `${HEADER}second\n`);
      renameSync("drop/a.eml", "first"); // still there, so that its inode is not given to another file
      renameSync("drop/.aside", "drop/a.eml");
      return envelope;
    });
    file.close();
    expect(isTaken).toBe(false);
    expect(readdirSync("drop/.taken")).toEqual([]);
    expect(names("drop").length).toBe(1);
    expect(names("incoming")).toEqual([]);
    await recover();
    expect(bodies()).toEqual(["second"]);
  });
});
