import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Link } from "../../src/ipc/link.ts";
import { type Command, type Message, PROTOCOL_VERSION, type Reply } from "../../src/ipc/messages.ts";
import { serve } from "../../src/ipc/server.ts";
import { Asker } from "../../src/service/ask.ts";

const before = process.cwd();
let directory: string;
let server: Server | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sces-ask-"));
  process.chdir(directory);
  mkdirSync("run");
});
afterEach(() => {
  server?.close();
  server = undefined;
  process.chdir(before);
  rmSync(directory, { recursive: true, force: true });
});

const COMMAND = { verb: "hold", targets: [{ id: "4jXCKj2RJyz7k", queue: "deferred" }] } as const;

function replyTo(command: Command, more: Partial<Reply> = {}): Reply {
  return { type: "reply", request: command.request, affected: [], later: [], missing: [], ...more };
}

async function qmgr(onCommand: (link: Link, command: Command) => void): Promise<void> {
  server = await serve({
    path: "run/qmgr.sock",
    hello: { type: "hello", version: PROTOCOL_VERSION, name: "qmgr", pid: process.pid },
    beforeFlush: () => {},
    events: {
      onMessage: (link, message: Message) => {
        if (message.type === "command") onCommand(link, message);
      },
    },
  });
}

describe("asking a process", () => {
  test("each question gets its own answer", async () => {
    const waiting: [Link, Command][] = [];
    await qmgr((link, command) => {
      waiting.push([link, command]);
      if (waiting.length < 2) return;
      for (const [to, asked] of waiting.reverse())
        to.send(replyTo(asked, { affected: asked.targets.map(({ id }) => id) }));
    });
    const asker = await Asker.open("qmgr", { timeoutMs: 5000 });
    const [hold, flush] = await Promise.all([asker.ask(COMMAND), asker.ask({ verb: "flush", targets: [] })]);
    asker.close();
    expect(hold.affected).toEqual(["4jXCKj2RJyz7k"]);
    expect(flush.affected).toEqual([]);
  });

  test("hears what becomes of messages, also before the answer", async () => {
    await qmgr((link, command) => {
      link.send({ type: "concluded", request: command.request, id: "4jXCKj2RJyz7k", fate: "sent", text: "250 Ok" });
      link.send(replyTo(command));
    });
    const heard: string[] = [];
    const asker = await Asker.open("qmgr", {
      timeoutMs: 5000,
      onConcluded: ({ id, fate }) => heard.push(`${id} ${fate}`),
    });
    await asker.ask(COMMAND);
    asker.close();
    expect(heard).toEqual(["4jXCKj2RJyz7k sent"]);
  });

  test("where nobody listens the system is not running", async () => {
    await expect(Asker.open("qmgr", { timeoutMs: 5000 })).rejects.toMatchObject({ code: "NOT_RUNNING" });
  });

  test("one who does not greet is never asked", async () => {
    const heard: string[] = [];
    server = createServer((socket) => socket.on("data", (data) => heard.push(data.toString())));
    await new Promise<void>((resolve) => server?.listen("run/qmgr.sock", resolve));
    await expect(Asker.open("qmgr", { timeoutMs: 50 })).rejects.toMatchObject({ code: "NO_ANSWER" });
    expect(heard.join("")).not.toContain('"type":"command"');
  });

  test("an answer that does not come is waited for no longer than it was said", async () => {
    await qmgr(() => {});
    const asker = await Asker.open("qmgr", { timeoutMs: 50 });
    await expect(asker.ask(COMMAND)).rejects.toMatchObject({ code: "NO_ANSWER", message: /has not answered/ });
    asker.close();
  });

  test("a process that goes away leaves no question open", async () => {
    await qmgr((link) => link.close());
    let isGone = false;
    const asker = await Asker.open("qmgr", {
      timeoutMs: 5000,
      onGone: () => {
        isGone = true;
      },
    });
    await expect(asker.ask(COMMAND)).rejects.toMatchObject({ code: "NO_ANSWER", message: /ended the connection/ });
    expect(isGone).toBe(true);
    await expect(asker.ask(COMMAND)).rejects.toMatchObject({ code: "NO_ANSWER" });
  });
});
