import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { ScesError } from "../../src/base/errors.ts";
import type { Deliver } from "../../src/ipc/messages.ts";
import { deliverLocally } from "../../src/process/maildir/deliver.ts";
import { mailboxName } from "../../src/process/maildir/mailbox-name.ts";
import type { Content } from "../../src/spool/file.ts";
import { contentOf, streamed } from "../harness/delivering.ts";

function folder(): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "sces-maildir-")));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function deliver(
  mailDirectory: string,
  to: readonly string[],
  content: Content = contentOf("A: b\r\n\r\nHello.\r\n"),
  more: Partial<Deliver> = {},
) {
  const job: Deliver = {
    type: "deliver",
    job: 1,
    id: "4jXCKj2RJyz7k",
    transport: "maildir",
    nexthop: "local",
    sender: "alice@example.com",
    recipients: to.map((address, index) => ({ address, index, attempt: 1 })),
    offset: 0,
    length: content.length,
    arrival: 1_795_313_609_344,
    queued: 1_795_313_609_350,
    ...more,
  };
  let dots = 0;
  const done = await deliverLocally(job, {
    mailDirectory,
    delimiters: "+",
    isKnown: (address) => !address.startsWith("ghost"),
    openContent: () => content,
    pastFinalDot: () => dots++,
  });
  return { ...done, dots };
}

const mailOf = (directory: string, mailbox: string) =>
  readdirSync(join(directory, mailbox, "new")).map((name) =>
    readFileSync(join(directory, mailbox, "new", name), "latin1"),
  );

test("each recipient gets a file in new/, with return path and own address in front, lines ended by LF", async () => {
  const directory = folder();
  const { results, dots } = await deliver(directory, ["bob@here.test", "Carol@here.test"]);
  expect(results).toMatchObject([
    { recipient: 0, type: "success", outcome: "sent", dsn: "2.0.0", text: "delivered to maildir", host: "local" },
    { recipient: 1, outcome: "sent" },
  ]);
  expect(mailOf(directory, "bob")).toEqual([
    "Return-Path: <alice@example.com>\nDelivered-To: bob@here.test\nA: b\n\nHello.\n",
  ]);
  expect(mailOf(directory, "carol")).toEqual([
    "Return-Path: <alice@example.com>\nDelivered-To: Carol@here.test\nA: b\n\nHello.\n",
  ]);
  expect(dots).toBe(1);
});

test("what is behind the delimiter is not part of the mailbox's name", async () => {
  const directory = folder();
  const { results } = await deliver(directory, ["bob+lists@here.test", "bob@here.test", '"a+b"@here.test']);
  expect(results.map(({ outcome }) => outcome)).toEqual(["sent", "sent", "sent"]);
  expect(mailOf(directory, "bob").map((text) => /Delivered-To: (.*)/.exec(text)?.[1])).toEqual([
    "bob+lists@here.test",
    "bob@here.test",
  ]);
  expect(mailOf(directory, "a+b")).toHaveLength(1);
});

test("mail for a user who is not there is returned, and gets no mailbox", async () => {
  const directory = folder();
  const { results } = await deliver(directory, ["ghost+x@here.test", "bob@here.test"]);
  expect(results).toMatchObject([
    { outcome: "bounced", dsn: "5.1.1", text: 'unknown user: "ghost"' },
    { outcome: "sent" },
  ]);
  expect(readdirSync(directory)).toEqual(["bob"]);
});

test("nobody else may read it, and nothing stays in tmp/", async () => {
  const directory = folder();
  await deliver(directory, ["bob@here.test"]);
  const mailbox = join(directory, "bob");
  for (const part of [mailbox, join(mailbox, "new"), join(mailbox, "tmp"), join(mailbox, "cur")]) {
    expect(statSync(part).mode & 0o777).toBe(0o700);
  }
  const [name = ""] = readdirSync(join(mailbox, "new"));
  expect(statSync(join(mailbox, "new", name)).mode & 0o777).toBe(0o600);
  expect(readdirSync(join(mailbox, "tmp"))).toEqual([]);
});

test("a delivery that is repeated makes no second copy", async () => {
  const directory = folder();
  await deliver(directory, ["bob@here.test"]);
  expect((await deliver(directory, ["bob@here.test"])).results).toMatchObject([{ outcome: "sent" }]);
  expect(mailOf(directory, "bob")).toHaveLength(1);
});

test("content in pieces is one message, wherever a line end is cut", async () => {
  const text = "A: b\r\n\r\nx\ry\r\n\r\n";
  for (let cut = 1; cut < text.length; cut++) {
    const directory = folder();
    await deliver(directory, ["bob@here.test"], streamed(text, [cut, 99]));
    expect(mailOf(directory, "bob")[0]).toContain("\nA: b\n\nx\ry\n\n");
  }
});

describe("the name of a mailbox", () => {
  test.each([
    ["bob", "bob"],
    ["Postmaster", "postmaster"],
    ["a.b+c_d=e-f", "a.b+c_d=e-f"],
    ["/etc/passwd", "%2fetc%2fpasswd"],
    ["../../x", "%2e.%2f..%2fx"],
    ["..", "%2e."],
    [".", "%2e"],
    [".forward", "%2eforward"],
    ["-oQ", "%2doq"],
    ["|/bin/sh", "%7c%2fbin%2fsh"],
    ['"a b"', "a%20b"],
    ['"a\\"b"', "a%22b"],
    ['""', "%"],
    ["jörg", "j%c3%b6rg"],
    ["100%", "100%25"],
    ["a\u0000b", "a%00b"],
  ])("%j is %s", (local, name) => {
    expect(mailboxName(local)).toBe(name);
    expect(name).toMatch(/^[^./-][^/]*$/);
  });

  test("an address never leads out of the mail directory", async () => {
    const directory = folder();
    const inner = join(directory, "mail");
    mkdirSync(inner);
    await deliver(inner, ["../../x@here.test", '".."@here.test', "/x@here.test"]);
    expect(readdirSync(directory)).toEqual(["mail"]);
    expect(readdirSync(inner)).toHaveLength(3);
  });
});

describe("trouble is temporary", () => {
  const failing = (error: unknown): Content => ({
    length: 1000,
    async *chunks(): AsyncGenerator<Buffer, void> {
      yield Buffer.from("A: b\r\n");
      throw error;
    },
    close() {},
  });

  test.each([
    ["EDQUOT", "4.2.2"],
    ["ENOSPC", "4.3.1"],
    ["EACCES", "4.3.0"],
  ])("%s", async (code, dsn) => {
    const directory = folder();
    const { results } = await deliver(directory, ["bob@here.test"], failing(Object.assign(new Error(code), { code })));
    expect(results).toMatchObject([{ type: "error", outcome: "deferred", dsn }]);
    expect(readdirSync(join(directory, "bob", "tmp"))).toEqual([]);
    expect(readdirSync(join(directory, "bob", "new"))).toEqual([]);
  });

  test("a mail directory that is a file", async () => {
    const { results } = await deliver("/dev/null", ["bob@here.test"]);
    expect(results).toMatchObject([{ outcome: "deferred", dsn: "4.3.0" }]);
  });

  test("a queue file that is damaged is no attempt", async () => {
    const { results, damaged } = await deliver(
      folder(),
      ["bob@here.test"],
      failing(new ScesError("FILE_DAMAGED", "bad")),
    );
    expect({ results, damaged }).toEqual({ results: [], damaged: "bad" });
  });
});
