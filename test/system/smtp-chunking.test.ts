import { describe, expect, test } from "vitest";
import { agent, contentOf, type Letter, SHORT_TEXT, streamed } from "../harness/delivering.ts";
import { destination, type DestinationOptions } from "../harness/destination.ts";

const CHUNKING = ["PIPELINING", "8BITMIME", "CHUNKING"];

async function send(letter: Letter = {}, answers: DestinationOptions = {}, settings: Record<string, string> = {}) {
  await using sink = await destination({ extensions: CHUNKING, ...answers });
  await using smtp = agent({ smtp_mail_timeout: "300ms", ...settings });
  const { attempts, dots } = await smtp.send(`[127.0.0.1]:${sink.port}`, letter);
  return { attempts, dots, messages: sink.messages, verbs: sink.commands.map((line) => line.split(" ")[0]), sink };
}

describe("CHUNKING", () => {
  test("a small message goes along with its recipients, as it is", async () => {
    const text = "A: b\r\n\r\n.dot\r\n..\r\n";
    const { attempts, messages, sink, dots } = await send({ text });
    expect(attempts).toMatchObject([{ outcome: "sent", state: "accept" }]);
    expect(messages[0]?.data.toString()).toBe(text);
    expect(sink.commands).toContain(`BDAT ${text.length} LAST`);
    expect(dots).toBe(1);
  });

  test.each([
    ["a larger message", { text: `A: b\r\n\r\n${"line\r\n".repeat(3000)}` }, {}, {}],
    ["a message that is read in blocks", { content: streamed(SHORT_TEXT, [5]) }, {}, {}],
    ["lines that are not ended by CRLF", { content: contentOf("A: b\n\n.\n") }, {}, {}],
    ["a server without PIPELINING", {}, { extensions: ["CHUNKING"] }, {}],
    ["smtp_chunking_size_limit = 0", {}, {}, { smtp_chunking_size_limit: "0" }],
    ["smtp_discard_ehlo_keywords", {}, {}, { smtp_discard_ehlo_keywords: "Chunking" }],
    [
      "a table for the server",
      {},
      {},
      { smtp_discard_ehlo_keyword_address_maps: "inline:{{127.0.0.1=dsn, chunking}}" },
    ],
  ] as const)("is not used for %s", async (_, letter, answers, settings) => {
    const { attempts, verbs } = await send(letter, answers, settings);
    expect(attempts).toMatchObject([{ outcome: "sent" }]);
    expect(verbs).toContain("DATA");
    expect(verbs).not.toContain("BDAT");
  });

  test("the table holds in place of the list", async () => {
    const { verbs } = await send(
      {},
      {},
      {
        smtp_discard_ehlo_keywords: "chunking",
        smtp_discard_ehlo_keyword_address_maps: "inline:{127.0.0.1=dsn}",
      },
    );
    expect(verbs).toContain("BDAT");
  });

  test("nor on a used connection, which could be dead without anybody knowing whether the message has arrived", async () => {
    await using sink = await destination({ extensions: CHUNKING });
    await using smtp = agent();
    for (let count = 0; count < 2; count++) await smtp.send(`[127.0.0.1]:${sink.port}`);
    expect(sink.commands.map((line) => line.split(" ")[0])).toEqual([
      "EHLO",
      "MAIL",
      "RCPT",
      "BDAT",
      "MAIL",
      "RCPT",
      "DATA",
    ]);
  });

  test("each recipient has its own outcome", async () => {
    const { attempts, messages } = await send(
      { to: ["a@e.org", "b@e.org"] },
      { rcpt: ["550 5.1.1 no", "250 2.1.5 Ok"] },
    );
    expect(attempts).toMatchObject([{ outcome: "bounced", state: "rcpt to" }, { outcome: "sent" }]);
    expect(messages).toMatchObject([{ recipients: ["b@e.org"] }]);
  });

  test.each([
    ["the sender", { mail: "550 5.7.1 no" }, "bounced", "mail from"],
    ["all recipients", { rcpt: "450 4.2.0 later" }, "deferred", "rcpt to"],
    ["the message", { dot: "552 5.3.4 too big" }, "bounced", "received"],
  ])(
    "when %s is refused that is the outcome, and the connection is fit for the next message",
    async (_, answers, outcome, state) => {
      await using sink = await destination({ extensions: CHUNKING, ...answers });
      await using smtp = agent();
      const nexthop = `[127.0.0.1]:${sink.port}`;
      expect((await smtp.send(nexthop)).attempts).toMatchObject([{ outcome, state }]);
      sink.set({ mail: "250 ok", rcpt: "250 ok", dot: "250 ok" });
      expect((await smtp.send(nexthop)).attempts).toMatchObject([{ outcome: "sent", use: 2 }]);
      expect(sink.commands).toContain("RSET");
    },
  );

  test.each([
    ["closes", { mail: { reply: "", end: "close" as const } }, "lost"],
    ["is silent", { mail: { reply: "", end: "hang" as const } }, "timeout"],
  ])("a server that %s before any reply may have the message: it goes to no other", async (_, answers, type) => {
    const { attempts } = await send({}, answers);
    expect(attempts).toMatchObject([{ type, outcome: "deferred", state: "received" }]);
    expect(attempts[0]?.text).toMatch(/message may be sent more than once$/);
  });
});
