import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { run } from "../../src/command/sendmail/run.ts";
import { sweepTemps } from "../../src/spool/temp.ts";
import { type Finished, ROOT, runCommand } from "../harness/instance.ts";
import { type Ran, TempSpool } from "../harness/temp-spool.ts";

let spool: TempSpool | undefined;
afterEach(() => {
  spool?.[Symbol.dispose]();
  spool = undefined;
});

function make(settings: Readonly<Record<string, string>> = {}): TempSpool {
  spool = new TempSpool({ myorigin: "origin.test", ...settings });
  return spool;
}

function send(input: string | Buffer, ...args: string[]): Promise<Ran> {
  if (spool === undefined) make();
  return (spool as TempSpool).run(run, args, input);
}

function dropped(): string[] {
  return readdirSync(join((spool as TempSpool).spool, "drop")).filter((name) => name !== ".taken");
}

/** The one file in drop/. */
function only(): string {
  const names = dropped();
  expect(names).toHaveLength(1);
  expect(names[0]).toMatch(/^[^.].*\.eml$/);
  return readFileSync(join((spool as TempSpool).spool, "drop", names[0] ?? ""), "utf8");
}

const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;

/** The command itself, as somebody who is not root. */
function sendAsNobody(input: string, ...args: string[]): Promise<Finished> {
  const { directory, configDir } = spool as TempSpool;
  chmodSync(directory, 0o755);
  return runCommand(join(ROOT, "bin/sces-sendmail"), args, {
    cwd: "/",
    env: { PATH: process.env["PATH"], SCES_CONFIG_DIRECTORY: configDir },
    input,
    ...(isRoot ? { uid: NOBODY, gid: NOBODY } : {}),
  });
}

const MESSAGE = "From: a@b.test\nSubject: hi\n\nHello.\n";

describe("sces-sendmail", () => {
  test("writes the envelope before the message, as one file in drop", async () => {
    const { status, stdout, stderr } = await send(MESSAGE, "-f", "alice@x.test", "bob@y.test", "carol@z.test");
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(only()).toBe(`X-Sender: <alice@x.test>\nX-Receiver: <bob@y.test>\nX-Receiver: <carol@z.test>\n${MESSAGE}`);
  });

  test("sends as the user who calls, and completes bare names with $myorigin", async () => {
    expect((await send(MESSAGE, "bob")).status).toBe(0);
    expect(only()).toContain(`X-Sender: <${userInfo().username}@origin.test>\nX-Receiver: <bob@origin.test>\n`);
  });

  test("takes the null sender", async () => {
    expect((await send(MESSAGE, "-f", "<>", "bob@y.test")).status).toBe(0);
    expect(only()).toMatch(/^X-Sender: <>\n/);
  });

  test("takes recipients from the header with -t, Bcc too, each once", async () => {
    const input =
      'From: a@b.test\nTo: Bob <bob@y.test>, "C, D" <cd@y.test>\nCc: team: x@y.test, z@y.test;\nBcc: bob@y.test,\n secret@y.test\n\nx\n';
    expect((await send(input, "-t", "-oi", "-f", "a@b.test")).status).toBe(0);
    const receivers = [...only().matchAll(/^X-Receiver: <(.*)>$/gm)].map((match) => match[1]);
    expect(receivers).toEqual(["bob@y.test", "cd@y.test", "x@y.test", "z@y.test", "secret@y.test"]);
  });

  test("takes the Resent fields alone when the message is resent", async () => {
    const input = "Resent-From: c@b.test\nResent-To: new@y.test\nFrom: a@b.test\nTo: old@y.test\n\nx\n";
    expect((await send(input, "-t")).status).toBe(0);
    expect([...only().matchAll(/^X-Receiver: .*$/gm)].map(String)).toEqual(["X-Receiver: <new@y.test>"]);
  });

  test("adds recipients of the command line to those of the header", async () => {
    expect((await send("From: a@b.test\nTo: one@y.test\n\nx\n", "-t", "two@y.test")).status).toBe(0);
    expect(only()).toMatch(/X-Receiver: <two@y.test>\nX-Receiver: <one@y.test>\n/);
  });

  test("refuses what no mail can hold, and leaves nothing in drop", async () => {
    const { status, stderr } = await send(Buffer.from("Subject: x\n\na\0b\n"), "bob@y.test");
    expect({ status, stderr }).toEqual({
      status: 65,
      stderr: expect.stringMatching(/holds a NUL byte.*nothing was sent/),
    });
    expect(dropped()).toEqual([]);
  });

  test("a lone dot ends the message, whatever the line ends, and with -i does not", async () => {
    for (const end of ["\n", "\r\n"]) {
      make();
      await send(`From: a@b.test${end}${end}one${end}..${end}.x${end}.${end}two${end}`, "b@y.test");
      expect(only().endsWith(`one${end}..${end}.x${end}`)).toBe(true);
      spool?.[Symbol.dispose]();
    }
    make();
    await send("From: a@b.test\n\none\n.\ntwo\n", "-i", "b@y.test");
    expect(only().endsWith("one\n.\ntwo\n")).toBe(true);
  });

  test("makes a header for text that has none", async () => {
    await send("just text\n", "-F", "Alice Example", "-f", "alice@x.test", "b@y.test");
    expect(only()).toBe(
      "X-Sender: <alice@x.test>\nX-Receiver: <b@y.test>\nFrom: Alice Example <alice@x.test>\n\njust text\n",
    );
  });

  test("takes an empty message", async () => {
    expect((await send("", "-f", "a@x.test", "b@y.test")).status).toBe(0);
    expect(only()).toBe("X-Sender: <a@x.test>\nX-Receiver: <b@y.test>\nFrom: a@x.test\n\n");
  });

  test("passes over the postmark of a mailbox file", async () => {
    await send(`From alice Sun Nov 22 02:13:16 2026\n${MESSAGE}`, "-f", "a@x.test", "b@y.test");
    expect(only()).toBe(`X-Sender: <a@x.test>\nX-Receiver: <b@y.test>\n${MESSAGE}`);
  });

  test("[D8] the message cannot smuggle in recipients, a sender or wishes", async () => {
    const evil = "X-Receiver: evil@e.test\nX-Sender: forged@e.test\nx-mq-dsn-notify: NEVER\nx-mq-envelope: f@e.test\n";
    await send(evil + MESSAGE, "-f", "a@x.test", "b@y.test");
    expect(only()).toBe(`X-Sender: <a@x.test>\nX-Receiver: <b@y.test>\n${MESSAGE}`);
  });

  test("hands on what the sender wants to hear", async () => {
    await send(MESSAGE, "-N", "success,delay", "-R", "hdrs", "-V", "id=1", "-f", "a@x.test", "b@y.test");
    expect(only()).toContain("X-MQ-DSN-Notify: SUCCESS,DELAY\nX-MQ-DSN-Ret: HDRS\nX-MQ-DSN-Envid: id=1\n");
  });

  test.each([
    [["-f", "no address@x", "b@y.test"], 65],
    [["-f", "a@x.test", "b@@y.test"], 67],
    [["-f", "a@x.test", "good@y.test, bad@-.test"], 67],
    [["-t"], 65],
    [[], 64],
    [["-N", "never,delay", "b@y.test"], 64],
    [["-R", "some", "b@y.test"], 64],
    [["-V", "\u0001", "b@y.test"], 64],
    [["-Z", "b@y.test"], 64],
    [["-f"], 64],
    [["-bz"], 64],
    [["-bd"], 64],
    [["-bv", "b@y.test"], 69],
  ])("%j ends with status %i, says why and sends nothing", async (args, status) => {
    const ran = await send(MESSAGE, ...args);
    expect(ran.status).toBe(status);
    expect(ran.stderr).toMatch(/^\S+: .{10,}\n$/);
    expect(dropped()).toEqual([]);
  });

  test.each([
    ["-ti"],
    ["-oem", "-om"],
    ["-ep"],
    ["-B8BITMIME"],
    ["-h", "3"],
    ["-G", "-U", "-n"],
    ["-X/dev/null"],
    ["-odb"],
  ])("takes %j as other sendmails do", async (...flags) => {
    expect((await send("From: a@b.test\nTo: b@y.test\n\nx\n", ...flags, "-f", "a@b.test", "b@y.test")).status).toBe(0);
    expect(only()).toContain("X-Receiver: <b@y.test>\n");
  });

  test("-bi has nothing to do", async () => {
    expect((await send("", "-bi")).status).toBe(0);
  });

  test("refuses what is larger than message_size_limit, counted as it will be sent", async () => {
    make({ message_size_limit: "2k", drop_size_limit: "0" });
    const fits = `${MESSAGE}${"x\n".repeat(500)}`;
    expect((await send(fits, "-f", "a@x.test", "b@y.test")).status).toBe(0);
    const ran = await send(`${MESSAGE}${"x\n".repeat(680)}`, "-f", "a@x.test", "b@y.test");
    expect(ran.status).toBe(69);
    expect(ran.stderr).toContain("message_size_limit = 2048");
    expect(dropped()).toHaveLength(1);
  });

  test("what it writes counts as complete at once", async () => {
    make({ drop_stable_time: "60s" });
    await send(MESSAGE, "-f", "a@x.test", "b@y.test");
    const { mtimeMs, mode } = statSync(join((spool as TempSpool).spool, "drop", dropped()[0] ?? ""));
    expect(Date.now() - mtimeMs).toBeGreaterThan(60_000);
    expect(mode & 0o777).toBe(0o600);
  });

  test("without a spool it says so and ends with 69", async () => {
    make({ queue_directory: "/nowhere/spool" });
    const ran = await send(MESSAGE, "b@y.test");
    expect(ran.status).toBe(69);
    expect(ran.stderr).toContain("no spool at /nowhere/spool");
  });

  test("without the right to write to drop it says so and ends with 77", async () => {
    const drop = join(make().spool, "drop");
    chmodSync((spool as TempSpool).spool, 0o711);
    chmodSync(drop, 0o500);
    const ran = await sendAsNobody(MESSAGE, "-f", "a@x.test", "b@y.test");
    chmodSync(drop, 0o700);
    expect(ran.stderr).toContain("no right to write to");
    expect(ran.code).toBe(77);
    expect(dropped()).toEqual([]);
  });

  test.runIf(isRoot)("local senders need no more than a drop of mode 1730 and its group", async () => {
    const drop = join(make().spool, "drop");
    chmodSync((spool as TempSpool).spool, 0o711);
    chownSync(drop, 0, NOBODY);
    chmodSync(drop, 0o1730);
    const ran = await sendAsNobody(MESSAGE, "-v", "-f", "a@x.test", "b@y.test");
    expect(ran.stderr).toMatch(/handed in as .*\.eml/);
    expect(ran.code).toBe(0);
    expect(only()).toContain("X-Receiver: <b@y.test>\n");
  });

  test("what a killed sendmail leaves is swept once it is old, and nothing else is", () => {
    make();
    writeFileSync("drop/.tmp.999999.1.1", "x");
    writeFileSync("drop/.tmp.999999.1.2", "x");
    mkdirSync("drop/.tmp.999999.1.3");
    for (const number of [1, 3]) utimesSync(`drop/.tmp.999999.1.${number}`, 1000, 1000);
    expect(sweepTemps("drop", 3_600_000)).toBe(1);
    expect(dropped().sort()).toEqual([".tmp.999999.1.2", ".tmp.999999.1.3"]);
  });

  test("cuts of the input do not matter", async () => {
    const { readMessage } = await import("../../src/command/sendmail/input.ts");
    const input = "a: b\r\n\r\n.x\r\n..\r\n.\r\nrest";
    for (let cut = 0; cut <= input.length; cut++) {
      for (let next = cut; next <= Math.min(input.length, cut + 3); next++) {
        const pieces = [input.slice(0, cut), input.slice(cut, next), input.slice(next)];
        const read = readMessage(
          (async function* () {
            yield* pieces;
          })(),
          true,
        );
        let text = "";
        for await (const piece of read) text += piece.toString();
        expect(text).toBe("a: b\r\n\r\n.x\r\n..\r\n");
      }
    }
  });
});
