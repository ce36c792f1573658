import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { describe, expect, test } from "vitest";
import { memoryLog } from "../../src/base/log.ts";
import { testConfig } from "../../src/config/load.ts";
import { Herald } from "../../src/process/corrupt/herald.ts";
import { Kept } from "../../src/process/corrupt/kept.ts";
import { readQueueFile } from "../../src/spool/file.ts";
import { Intake } from "../../src/spool/intake.ts";
import { quarantine } from "../../src/spool/quarantine.ts";
import { messages, names, partsOf } from "../harness/picking.ts";
import { useSpool } from "../harness/spool.ts";
import { spooled } from "../harness/spooled.ts";

useSpool();

const HOUR_MS = 3_600_000;
const MESSAGE = "From: a@one.test\nTo: b@two.test\n\nHi\n";

function owner(settings: Readonly<Record<string, string>> = {}) {
  const config = testConfig({ corrupt_retention_time: "0", ...settings });
  const log = memoryLog();
  const state = { now: Date.now(), appeared: [] as string[], dropped: 0, accepted: [] as string[] };
  const kept = new Kept({
    log,
    now: () => state.now,
    present: (time) => time,
    retentionMs: () => config.corrupt_retention_time,
    appeared: (ids) => state.appeared.push(...ids),
    dropped: () => (state.dropped += 1),
  });
  const herald = new Herald({
    log,
    intake: new Intake(),
    now: () => state.now,
    config: () => config,
    pace: { quietMs: 1000, patienceMs: 10_000, intervalMs: HOUR_MS },
    accepted: (envelope) => state.accepted.push(envelope.id),
  });
  return { kept, herald, state, lines: log.lines };
}

/** A dropped file in quarantine; its name there. */
function refused(name: string, text = MESSAGE): string {
  writeFileSync(`drop/${name}`, text);
  return quarantine("drop", name, "pickup", "a test") ?? "";
}

const objects = () => names("corrupt").filter((name) => !name.endsWith(".reason"));
const reasons = () => names("corrupt").filter((name) => name.endsWith(".reason"));

describe("a queue file in quarantine", () => {
  test.each(["release", "requeue"] as const)("goes back to incoming/ by %s if it can be read", async (verb) => {
    const id = await spooled("corrupt");
    appendFileSync(`corrupt/${id}`, '\n{"kind":"attempt","torn');
    const { kept, state, lines } = owner();
    expect(await kept.execute(verb, id)).toBe(true);
    expect(readQueueFile(`incoming/${id}`).records).toEqual([{ kind: verb, time: state.now }]);
    expect(names("corrupt")).toEqual([]);
    expect(state.appeared).toEqual([id]);
    expect(lines).toEqual([`${id}: recovered from quarantine`]);
    expect(await kept.execute(verb, id)).toBe(false);
  });

  test.each<[string, (path: string) => void]>([
    ["its first line", (path) => writeFileSync(path, `X${readFileSync(path, "latin1").slice(1)}`, "latin1")],
    ["its envelope", (path) => writeFileSync(path, readFileSync(path, "latin1").replace("two", "too"), "latin1")],
    ["its content", (path) => writeFileSync(path, readFileSync(path, "latin1").replace("Hi", "Ho"), "latin1")],
    ["its end", (path) => truncateSync(path, statSync(path).size - 3)],
    ["everything", (path) => writeFileSync(path, "")],
    ["its kind", (path) => execFileSync("sh", ["-c", `rm ${path} && mkfifo ${path}`])],
    ["its kind, to a link", (path) => execFileSync("sh", ["-c", `mv ${path} x && ln -s ../x ${path}`])],
  ])("stays, and the log says why, as long as %s is damaged", async (_what, damage) => {
    const id = await spooled("corrupt");
    damage(`corrupt/${id}`);
    const { kept, lines } = owner();
    expect(await kept.execute("release", id)).toBe(false);
    expect(lines).toEqual([expect.stringMatching(`^warning: ${id}: cannot be recovered: .`)]);
    expect(objects()).toEqual([id]);
  });

  test("under the name of another one stays", async () => {
    const [id, other] = [await spooled("corrupt"), await spooled("incoming")];
    execFileSync("cp", [`incoming/${other}`, `corrupt/${id}`]);
    const { kept } = owner();
    expect(await kept.execute("release", id)).toBe(false);
    expect(objects()).toEqual([id]);
  });

  test("is deleted with its reason", async () => {
    const id = await spooled("corrupt");
    const { kept, lines } = owner();
    expect(await kept.execute("delete", id)).toBe(true);
    expect(names("corrupt")).toEqual([]);
    expect(lines).toEqual([`${id}: removed`]);
    expect(await kept.execute("delete", id)).toBe(false);
  });

  test.each(["hold", "expire", "flush"] as const)("is not to be had by %s", async (verb) => {
    const id = await spooled("corrupt");
    expect(await owner().kept.execute(verb, id)).toBe(false);
    expect(objects()).toEqual([id]);
  });
});

describe("another file in quarantine", () => {
  test("goes back to drop/ under its name, or under its name here if that is taken", async () => {
    const first = refused("a.eml");
    const second = refused("a.eml");
    const { kept, state, lines } = owner();
    expect(await kept.execute("release", first)).toBe(true);
    expect(await kept.execute("requeue", second)).toBe(true);
    expect(names("drop")).toEqual(["a.eml", second]);
    expect(names("corrupt")).toEqual([]);
    expect(state.dropped).toBe(2);
    expect(lines[0]).toBe(`${first}: recovered from quarantine as drop/a.eml`);
  });

  test("keeps its extension however long its name is", async () => {
    const name = refused(`${"x".repeat(250)}.json`);
    expect(name).toMatch(/x\.json$/);
    expect(await owner().kept.execute("release", name)).toBe(true);
  });

  test("stays if it would not be taken: links, FIFOs, directories, other names", async () => {
    symlinkSync("/etc/passwd", "drop/a.eml");
    execFileSync("mkfifo", ["drop/b.eml"]);
    mkdirSync("drop/c.eml");
    const strange = ["a.eml", "b.eml", "c.eml"].map((name) => quarantine("drop", name, "pickup", "x") ?? "");
    strange.push(refused("a.txt"), refused(".eml"));
    const { kept, lines } = owner();
    for (const name of strange) expect(await kept.execute("release", name)).toBe(false);
    expect(lines.length).toBe(strange.length);
    expect(objects().length).toBe(strange.length);
    for (const name of strange) expect(await kept.execute("delete", name)).toBe(true);
    expect(names("corrupt")).toEqual([]);
    expect(readFileSync("/etc/passwd").length).toBeGreaterThan(0);
  });

  test("is not reached by a name that is not ours", async () => {
    writeFileSync("outside", "x");
    const name = refused("a.eml");
    const { kept } = owner();
    for (const wrong of ["../outside", "", ".", "..", `${name}/../../outside`, "outside", `../corrupt/${name}`]) {
      for (const verb of ["release", "delete"] as const) expect(await kept.execute(verb, wrong)).toBe(false);
    }
    expect(objects()).toEqual([name]);
  });
});

describe("the quarantine", () => {
  test("removes what is older than corrupt_retention_time, whatever it is", async () => {
    mkdirSync("drop/d.eml/deep", { recursive: true });
    const old = [await spooled("corrupt"), refused("a.eml"), quarantine("drop", "d.eml", "pickup", "x") ?? ""];
    const { kept, state, lines } = owner({ corrupt_retention_time: "1h" });
    state.now += HOUR_MS - 1000;
    await kept.sweep();
    expect(objects().length).toBe(3);
    const young = refused("b.eml");
    utimesSync(`corrupt/${young}.reason`, state.now / 1000, state.now / 1000);
    state.now += 2000;
    await kept.sweep();
    expect(objects()).toEqual([young]);
    expect(reasons()).toEqual([`${young}.reason`]);
    expect(lines.sort()).toEqual(
      old.map((name) => `${name}: removed from quarantine after corrupt_retention_time`).sort(),
    );
  });

  test("does not walk through a directory of somebody else's, who may be changing it", async (context) => {
    if (process.getuid?.() !== 0) return context.skip();
    mkdirSync("drop/full.eml/inside", { recursive: true });
    mkdirSync("drop/empty.eml");
    execFileSync("chown", ["nobody", "drop/full.eml", "drop/empty.eml"]);
    const full = quarantine("drop", "full.eml", "pickup", "x") ?? "";
    quarantine("drop", "empty.eml", "pickup", "x");
    const { kept, state, lines } = owner({ corrupt_retention_time: "1h" });
    state.now += 2 * HOUR_MS;
    await kept.sweep();
    await kept.sweep();
    expect(objects()).toEqual([full]);
    expect(lines.filter((line) => line.startsWith("warning: ")).length).toBe(1);
    await expect(kept.execute("delete", full)).rejects.toThrow(/ENOTEMPTY/);
  });

  test("sweeps reasons without objects, but not one that was just written", async () => {
    const id = await spooled("corrupt");
    writeFileSync("corrupt/f1.2.3.x.reason", "{}");
    const { kept, state } = owner();
    await kept.sweep();
    expect(reasons().length).toBe(2);
    state.now += 120_000;
    await kept.sweep();
    expect(names("corrupt")).toEqual([id, `${id}.reason`]);
  });

  test("sweeps what a killed process began to write", async () => {
    writeFileSync("corrupt/.tmp.1.1.1", "");
    await owner().kept.sweep();
    expect(readdirSync("corrupt")).toEqual([]);
  });

  test("gives a reason to what came without one", async () => {
    writeFileSync("corrupt/f1.2.3.x", "");
    const { kept } = owner();
    await kept.sweep();
    expect(reasons()).toEqual(["f1.2.3.x.reason"]);
    expect((await kept.sweep()).map(({ name }) => name)).toEqual(["f1.2.3.x"]);
  });
});

describe("the postmaster", () => {
  test("is told in one mail of many, when no more come, and not again soon", async () => {
    const id = await spooled("corrupt");
    const files = Array.from({ length: 60 }, (_, index) => refused(`file${index}.eml`));
    const { kept, herald, state } = owner();
    const wait = await herald.tell(await kept.sweep());
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(1000);
    expect(messages()).toEqual([]);

    state.now += wait + 1;
    await herald.tell(await kept.sweep());
    const [notice] = messages();
    expect(state.accepted).toEqual([notice?.envelope.id]);
    expect(notice?.envelope).toMatchObject({
      sender: "",
      origin: "corrupt",
      recipients: [{ address: "postmaster@mail.sces.test" }],
      subject: "Postmaster notice: 61 files in quarantine on mail.sces.test",
    });
    const { header, body } = partsOf(notice?.text ?? "");
    expect(header).toContain("Auto-Submitted: auto-generated\r\n");
    expect(body).toContain(`${id}\r\n    incoming/${id}: a test\r\n`);
    expect(body).toContain(`${files[0]}\r\n    drop/file0.eml: a test\r\n`);
    expect(body).toContain("... and 11 more.\r\n");
    for (const line of body.split("\r\n")) expect(line.length).toBeLessThan(300);

    refused("later.eml");
    state.now += 60_000;
    expect(await herald.tell(await kept.sweep())).toBeGreaterThan(HOUR_MS - 120_000);
    expect(messages().length).toBe(1);
    state.now += HOUR_MS;
    const news = await kept.sweep();
    expect(news.length).toBe(1);
    await herald.tell(news);
    expect(messages().length).toBe(2);
    expect(await kept.sweep()).toEqual([]);
  });

  test("does not wait for ever while more keep coming", async () => {
    refused("a.eml");
    const { kept, herald, state } = owner();
    state.now += 10_001;
    const name = refused("b.eml");
    utimesSync(`corrupt/${name}.reason`, state.now / 1000, state.now / 1000);
    await herald.tell(await kept.sweep());
    expect(messages().length).toBe(1);
  });

  test("is told nothing that could be mistaken for something else", async () => {
    writeFileSync("drop/x", MESSAGE);
    quarantine("drop", Buffer.from("x"), "pickup", "a\r\nBcc: c@x.test\r\n\r\n.\r\n\u202e");
    const { kept, herald, state } = owner();
    state.now += 20_000;
    await herald.tell(await kept.sweep());
    expect(messages()[0]?.text).not.toMatch(/^(Bcc|\.)/m);
    expect(messages()[0]?.text).not.toContain("\u202e");
  });

  test.each([{ notify_classes: "resource, bounce" }, { notify_classes: "" }, { error_notice_recipient: "a b" }])(
    "is told nothing with %o",
    async (settings) => {
      await spooled("corrupt");
      const { kept, herald, state } = owner(settings);
      state.now += HOUR_MS;
      expect(await herald.tell(await kept.sweep())).toBe(Number.POSITIVE_INFINITY);
      expect(messages()).toEqual([]);
    },
  );
});
