/** Mail to commands. Root runs them as another user; so the tests may not be able to look into what they write. */
import { chmodSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { runCommand } from "../../src/process/pipe/run-command.ts";
import { type Instance, instance } from "../harness/instance.ts";
import { isAlive } from "../harness/process-table.ts";
import { plainMessage, sendMail } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";

async function* pieces(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}

function folder(): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "sces-pipe-")));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function run(script: string, { timeoutMs = 20_000, input = pieces("hello\n") } = {}) {
  return runCommand({ args: ["/bin/sh", "-c", script], user: undefined, timeoutMs, input });
}

describe("a command", () => {
  test("gets the message, has a directory and an environment of no use to it, and says something", async () => {
    const ended = await run("cat; pwd; env | cut -d= -f1 | sort | tr '\\n' ' '; echo no >&2; exit 67");
    expect(ended).toMatchObject({ kind: "exit", status: 67 });
    const said = "output" in ended ? ended.output.toString() : "";
    expect(said).toMatch(/^hello\n\/\n/);
    expect(said).toContain("no\n");
    expect(said).not.toMatch(/HOME|NODE|VITEST/);
  });

  test("need not read it, and may say more than anybody wants to hear", async () => {
    const ended = await run("exec <&-; yes x | head -c 1000000; exit 0", { input: pieces("x".repeat(1_000_000), "y") });
    expect(ended).toMatchObject({ kind: "exit", status: 0 });
    expect("output" in ended && ended.output.length).toBe(4096);
  });

  test("that is late is killed with all that it has started", async () => {
    const file = join(folder(), "pid");
    const ended = await run(`sleep 1000 & echo $! > ${file}; wait`, { timeoutMs: 2000 });
    expect(ended.kind).toBe("timeout");
    const pid = Number(readFileSync(file, "utf8"));
    await until("its child to end", () => !isAlive(pid));
  });

  test("that leaves something behind in the background is over when it has ended", async () => {
    const file = join(folder(), "pid");
    expect(await run(`sleep 1000 & echo $! > ${file}; exit 75`)).toMatchObject({ kind: "exit", status: 75 });
    process.kill(Number(readFileSync(file, "utf8")), "SIGKILL");
  });

  test("that is killed, or does not exist, is told apart", async () => {
    expect(await run("kill -9 $$")).toMatchObject({ kind: "signal", signal: "SIGKILL" });
    const options = { user: undefined, timeoutMs: 1000, input: pieces("x") };
    expect(await runCommand({ ...options, args: ["/no/such"] })).toEqual({ kind: "unstarted", why: "ENOENT" });
    expect(await runCommand({ ...options, args: ["/bin/true", "a\0b"] })).toMatchObject({ kind: "unstarted" });
  });

  test("never sees the end of a message that cannot be read to its end", async () => {
    const file = join(folder(), "seen");
    const error = new Error("the checksum is wrong");
    async function* broken(): AsyncGenerator<Buffer> {
      yield Buffer.from("half");
      throw error;
    }
    expect(await run(`cat > /dev/null && touch ${file}`, { input: broken() })).toEqual({ kind: "unreadable", error });
    expect(() => readFileSync(file)).toThrow("ENOENT");
  });
});

describe("with a transport on pipe", () => {
  let directory: string;
  let sces: Instance;

  beforeAll(async () => {
    directory = realpathSync(mkdtempSync(join(tmpdir(), "sces-pipe-")));
    chmodSync(directory, 0o777);
    const script = join(directory, "store");
    writeFileSync(
      script,
      `#!/bin/sh
case "$3" in
  nobody@*) echo "no such user here"; exit 67;;
  later@*) exit 75;;
esac
{ echo "uid $(id -u)"; for each in "$@"; do echo "<$each>"; done; cat; } > ${directory}/$4.part
mv ${directory}/$4.part ${directory}/$4
`,
    );
    chmodSync(script, 0o755);
    sces = await instance({
      mydestination: "here.test",
      recipient_delimiter: "+",
      transports: "store:pipe",
      local_transport: "store",
      store_command: `${script} -- {a b} \${recipient} \${user} \${extension}`,
      store_user: process.getuid?.() === 0 ? "nobody" : "",
      store_flags: "RD",
    });
  });

  afterAll(async () => {
    await sces?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  const send = async (to: readonly string[], fields: readonly string[] = []) => {
    const content = plainMessage("x", "Hello.\r\n", fields);
    return (await sendMail(sces.smtpPort, { from: "s@sender.test", to: [...to], content })).id;
  };
  const line = (id: string, rest: string) => sces.waitForLog(new RegExp(`sces/pipe\\[\\d+\\]: ${id}: ${rest}`));

  test("each recipient has a command of its own, which runs as the user that was named", async () => {
    const id = await send(["bob+x@here.test", "`id`@here.test"]);
    await line(id, "to=<bob\\+x@here.test>, relay=store, .*dsn=2.0.0, status=sent \\(delivered via store service\\)");
    await line(id, "to=<`id`@here.test>, relay=store, .*status=sent");
    const [uid, ...rest] = readFileSync(join(directory, "bob"), "utf8").split("\n");
    if (process.getuid?.() === 0) expect(uid).not.toBe("uid 0");
    expect(rest.slice(0, 7)).toEqual([
      "<-->",
      "<a b>",
      "<bob+x@here.test>",
      "<bob>",
      "<x>",
      "Return-Path: <s@sender.test>",
      "Delivered-To: bob+x@here.test",
    ]);
    await sces.waitForLog(new RegExp(`${id}: removed`));
  });

  test("its exit status decides", async () => {
    const id = await send(["nobody@here.test", "later@here.test"]);
    await line(id, "to=<nobody@.*dsn=5.1.1, status=bounced \\(user unknown. Command output: no such user here\\)");
    await line(id, "to=<later@.*dsn=4.3.0, status=deferred \\(temporary failure\\)");
  });

  test("a message that was delivered there before goes in circles", async () => {
    const id = await send(["loop@here.test"], ["Delivered-To: Loop@here.test"]);
    await line(id, "to=<loop@.*dsn=5.4.6, status=bounced \\(mail forwarding loop for loop@here.test\\)");
  });
});
