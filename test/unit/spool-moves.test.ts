import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { linkSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { checkLayout } from "../../src/spool/layout.ts";
import { lockSpool } from "../../src/spool/lock.ts";
import { addSecondName, MOVES, moveMessage, removeSecondName } from "../../src/spool/moves.ts";
import { quarantine, readReason } from "../../src/spool/quarantine.ts";
import { OWNERS, parseName, queuePath } from "../../src/spool/queues.ts";
import { isQueueEmpty, listQueue, Scan } from "../../src/spool/scan.ts";
import { sweepTemps, tempName } from "../../src/spool/temp.ts";
import { useSpool } from "../harness/spool.ts";

useSpool();

const ID = "4jXCKj2RJyz7k";

test("every legal move is made by the owner of the directory that it leaves", () => {
  for (const move of MOVES) expect(OWNERS[move.from], `${move.from} to ${move.to}`).toBe(move.by);
});

test.each(MOVES)("moves $from to $to by one rename, and says when there is nothing to move", ({ from, to }) => {
  writeFileSync(`${from}/${ID}`, "x");
  expect(moveMessage(ID, from, to)).toBe(true);
  expect(readdirSync(to)).toEqual([ID]);
  expect(moveMessage(ID, from, to)).toBe(false);
});

test("a move onto a name that is in use is refused, and both stay", () => {
  writeFileSync(`active/${ID}`, "one");
  writeFileSync(`deferred/${ID}`, "two");
  expect(() => moveMessage(ID, "active", "deferred")).toThrow(/exists already/);
  expect(readdirSync("active")).toEqual([ID]);
});

test("a move that the table does not know cannot be made", () => {
  expect(() => moveMessage(ID, "bounce", "active")).toThrow(/no legal move/);
});

test("second names have generations, and go alone", () => {
  writeFileSync(`active/${ID}`, "x");
  expect(addSecondName(ID, "active", "bounce")).toBe(1);
  expect(addSecondName(ID, "active", "bounce")).toBe(2);
  expect(removeSecondName(ID, "bounce", 1)).toBe(true);
  expect(removeSecondName(ID, "bounce", 1)).toBe(false);
  expect(readdirSync("bounce")).toEqual([`${ID}.2`]);
  expect(readdirSync("active")).toEqual([ID]);
});

test.each(["../x", "..", "", "a/b", `${ID}\0`, `${ID}/..`])("no path is made of %j", (text) => {
  expect(() => queuePath("active", text)).toThrow(/not a queue id/);
});

test("names are messages, second names, or nothing of ours", () => {
  expect(parseName(ID)).toEqual({ id: ID, generation: 0 });
  expect(parseName(`${ID}.12`)).toEqual({ id: ID, generation: 12 });
  for (const name of [`${ID}.0`, `${ID}.`, `${ID}.1.2`, ".tmp.1.2.3", "x.eml", `${ID}.ndr`])
    expect(parseName(name)).toBeUndefined();
});

test("a listing finds every message and passes over the rest", async () => {
  for (let count = 0; count < 2500; count += 1)
    writeFileSync(`deferred/4jXCKj${String(count).padStart(4, "0")}z7k`, "");
  writeFileSync("deferred/.private", "");
  writeFileSync("deferred/foreign.eml", "");
  const seen = new Set<string>();
  for await (const { id } of listQueue("deferred")) seen.add(id);
  expect(seen.size).toBe(2500);
  const scan = new Scan("deferred");
  expect(scan.next(10).length).toBe(10);
  scan.close();
  expect(isQueueEmpty("deferred")).toBe(false);
  expect(isQueueEmpty("hold")).toBe(true);
});

test("temp files are swept only when their process is gone", async () => {
  const mine = tempName();
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  const other = `.tmp.${child.pid}.1.1`; // a process of that pid, but not that one
  for (const name of [mine, other, ".tmp.4194304.5.1", ".tmp.x", ID]) writeFileSync(`incoming/${name}`, "");
  expect(sweepTemps("incoming")).toBe(2);
  expect(readdirSync("incoming").sort()).toEqual([mine, ".tmp.x", ID].sort());
  child.kill("SIGKILL");
  await once(child, "exit");
});

test("quarantine keeps the file whole, with its reason, under a name of its own", () => {
  writeFileSync(`active/${ID}`, "x");
  writeFileSync("drop/..weird name\u202e.eml", "y");
  expect(quarantine("active", ID, "qmgr", "because\n")).toBe(ID);
  expect(readReason(ID)).toMatchObject({ by: "qmgr", from: "active", name: ID, reason: "because\\x0a" });
  const name = quarantine("drop", Buffer.from("..weird name\u202e.eml"), "pickup", "no header") ?? "";
  expect(name).toMatch(/^f\d+\.\d+\.\d+\.[A-Za-z0-9._-]+$/);
  expect(quarantine("active", ID, "qmgr", "again")).toBeUndefined();
  expect(readdirSync("corrupt").sort()).toEqual([ID, `${ID}.reason`, name, `${name}.reason`].sort());
});

test("quarantine takes fifos, links and directories without opening them", () => {
  execFileSync("mkfifo", ["drop/a.eml"]);
  symlinkSync("/etc/shadow", "drop/b.eml");
  mkdirSync("drop/c.eml");
  for (const name of ["a.eml", "b.eml", "c.eml"])
    expect(quarantine("drop", name, "pickup", "not a file")).toBeDefined();
  expect(readdirSync("drop").filter((name) => !name.startsWith("."))).toEqual([]);
});

test("the lock is held by one, and freed by its end", () => {
  const lock = lockSpool();
  const other = `import { lockSpool } from ${JSON.stringify(`${import.meta.dirname}/../../src/spool/lock.ts`)}; try { lockSpool(); console.log("got it") } catch (error) { console.log(error.code) }`;
  const ask = () =>
    execFileSync(process.execPath, [
      "--disable-warning=ExperimentalWarning",
      "--input-type=module-typescript",
      "-e",
      other,
    ])
      .toString()
      .trim();
  expect(ask()).toBe("SPOOL_LOCKED");
  lock.release();
  expect(ask()).toBe("got it");
  expect(() => lockSpool().release()).not.toThrow();
});

test("a layout with a link or an open mode is found, and modes are narrowed", () => {
  rmSync("hold", { recursive: true });
  symlinkSync("active", "hold");
  mkdirSync("x");
  execFileSync("chmod", ["755", "active"]);
  expect(checkLayout(false)).toEqual([
    expect.stringMatching(/active has mode 0755/),
    expect.stringMatching(/hold is no directory/),
  ]);
  expect(checkLayout(true)).toEqual([expect.stringMatching(/hold is no directory/)]);
  execFileSync("chmod", ["1730", "drop"]);
  expect(checkLayout(false)).toHaveLength(1);
});

test("a hard link is no way to overwrite a message by a move", () => {
  writeFileSync(`active/${ID}`, "x");
  linkSync(`active/${ID}`, `bounce/${ID}`);
  expect(() => moveMessage(ID, "active", "bounce")).toThrow(/exists already/);
});

test("a drop/ that is shared by too many is narrowed to its group, not closed", () => {
  execFileSync("chmod", ["1733", "drop"]);
  expect(checkLayout(true)).toEqual([]);
  expect((statSync("drop").mode & 0o7777).toString(8)).toBe("1730");
});
