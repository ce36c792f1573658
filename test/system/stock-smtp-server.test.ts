/**
 * What smtp-server answers without our guards, for rows of hazards that it is known to get wrong. Where one of these
 * fails, the library has mended something: the guard named in test/bad-input/rows.ts may be more than is needed.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { SMTPServer } from "smtp-server";
import { expect, test } from "vitest";
import { type Dialogue, dialogue } from "../harness/smtp-dialogue.ts";
import { pause, until } from "../harness/until.ts";

interface Seen {
  readonly envelope: {
    readonly rcptTo: readonly { readonly address: string }[];
    readonly smtpUtf8?: boolean;
    readonly bodyType?: string;
  };
  readonly bytes: number;
}

/** A server as the library's documentation has it, and what its handlers saw. */
class Stock implements AsyncDisposable {
  readonly seen: Seen[] = [];
  readonly errors: Error[] = [];
  readonly server: SMTPServer;

  constructor(options: object = {}) {
    this.server = new SMTPServer({
      authOptional: true,
      disableReverseLookup: true,
      logger: false,
      onData: (stream: NodeJS.ReadableStream, session: unknown, callback: (error?: Error | null) => void) => {
        let bytes = 0;
        stream.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
        });
        stream.on("end", () => {
          this.seen.push({ envelope: structuredClone((session as Seen).envelope), bytes });
          callback();
        });
      },
      ...options,
    } as ConstructorParameters<typeof SMTPServer>[0]);
    this.server.on("error", (error: Error) => this.errors.push(error));
  }

  async open(): Promise<Dialogue> {
    if (!this.server.server.listening) {
      this.server.listen(0, "127.0.0.1");
      await once(this.server.server, "listening");
    }
    const client = await dialogue((this.server.server.address() as AddressInfo).port);
    await client.hello();
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}

async function toData(client: Dialogue, to = "<b@example.org>"): Promise<void> {
  await client.ask("MAIL FROM:<a@sender.test>", "250");
  await client.ask(`RCPT TO:${to}`, "250");
  await client.ask("DATA", "354");
}

test("[stock A13] a bare LF ends a command", async () => {
  await using stock = new Stock();
  await using client = await stock.open();
  await client.send("NOOP\nNOOP\n");
  await client.expect("250");
  await client.expect("250");
});

test("[stock B6] parameters of a refused MAIL are those of the next one", async () => {
  let isRefused = false;
  await using stock = new Stock({
    onMailFrom(_address: unknown, _session: unknown, callback: (error?: Error) => void) {
      callback(isRefused ? undefined : new Error("no"));
      isRefused = true;
    },
  });
  await using client = await stock.open();
  await client.ask("MAIL FROM:<a@sender.test> RET=FULL ENVID=x SMTPUTF8 BODY=8BITMIME", /^[45]/);
  await toData(client);
  await client.send(".\r\n");
  await client.expect("250");
  expect(stock.seen[0]?.envelope).toMatchObject({ smtpUtf8: true, bodyType: "8bitmime" });
});

test("[stock B10] passwords may be guessed without end", async () => {
  const onAuth = (_auth: unknown, _session: unknown, callback: (error: Error) => void) => callback(new Error("no"));
  await using stock = new Stock({ allowInsecureAuth: true, onAuth });
  await using client = await stock.open();
  for (let count = 0; count < 50; count++) await client.ask("AUTH PLAIN AGEAYg==", "535");
});

test("[stock B16] a reset within a message is an error of the server, which ends a process that does not listen", async () => {
  await using stock = new Stock();
  const client = await stock.open();
  await toData(client);
  await client.send("Subject: x\r\n");
  client.reset();
  await until("the error", () => stock.errors.length > 0);
  expect(stock.errors[0]).toMatchObject({ code: "ECONNRESET" });
});

test("[stock C1 C2 C6 C7 C10] every recipient will do", async () => {
  await using stock = new Stock();
  await using client = await stock.open();
  await client.ask("MAIL FROM:<a@sender.test>", "250");
  for (const path of [
    "<u%evil.com@example.org>",
    "<evil.com!u@example.org>",
    "<u@[127.0.0.1]>",
    "<u@127.0.0.1>",
    "<u@2130706433>",
    "<ü@example.org>",
  ]) {
    await client.ask(`RCPT TO:${path}`, "250");
  }
});

test("[stock C11] a byte that is no UTF-8 makes another address of it", async () => {
  await using stock = new Stock();
  await using client = await stock.open();
  await client.ask("MAIL FROM:<a@sender.test>", "250");
  await client.send(Buffer.from("RCPT TO:<a\xff@b.test>\r\nDATA\r\n", "latin1"));
  await client.expect("250");
  await client.expect("354");
  await client.send(".\r\n");
  await client.expect("250");
  expect(stock.seen[0]?.envelope.rcptTo[0]?.address).toBe("a\ufffd@b.test");
});

test("[stock C12] recipients that differ in case are one, the last", async () => {
  await using stock = new Stock();
  await using client = await stock.open();
  await client.ask("MAIL FROM:<a@sender.test>", "250");
  await client.ask("RCPT TO:<Bob@example.org> NOTIFY=NEVER", "250");
  await client.ask("RCPT TO:<bob@example.org> NOTIFY=SUCCESS", "250");
  await client.ask("DATA", "354");
  await client.send(".\r\n");
  await client.expect("250");
  expect(stock.seen[0]?.envelope.rcptTo).toHaveLength(1);
});

test("[stock D4] any parameter will do", async () => {
  await using stock = new Stock();
  await using client = await stock.open();
  await client.ask("MAIL FROM:<a@sender.test> FOO=bar AUTH=<x", "250");
});

test("[stock E1 E2 E3] recipients, errors and idle words have no end", async () => {
  await using stock = new Stock();
  await using client = await stock.open();
  await client.ask("MAIL FROM:<a@sender.test>", "250");
  const lines: readonly (readonly [string, string])[] = [
    ["RCPT TO:<u@example.org>", "250"],
    ["RCPT TO:<u@>", "501"],
    ["NOOP", "250"],
  ];
  for (const [line, reply] of lines) {
    await client.send(`${line}\r\n`.repeat(1500));
    for (let count = 0; count < 1500; count++) await client.expect(reply);
  }
});

test("[stock E5 E6] a byte now and then keeps a command and a message going", async () => {
  await using stock = new Stock({ socketTimeout: 200 });
  await using client = await stock.open();
  for (let count = 0; count < 8; count++) await client.sendInPieces(["x"], 60);
  await client.ask("", "500");
  await toData(client);
  for (let count = 0; count < 8; count++) await client.sendInPieces(["x"], 60);
  await client.send("\r\n.\r\n");
  await client.expect("250");
});

test("[stock E7] one client may have all the connections", async () => {
  await using stock = new Stock();
  const open = [await stock.open()];
  open.push(...(await Promise.all(Array.from({ length: 59 }, () => stock.open()))));
  for (const client of open) await client.ask("NOOP", "250");
  for (const client of open) await client[Symbol.asyncDispose]();
});

test("[stock E8] a message beyond the size is handed over, and taken", async () => {
  await using stock = new Stock({ size: 1000 });
  await using client = await stock.open();
  await toData(client);
  await client.send(`${"x".repeat(100_000)}\r\n.\r\n`);
  await client.expect("250");
  expect(stock.seen[0]?.bytes).toBeGreaterThan(100_000);
});

test("[stock E10] stuffed dots cost a turn of the loop each", async () => {
  await using stock = new Stock();
  await using client = await stock.open();
  let turns = 0;
  let isOver = false;
  const count = () => {
    turns += 1;
    if (!isOver) setImmediate(count);
  };
  await toData(client);
  count();
  await client.send(`${"..\r\n".repeat(20_000)}.\r\n`);
  await client.expect("250");
  isOver = true;
  await pause(0);
  expect(turns).toBeGreaterThan(20_000);
});
