import { linkSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Intake } from "../../src/spool/intake.ts";
import { appendRecords } from "../../src/spool/journal.ts";
import { moveMessage } from "../../src/spool/moves.ts";
import { readMessage } from "../../src/spool/file.ts";
import { SpentFiles, SpentSource } from "../../src/spool/spent.ts";
import { useSpool } from "../harness/spool.ts";
import { until } from "../harness/until.ts";

useSpool();

const DRAFT = { sender: "a@b.test", recipients: [{ address: "c@d.test" }], origin: "smtpd" } as const;
/** So often a door has to ask before it looks into free/. */
const ASKED = 64;

async function accept(intake: Intake, content: string): Promise<string> {
  const { id } = await intake.open().commit(DRAFT, [Buffer.from(content)]);
  return id;
}

/** Accepts messages and finishes them, until the door writes over files of finished ones. Their ids. */
async function recycling(intake: Intake, spent: SpentFiles, content: string): Promise<string[]> {
  const ids: string[] = [];
  for (let count = 0; count < ASKED; count += 1) {
    const id = await accept(intake, content);
    moveMessage(id, "incoming", "active");
    spent.retire(id, content.length);
    ids.push(id);
  }
  return ids;
}

const inodes = () => new Set(readdirSync("free").map((name) => statSync(`free/${name}`).ino));

/** Opens entries until one is a file that was spent; the others are given up. */
async function recycled(intake: Intake) {
  const spent = inodes();
  let entry = intake.open();
  await until("a spent file", async () => {
    if (spent.has(statSync(`incoming/${readdirSync("incoming")[0]}`).ino)) return true;
    entry.abort();
    entry = intake.open();
    return false;
  });
  return entry;
}

test("a new message is written over the file of a finished one, and nothing of the old one is left", async () => {
  const intake = new Intake();
  const spent = new SpentFiles(1000);
  const long = `Subject: old\r\n\r\n${"remains".repeat(700)}\r\n`;
  const [first = ""] = await recycling(intake, spent, long);
  appendRecords(`free/${first}`, [{ kind: "hold", time: 1, reason: "of the old one" }]);
  const entry = await recycled(intake);
  const { id } = await entry.commit(DRAFT, [Buffer.from("Subject: new\r\n\r\n")]);
  const file = readMessage("incoming", id);
  expect(file.records).toEqual([]);
  expect(file.unreadable).toBe(0);
  expect(readFileSync(`incoming/${id}`, "latin1")).not.toContain("remains");
  expect(statSync(`incoming/${id}`).size).toBe(file.offset + file.length);
});

test("a message that streams in over an old one keeps nothing of it either", async () => {
  const intake = new Intake();
  await recycling(intake, new SpentFiles(1000), `Subject: old\r\n\r\n${"remains".repeat(700)}\r\n`);
  const entry = await recycled(intake);
  entry.begin(DRAFT);
  await entry.write(Buffer.from("Subject: new\r\n\r\n"));
  await entry.finish();
  expect(readMessage("incoming", entry.id).unreadable).toBe(0);
  expect(readFileSync(`incoming/${entry.id}`, "latin1")).not.toContain("remains");
});

test("a file with a second name is never written over", async () => {
  const source = new SpentSource(async () => {});
  for (let count = 0; count < 5; count += 1) {
    writeFileSync(`free/4jXCKj2RJyz7${count}`, "returned");
    linkSync(`free/4jXCKj2RJyz7${count}`, `bounce/4jXCKj2RJyz7${count}.1`);
  }
  for (let count = 0; count < ASKED; count += 1) expect(source.take("incoming/.tmp.1.1.1")).toBeUndefined();
  await until("the look", () => {
    expect(source.take("incoming/.tmp.1.1.1")).toBeUndefined();
    return readdirSync("free").length === 0;
  });
  expect(readdirSync("incoming")).toEqual([]);
  for (const name of readdirSync("bounce")) expect(readFileSync(`bounce/${name}`, "latin1")).toBe("returned");
});

test("nothing is written over before its old names are gone for good", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let syncs = 0;
  const source = new SpentSource(() => {
    syncs += 1;
    return promise;
  });
  writeFileSync("free/4jXCKj2RJyz7k", "old");
  for (let count = 0; count < 3 * ASKED; count += 1) expect(source.take("incoming/.tmp.1.1.1")).toBeUndefined();
  expect(syncs).toBe(1);
  writeFileSync("free/4jXCKj2RJyz7l", "came later"); // behind the sync: for the next look
  resolve();
  await promise;
  await until("a file", () => source.take("incoming/.tmp.1.1.1") !== undefined);
  expect(readdirSync("free")).toEqual(["4jXCKj2RJyz7l"]);
});

test("links and foreign names in free/ are left alone, and lead nowhere", async () => {
  const source = new SpentSource(async () => {});
  writeFileSync("drop/precious", "precious");
  symlinkSync("../drop/precious", "free/4jXCKj2RJyz7k");
  writeFileSync("free/README", "of somebody's");
  for (let count = 0; count < ASKED; count += 1) expect(source.take("incoming/.tmp.1.1.1")).toBeUndefined();
  await until("the look", () => {
    expect(source.take("incoming/.tmp.1.1.1")).toBeUndefined();
    return !readdirSync("free").includes("4jXCKj2RJyz7k");
  });
  expect(readdirSync("incoming")).toEqual([]);
  expect(readFileSync("drop/precious", "latin1")).toBe("precious");
  new SpentFiles(10).clear();
  expect(readdirSync("free")).toEqual(["README"]);
});

test("no more files are kept than the limit, and none at 0; long ones are removed", async () => {
  const spent = new SpentFiles(2);
  for (let count = 0; count < 4; count += 1) {
    writeFileSync(`active/4jXCKj2RJyz7${count}`, "x");
    expect(spent.retire(`4jXCKj2RJyz7${count}`, 1)).toBe(true);
  }
  expect(spent.retire("4jXCKj2RJyz7k", 1)).toBe(false);
  expect(readdirSync("active")).toEqual([]);
  expect(readdirSync("free")).toHaveLength(2);
  const none = new SpentFiles(0);
  writeFileSync("active/4jXCKj2RJyz7x", "x");
  expect(none.retire("4jXCKj2RJyz7x", 1)).toBe(true);
  none.tend();
  expect(readdirSync("free")).toEqual([]);
  const large = new SpentFiles(10);
  writeFileSync("active/4jXCKj2RJyz7y", "x");
  expect(large.retire("4jXCKj2RJyz7y", 10_000_000)).toBe(true);
  expect(readdirSync("free")).toEqual([]);
});
