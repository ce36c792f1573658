import { describe, expect, test } from "vitest";
import { ScesError } from "../../src/base/errors.ts";
import type { Content } from "../../src/spool/file.ts";
import { agent, contentOf, streamed } from "../harness/delivering.ts";
import { destination, type DestinationOptions } from "../harness/destination.ts";

function blocks(block: Buffer, count: number, onRead = () => {}): Content {
  return {
    length: block.length * count,
    async *chunks() {
      for (let done = 0; done < count; done++) {
        onRead();
        yield block;
      }
    },
    close() {},
  };
}

/** The bytes behind DATA on the wire, with the lone dot. */
async function wireOf(content: ReturnType<typeof contentOf>, answers: DestinationOptions = {}) {
  await using sink = await destination(answers);
  await using smtp = agent();
  const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`, { content });
  expect(attempts).toMatchObject([{ outcome: "sent" }]);
  const bytes = sink.bytes().toString("latin1");
  return { wire: bytes.slice(bytes.indexOf("DATA\r\n") + 6), data: sink.messages[0]?.data.toString("latin1") };
}

const TEXTS: readonly (readonly [string, string, string])[] = [
  ["a plain message", "A: b\r\n\r\nHello.\r\n", "A: b\r\n\r\nHello.\r\n.\r\n"],
  ["nothing", "", ".\r\n"],
  ["only a dot", ".\r\n", "..\r\n.\r\n"],
  ["a dot in front", ".a\r\n", "..a\r\n.\r\n"],
  ["dots in lines", "a.b\r\n.\r\n..\r\n.c\r\nd.\r\n", "a.b\r\n..\r\n...\r\n..c\r\nd.\r\n.\r\n"],
  ["no last line end", "a\r\nb", "a\r\nb\r\n.\r\n"],
  ["a last line of a dot without end", "a\r\n.", "a\r\n..\r\n.\r\n"],
  ["\\n.\\n", "a\n.\nMAIL FROM:<x@y>", "a\r\n..\r\nMAIL FROM:<x@y>\r\n.\r\n"],
  ["\\n.\\r\\n", "a\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"],
  ["\\r\\n.\\n", "a\r\n.\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"],
  ["\\n.\\r", "a\n.\rb\r\n", "a\r\n..\r\nb\r\n.\r\n"],
  ["\\r.\\r", "a\r.\rb\r\n", "a\r\n..\r\nb\r\n.\r\n"],
  ["\\r.\\r\\n", "a\r.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"],
  ["\\r\\n.\\r", "a\r\n.\rb\r\n", "a\r\n..\r\nb\r\n.\r\n"],
  ["\\r.\\n", "a\r.\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"],
  ["a bare CR at the end", "a\r", "a\r\n.\r\n"],
  ["a bare LF at the end", "a\n", "a\r\n.\r\n"],
];

describe("no line of a message is taken for its end", () => {
  test.each(TEXTS)("%s, in one piece", async (_, text, expected) => {
    expect((await wireOf(contentOf(text))).wire).toBe(expected);
  });

  test.each(TEXTS)("%s, one byte at a time", async (_, text, expected) => {
    expect((await wireOf(streamed(text, [1]))).wire).toBe(expected);
  });

  test("cut at every place", async () => {
    const text = "a\r\n.\r\n..b\r\n\n.\nc\r.\r\r\n.";
    const whole = (await wireOf(contentOf(text))).wire;
    await using sink = await destination();
    await using smtp = agent();
    for (let cut = 1; cut < text.length; cut++) {
      await smtp.send(`[127.0.0.1]:${sink.port}`, { content: streamed(text, [cut, text.length]) });
    }
    const messages = sink.messages.map(({ data }) => data.toString());
    expect(new Set(messages).size).toBe(1);
    expect(whole.match(/\r\n\.\r\n/g)).toHaveLength(1);
  });
});

test.each(["in memory", "streamed"])("a line over smtp_line_length_limit is broken (%s)", async (how) => {
  const text = `A: b\r\n\r\n${"x".repeat(1200)}\r\n.\r\n`;
  const content = how === "streamed" ? streamed(text, [100]) : contentOf(text);
  expect((await wireOf(content)).data).toBe(`A: b\r\n\r\n${"x".repeat(998)}\r\n ${"x".repeat(202)}\r\n.\r\n`);
});

test("8-bit content arrives as it is", async () => {
  const bytes = Buffer.concat([
    Buffer.from("A: b\r\n\r\n"),
    Buffer.from(Array.from({ length: 256 }, (_, code) => code).filter((code) => code !== 10 && code !== 13)),
    Buffer.from("\r\n"),
  ]);
  expect((await wireOf(contentOf(bytes))).data).toBe(bytes.toString("latin1"));
});

test("content that ends before its time is never finished, and the file is reported", async () => {
  await using sink = await destination();
  await using smtp = agent();
  const { attempts, damaged, dots } = await smtp.send(`[127.0.0.1]:${sink.port}`, {
    content: streamed("A: b\r\n\r\nx\r\n", [4], 100),
  });
  expect(attempts).toEqual([]);
  expect(damaged).toMatch(/bytes of content where 100 should be/);
  expect(dots).toBe(0);
  expect(sink.bytes().toString()).not.toContain("\r\n.\r\n");
  expect(sink.bytes().toString()).not.toContain("QUIT");
  expect(sink.messages).toEqual([]);
});

test("content that turns out damaged at its end is never finished", async () => {
  await using sink = await destination();
  await using smtp = agent();
  const content = {
    ...contentOf("A: b\r\n\r\nx\r\n"),
    bytes: undefined as never,
    async *chunks() {
      yield Buffer.from("A: b\r\n\r\nx\r\n");
      throw new ScesError("FILE_DAMAGED", "the content does not match its checksum");
    },
  };
  const { attempts, damaged } = await smtp.send(`[127.0.0.1]:${sink.port}`, { content });
  expect({ attempts, damaged }).toEqual({ attempts: [], damaged: "the content does not match its checksum" });
  expect(sink.messages).toEqual([]);
});

test("content that cannot be read for now is put off", async () => {
  await using sink = await destination();
  await using smtp = agent();
  const content = {
    length: 1000,
    async *chunks(): AsyncGenerator<Buffer, void> {
      yield Buffer.from("A: b\r\n");
      throw new ScesError("SPOOL_IO", "reading the content: EIO");
    },
    close() {},
  };
  const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`, { content });
  expect(attempts).toMatchObject([
    {
      type: "nodata",
      outcome: "deferred",
      dsn: "4.3.0",
      text: "local data error while talking to 127.0.0.1[127.0.0.1]",
    },
  ]);
  expect(sink.messages).toEqual([]);
});

test("a large message arrives whole", async () => {
  const block = Buffer.alloc(65_536, "0123456789abcdef0123456789abcd\r\n");
  await using sink = await destination({ forget: true });
  await using smtp = agent();
  const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`, { content: blocks(block, 1024) });
  expect(attempts).toMatchObject([{ outcome: "sent" }]);
  expect(sink.messages).toMatchObject([{ sizeBytes: block.length * 1024 }]);
});

test("no more of a large message is read than the server takes", async () => {
  let read = 0;
  await using sink = await destination({ stall: true });
  await using smtp = agent({ smtp_data_xfer_timeout: "200ms" });
  const content = blocks(Buffer.alloc(65_536, "0123456789abcdef0123456789abcd\r\n"), 1024, () => read++);
  const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`, { content });
  expect(attempts).toMatchObject([{ type: "timeout" }]);
  expect(read).toBeLessThan(300); // what the kernel's buffers hold, and little more
});

test("the connection carries the next message after a large one", async () => {
  await using sink = await destination();
  await using smtp = agent();
  const nexthop = `[127.0.0.1]:${sink.port}`;
  await smtp.send(nexthop, { content: streamed("A: b\r\n\r\n.x\r\n".repeat(1000), [777]) });
  expect((await smtp.send(nexthop)).attempts).toMatchObject([{ outcome: "sent", use: 2 }]);
});
