import { appendFileSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { EnvelopeDraft } from "../../src/mail/envelope.ts";
import type { JournalRecord } from "../../src/mail/journal.ts";
import { openContent, readContentStart, readQueueFile } from "../../src/spool/file.ts";
import { Intake } from "../../src/spool/intake.ts";
import { appendRecords, appendSynced, setDue } from "../../src/spool/journal.ts";
import { useSpool } from "../harness/spool.ts";

useSpool();

const draft: EnvelopeDraft = {
  sender: "alice@example.org",
  recipients: [{ address: "bob@example.net" }],
  origin: "smtpd",
};
const hold: JournalRecord = { kind: "hold", time: 5, reason: 'quoted "x"\n' };

async function message(content = "Subject: x\r\n\r\nbody\r\n"): Promise<{ id: string; path: string }> {
  const entry = new Intake().open();
  await entry.commit(draft, [Buffer.from(content)]);
  return { id: entry.id, path: `incoming/${entry.id}` };
}

test("a message is read back as it was written, and nothing else is left", async () => {
  const { id, path } = await message();
  const file = readQueueFile(path);
  expect(file.envelope).toMatchObject({ id, ...draft });
  expect(file.records).toEqual([]);
  expect(openContent(path, 1024).bytes?.toString()).toBe("Subject: x\r\n\r\nbody\r\n");
  expect(readContentStart(path, 7).toString()).toBe("Subject");
  expect(readdirSync("incoming")).toEqual([id]);
});

test("a streamed message is the same file as one in one piece", async () => {
  const entry = new Intake().open();
  entry.begin(draft);
  await entry.write(Buffer.from("Subject: x\r\n"));
  await entry.write(Buffer.from("\r\nbody\r\n"));
  await entry.finish();
  const whole = await message();
  const normal = (id: string) => readFileSync(`incoming/${id}`, "utf8").split("\n").slice(2).join("\n");
  expect(normal(entry.id)).toBe(normal(whole.id));
  expect(readQueueFile(`incoming/${entry.id}`).length).toBe(20);
});

test("content longer than the limit comes in pieces, verified at its end", async () => {
  const { path } = await message("x".repeat(100_000));
  const content = openContent(path, 1000);
  expect(content.bytes).toBeUndefined();
  let length = 0;
  for await (const chunk of content.chunks(4096)) length += chunk.length;
  content.close();
  expect(length).toBe(100_000);
});

test("an aborted entry leaves nothing, at any stage", async () => {
  const intake = new Intake();
  intake.open().abort();
  const begun = intake.open();
  begun.begin(draft);
  await begun.write(Buffer.from("x"));
  begun.abort();
  const sealed = intake.open();
  await sealed.seal(draft, [Buffer.from("x")]);
  sealed.abort();
  expect(readdirSync("incoming")).toEqual([]);
});

test("a sealed entry has its private name until it is published", async () => {
  const entry = new Intake().open();
  await entry.seal(draft, [Buffer.from("x")], "bounce/X.ndr");
  expect(readdirSync("incoming")).toEqual([]);
  expect(readdirSync("bounce")).toEqual(["X.ndr"]);
  await entry.publish();
  expect(readdirSync("bounce")).toEqual([]);
  expect(readQueueFile(`incoming/${entry.id}`).envelope.id).toBe(entry.id);
});

test("a thousand entries at once have a thousand ids, and are all there", async () => {
  const intake = new Intake();
  const ids = await Promise.all(
    Array.from({ length: 1000 }, async () => {
      const entry = intake.open();
      await entry.commit(draft, [Buffer.from("x")]);
      return entry.id;
    }),
  );
  expect(new Set(ids).size).toBe(1000);
  expect(readdirSync("incoming").sort()).toEqual(ids.sort());
});

test("records are appended and read in order, synced or not", async () => {
  const { path } = await message();
  appendRecords(path, [hold]);
  await appendSynced(path, [
    { kind: "release", time: 6 },
    { kind: "expire", time: 7 },
  ]);
  setDue(path, 86_400_000);
  const file = readQueueFile(path);
  expect(file.records).toEqual([hold, { kind: "release", time: 6 }, { kind: "expire", time: 7 }]);
  expect(file.mtimeMs).toBe(86_400_000);
});

test("a torn or damaged record is passed over, and what follows it is read", async () => {
  const { path } = await message();
  appendRecords(path, [hold]);
  const torn = readFileSync(path, "utf8").trimEnd().slice(-40, -20);
  appendFileSync(path, `\n{"kind":"expire","time":1${torn}`);
  appendFileSync(path, '\n{"kind":"expire","time":1,"crc":"00000000"}\n');
  appendRecords(path, [{ kind: "release", time: 6 }]);
  const file = readQueueFile(path);
  expect(file.records).toEqual([hold, { kind: "release", time: 6 }]);
  expect(file.unreadable).toBe(2);
});

test("a file cut at any length, or with any byte of its head changed, is damaged and never misread", async () => {
  const { path } = await message();
  const good = readFileSync(path);
  const { offset, length } = readQueueFile(path);
  for (let cut = 0; cut < offset + length; cut += 1) {
    writeFileSync("active/cut", good.subarray(0, cut));
    expect(() => readQueueFile("active/cut"), `cut at ${cut}`).toThrow(
      expect.objectContaining({ code: "FILE_DAMAGED" }),
    );
  }
  for (let at = 0; at < offset + length; at += 1) {
    const bad = Buffer.from(good);
    bad[at] = (bad[at] ?? 0) ^ 0x01;
    writeFileSync("active/flip", bad);
    const read = () => {
      readQueueFile("active/flip");
      return openContent("active/flip", 1024).bytes;
    };
    expect(read, `flipped at ${at}`).toThrow(expect.objectContaining({ code: "FILE_DAMAGED" }));
  }
});

test("links and missing files are told apart from damage", async () => {
  expect(() => readQueueFile("active/none")).toThrow(expect.objectContaining({ code: "FILE_GONE" }));
  symlinkSync("/etc/passwd", "active/link");
  expect(() => readQueueFile("active/link")).toThrow(expect.objectContaining({ code: "FILE_DAMAGED" }));
});

test("a record for a file that has gone says so", async () => {
  await expect(appendSynced("active/none", [hold])).rejects.toMatchObject({ code: "FILE_GONE" });
});
