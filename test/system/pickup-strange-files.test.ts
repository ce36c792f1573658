import { execFileSync } from "node:child_process";
import {
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { messages, Picking, quarantined } from "../harness/picking.ts";
import { useSpool } from "../harness/spool.ts";
import { until } from "../harness/until.ts";

useSpool();

const MESSAGE = "From: a@one.test\nTo: b@two.test\n\nHi\n";

async function takeAll(settings: Readonly<Record<string, string>> = {}): Promise<Picking> {
  await using picking = new Picking(settings);
  await picking.emptied();
  return picking;
}

describe("in drop/", () => {
  test("[G3] FIFOs, sockets, directories and devices go to corrupt/ unopened, and hold nothing up", async () => {
    for (let index = 0; index < 8; index += 1) execFileSync("mkfifo", [`drop/fifo${index}.eml`]);
    mkdirSync("drop/directory.eml");
    writeFileSync("drop/directory.eml/inside.eml", MESSAGE);
    const server = createServer().listen("drop/socket.json");
    await new Promise((resolve) => server.once("listening", resolve));
    if (process.getuid?.() === 0) execFileSync("mknod", ["drop/device.eml", "c", "1", "3"]);
    writeFileSync("drop/good.eml", MESSAGE);
    const before = performance.now();
    await takeAll();
    expect(performance.now() - before).toBeLessThan(5000);
    server.close();

    expect(messages().length).toBe(1);
    const kept = Object.fromEntries(quarantined().map(({ name, was, reason }) => [was, { name, reason }]));
    expect(kept["fifo0.eml"]?.reason).toBe("is a FIFO");
    expect(kept["socket.json"]?.reason).toBe("is a socket");
    expect(kept["directory.eml"]?.reason).toBe("is a directory");
    if (process.getuid?.() === 0) expect(kept["device.eml"]?.reason).toBe("is a device");
    expect(lstatSync(`corrupt/${kept["fifo7.eml"]?.name}`).isFIFO()).toBe(true);
    expect(readFileSync(`corrupt/${kept["directory.eml"]?.name}/inside.eml`, "utf8")).toBe(MESSAGE);
  });

  test("[G1 G2] no link is followed: the link goes to corrupt/, its target stays as it was", async () => {
    writeFileSync("secret", MESSAGE);
    const { atimeMs } = statSync("secret");
    execFileSync("mkfifo", ["fifo"]);
    symlinkSync(`${process.cwd()}/secret`, "drop/secret.eml");
    symlinkSync("../fifo", "drop/fifo.json");
    symlinkSync("..", "drop/parent.eml");
    symlinkSync("nowhere", "drop/dangling.eml");
    symlinkSync("loop.eml", "drop/loop.eml");
    writeFileSync("drop/x.eml", MESSAGE);
    symlinkSync("x.eml/y", "drop/through-a-file"); // made watchers deaf
    await takeAll();
    expect(messages().length).toBe(1);
    expect(
      quarantined()
        .map(({ reason }) => reason)
        .sort(),
    ).toEqual([...Array(5).fill("is a symbolic link"), "is neither .eml nor .json: only these are taken"]);
    expect(quarantined().every(({ name }) => lstatSync(`corrupt/${name}`).isSymbolicLink())).toBe(true);
    expect(statSync("secret").atimeMs).toBe(atimeMs);
  });

  test("[G4] hard links are refused: they could be anybody's file", async () => {
    writeFileSync("secret", MESSAGE);
    linkSync("secret", "drop/a.eml");
    writeFileSync("drop/b.eml", MESSAGE);
    linkSync("drop/b.eml", "drop/c.eml");
    await takeAll();
    expect(messages()).toEqual([]);
    expect(
      quarantined()
        .map(({ was, reason }) => `${was} ${reason}`)
        .sort(),
    ).toEqual([
      "a.eml is a hard link (the file has 2 names)",
      "b.eml is a hard link (the file has 2 names)",
      "c.eml is a hard link (the file has 2 names)",
    ]);
    expect(readFileSync("secret", "utf8")).toBe(MESSAGE);
  });

  test("a file that is written under another name, linked and unlinked is taken, not refused in between", async () => {
    await using picking = new Picking({ drop_stable_time: "300ms" });
    writeFileSync("drop/.aside", MESSAGE);
    execFileSync("touch", ["-d", "1 hour ago", "drop/.aside"]);
    linkSync("drop/.aside", "drop/a.eml");
    await until("a look at the two names", () => picking.pickup !== undefined && statSync("drop/a.eml").nlink === 2);
    execFileSync("rm", ["drop/.aside"]);
    await picking.emptied();
    expect(messages().length).toBe(1);
    expect(quarantined()).toEqual([]);
  });

  test("[G6 G12] any bytes may be a name", async () => {
    const names = [
      Buffer.from([0xff, 0xfe, ...Buffer.from(".eml")]),
      Buffer.from("a\nb: x\x1b]0;y\x07.eml"),
      Buffer.from("-rf.eml"),
      Buffer.from("$(touch x).json.eml"),
      Buffer.from("ä\u202e\u2603.EML"),
      Buffer.from(`${"x".repeat(251)}.eml`),
      Buffer.from("a..eml"),
    ];
    for (const name of names) writeFileSync(Buffer.concat([Buffer.from("drop/"), name]), MESSAGE);
    const bad = [Buffer.from([0xff, 0xfe]), Buffer.from(`${"y".repeat(250)}.jpeg`), Buffer.from("a\nwarning: b")];
    for (const name of bad) writeFileSync(Buffer.concat([Buffer.from("drop/"), name]), "x");
    writeFileSync("drop/..eml", MESSAGE); // begins with a dot: private
    const { log } = await takeAll();
    expect(messages().length).toBe(names.length);
    expect(
      quarantined()
        .map(({ was }) => was)
        .sort(),
    ).toEqual(["\\xff\\xfe", "a\\x0awarning: b", `${"y".repeat(250)}.jpeg`].sort());
    for (const { name } of quarantined()) expect(name).toMatch(/^f\d+\.\d+\.\d+\.[A-Za-z0-9._-]+$/);
    expect(log.lines.every((line) => !/[\p{Cc}\u2028\u2029\u202e]/u.test(line))).toBe(true);
  });

  test("[G6] private names and *.tmp are left alone", async () => {
    for (const name of [".a.eml", "a.eml.tmp", "b.TMP", ".tmp.1.2.3"]) writeFileSync(`drop/${name}`, MESSAGE);
    writeFileSync("drop/last.eml", MESSAGE);
    await using picking = new Picking();
    await until("the message", () => messages().length === 1);
    await until("a second look", () => picking.accepted.length === 1);
    expect(readdirSync("drop").sort()).toEqual([".a.eml", ".taken", ".tmp.1.2.3", "a.eml.tmp", "b.TMP"]);
    expect(quarantined()).toEqual([]);
  });

  test("a file that the mail system may not read goes to corrupt/", async (context) => {
    if (process.getuid?.() !== 0) return context.skip();
    // root may read anything: as somebody else.
    writeFileSync("drop/a.eml", MESSAGE, { mode: 0o000 });
    execFileSync("chown", ["-R", "nobody", "."]);
    execFileSync("chown", ["root", "drop/a.eml"]);
    execFileSync("chmod", ["711", "."]);
    process.seteuid?.("nobody");
    try {
      await takeAll();
    } finally {
      process.seteuid?.(0);
    }
    expect(quarantined()).toMatchObject([{ was: "a.eml", reason: "cannot be read by the mail system (EACCES)" }]);
  });

  test("what cannot even be moved stays, is told of once, and holds nothing up", async (context) => {
    if (process.getuid?.() !== 0) return context.skip();
    mkdirSync("drop/mount.eml");
    execFileSync("mount", ["-t", "tmpfs", "none", "drop/mount.eml"]);
    try {
      await using picking = new Picking();
      writeFileSync("drop/a.eml", MESSAGE);
      await until("the message", () => messages().length === 1);
      writeFileSync("drop/b.eml", MESSAGE);
      await until("the other message", () => messages().length === 2);
      expect(picking.log.lines.filter((line) => line.includes("mount.eml"))).toEqual([
        expect.stringMatching(/^warning: drop\/mount.eml stays where it is: .*EBUSY/),
      ]);
    } finally {
      execFileSync("umount", ["drop/mount.eml"]);
    }
  });
});
