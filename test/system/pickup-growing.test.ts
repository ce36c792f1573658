import {
  appendFileSync,
  closeSync,
  openSync,
  renameSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { describe, expect, test } from "vitest";
import { messages, Picking, partsOf, quarantined } from "../harness/picking.ts";
import { useSpool } from "../harness/spool.ts";
import { pause, until } from "../harness/until.ts";

useSpool();

const HEADER = "From: a@one.test\nTo: b@two.test\n\n";
const STABLE_MS = 400;
const SETTINGS = { drop_stable_time: `${STABLE_MS}ms` };

/** Parts of a file written with pauses that are shorter than drop_stable_time. */
async function writeSlowly(path: string, parts: readonly string[]): Promise<void> {
  const fd = openSync(path, "w");
  for (const part of parts) {
    writeSync(fd, part);
    await pause(STABLE_MS / 2);
  }
  closeSync(fd);
}

describe("a dropped file", () => {
  test("that is copied in slowly is taken whole", async () => {
    await using picking = new Picking(SETTINGS);
    const parts = [HEADER, ...Array.from({ length: 8 }, (_, index) => `line ${index}\n`)];
    await writeSlowly("drop/a.eml", [
      "From: a@one",
      ".test\nTo: b@two.test\n",
      ...parts.slice(1, 1),
      "\n",
      ...parts.slice(1),
    ]);
    expect(messages()).toEqual([]);
    await picking.emptied();
    expect(partsOf(messages()[0]?.text ?? "").body).toBe(parts.slice(1).join("").replaceAll("\n", "\r\n"));
    expect(quarantined()).toEqual([]);
  });

  test("of another kind is not judged before it is complete", async () => {
    await using picking = new Picking(SETTINGS);
    writeFileSync("drop/upload.part", HEADER);
    await pause(STABLE_MS / 2);
    appendFileSync("drop/upload.part", "Hi\n");
    renameSync("drop/upload.part", "drop/upload.eml");
    await picking.emptied();
    expect(messages().length).toBe(1);
    expect(quarantined()).toEqual([]);
  });

  test("that was written long ago and is renamed is taken at once", async () => {
    await using picking = new Picking({ drop_stable_time: "1h" });
    writeFileSync("drop/.aside", `${HEADER}Hi\n`);
    const anHourAgo = Date.now() / 1000 - 3601;
    utimesSync("drop/.aside", anHourAgo, anHourAgo);
    renameSync("drop/.aside", "drop/a.eml");
    await picking.emptied();
    expect(messages().length).toBe(1);
  });

  test("that comes with a time in the future is taken when it is complete", async () => {
    writeFileSync("drop/a.eml", `${HEADER}Hi\n`);
    utimesSync("drop/a.eml", 4e9, 4e9);
    await using picking = new Picking(SETTINGS);
    await picking.emptied();
    expect(messages().length).toBe(1);
  });

  test("[G5] that is cut short before it is taken becomes the shorter message", async () => {
    await using picking = new Picking(SETTINGS);
    writeFileSync("drop/a.eml", `${HEADER}one\ntwo\n`);
    await pause(STABLE_MS / 2);
    truncateSync("drop/a.eml", HEADER.length + 4);
    await picking.emptied();
    expect(messages().map(({ text }) => partsOf(text).body)).toEqual(["one\r\n"]);
  });

  test("that is removed before it is taken is none", async () => {
    await using picking = new Picking(SETTINGS);
    writeFileSync("drop/a.eml", HEADER);
    await pause(STABLE_MS / 2);
    renameSync("drop/a.eml", "elsewhere");
    await pause(STABLE_MS);
    expect(messages()).toEqual([]);
    expect(picking.log.lines).toEqual([]);
  });

  test("[G5] that is replaced again and again is taken once for each content that was complete, never half", async () => {
    // Large, so that reading takes its time.
    await using picking = new Picking({ drop_stable_time: "0", spool_memory_limit: "4096", message_size_limit: "0" });
    const contents = Array.from({ length: 30 }, (_, index) => `${HEADER}${String(index).repeat(400_000)}\n`);
    for (const content of contents) {
      writeFileSync("drop/.aside", content);
      renameSync("drop/.aside", "drop/a.eml");
      await pause(Math.random() * 20);
    }
    await picking.emptied();
    const bodies = contents.map((content) => `${content.slice(HEADER.length, -1)}\r\n`);
    const taken = messages().map(({ text }) => bodies.indexOf(partsOf(text).body));
    expect(taken).not.toContain(-1);
    expect(new Set(taken).size).toBe(taken.length);
    expect(taken).toContain(contents.length - 1);
    expect(quarantined()).toEqual([]);
  });

  test("[G5] that grows while it is read is taken when it has stopped", async () => {
    await using picking = new Picking({ ...SETTINGS, spool_memory_limit: "4096", message_size_limit: "0" });
    writeFileSync("drop/a.eml", HEADER);
    for (let index = 0; index < 10; index += 1) {
      appendFileSync("drop/a.eml", `${"x".repeat(300_000)}\n`);
      await pause(STABLE_MS / 4);
    }
    const { size } = statSync("drop/a.eml");
    await picking.emptied();
    expect(messages().map(({ text }) => partsOf(text).body.length)).toEqual([size - HEADER.length + 10]);
  });

  // The watch may miss one (that is why there is a scan), but not most of them.
  test("is noticed long before the scan, as a rule", async () => {
    await using picking = new Picking({ drop_scan_interval: "5s" });
    let noticed = 0;
    await until("the watch", () => picking.pickup);
    for (let index = 0; index < 5; index += 1) {
      const before = performance.now();
      writeFileSync(`drop/.aside`, `${HEADER}Hi\n`);
      renameSync("drop/.aside", `drop/a${index}.eml`);
      await picking.emptied();
      if (performance.now() - before < 2000) noticed += 1;
    }
    expect(messages().length).toBe(5);
    expect(noticed).toBeGreaterThanOrEqual(4);
  });
});
