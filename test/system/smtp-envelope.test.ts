import { describe, expect, test } from "vitest";
import { canonicalDomain } from "../../src/mail/domain.ts";
import { agent, type Letter, streamed } from "../harness/delivering.ts";
import { destination, type DestinationOptions } from "../harness/destination.ts";

async function commandsOf(letter: Letter, answers: DestinationOptions = {}, settings: Record<string, string> = {}) {
  await using sink = await destination(answers);
  await using smtp = agent(settings);
  const { attempts, fault } = await smtp.send(`[127.0.0.1]:${sink.port}`, letter);
  return { attempts, fault, commands: sink.commands.slice(1), messages: sink.messages };
}

const dsn: Letter = {
  to: [
    { address: "a@e.org", notify: ["SUCCESS", "DELAY"], orcpt: "rfc822;first+last=x@e.org" },
    { address: "b@e.org", notify: ["NEVER"] },
    { address: "c@e.org" },
  ],
  envelope: { ret: "HDRS", envid: "id+1=é" },
};

describe("DSN parameters", () => {
  test("each recipient gets its own, in xtext", async () => {
    const { commands, attempts } = await commandsOf(dsn);
    expect(commands).toEqual([
      "MAIL FROM:<alice@example.com> SIZE=25 RET=HDRS ENVID=id+2B1+3D+C3+A9",
      "RCPT TO:<a@e.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;first+2Blast+3Dx@e.org",
      "RCPT TO:<b@e.org> NOTIFY=NEVER",
      "RCPT TO:<c@e.org>",
      "DATA",
    ]);
    expect(attempts.map((attempt) => attempt.relayedDsn)).toEqual([true, true, true]);
  });

  test("none are sent to a server without DSN, which then promises nothing", async () => {
    const { commands, attempts } = await commandsOf(dsn, { extensions: ["PIPELINING"] });
    expect(commands).toEqual([
      "MAIL FROM:<alice@example.com>",
      "RCPT TO:<a@e.org>",
      "RCPT TO:<b@e.org>",
      "RCPT TO:<c@e.org>",
      "DATA",
    ]);
    expect(attempts.some((attempt) => "relayedDsn" in attempt)).toBe(false);
  });

  test("an ORCPT beyond ASCII is sent in the form that every server takes", async () => {
    const { commands } = await commandsOf({ to: [{ orcpt: "utf-8;jörg+x@e.org" }] });
    expect(commands[1]).toBe("RCPT TO:<bob@example.org> ORCPT=utf-8;j\\x{F6}rg\\x{2B}x@e.org");
  });
});

test("extensions are taken from the lines of EHLO, not from the name in the first", async () => {
  const ehlo = "250-mail-DSN.example.com SMTPUTF8 PIPELINING\r\n250-AUTH X-DSN\r\n250 X-SMTPUTF8";
  const { commands } = await commandsOf(dsn, { ehlo });
  expect(commands[0]).toBe("MAIL FROM:<alice@example.com>");
});

test("the null sender is sent as such", async () => {
  const { messages } = await commandsOf({ envelope: { sender: "" } });
  expect(messages).toMatchObject([{ from: "" }]);
});

describe("SIZE", () => {
  test("a message that is too large is returned without a word to the server", async () => {
    const { attempts, commands, fault } = await commandsOf({ text: "x".repeat(900) }, { extensions: ["SIZE 800"] });
    expect(attempts).toMatchObject([{ type: "error", outcome: "bounced", dsn: "5.3.4" }]);
    expect(attempts[0]?.text).toBe("message size 900 exceeds size limit 800 of server 127.0.0.1[127.0.0.1]");
    expect(commands).toEqual([]);
    expect(fault).toBeUndefined();
  });

  test.each(["SIZE", "SIZE 0", "SIZE x"])("%j is no limit", async (extension) => {
    const { attempts } = await commandsOf({ text: `A: b\r\n\r\n${"x".repeat(2000)}\r\n` }, { extensions: [extension] });
    expect(attempts).toMatchObject([{ outcome: "sent" }]);
  });
});

describe("8BITMIME", () => {
  const eightBit: Letter = { text: "A: b\r\n\r\nJörg\r\n", envelope: { body: "8BITMIME" } };

  test("is declared where it is offered", async () => {
    expect((await commandsOf(eightBit)).commands[0]).toContain(" BODY=8BITMIME");
  });

  const without = { extensions: ["PIPELINING"] };

  test.each(["in memory", "streamed"])("mail that needs it is converted for a server without it (%s)", async (how) => {
    const text = "A: b\r\n\r\nJörg\r\n";
    const { attempts, commands, messages } = await commandsOf(
      { ...(how === "streamed" ? { content: streamed(text, [3]) } : { text }), envelope: { body: "8BITMIME" } },
      without,
    );
    expect(attempts).toMatchObject([{ outcome: "sent" }]);
    expect(commands[0]).toBe("MAIL FROM:<alice@example.com>");
    expect(messages[0]?.data.toString()).toMatch(
      /^A: b\r\nMIME-Version.*quoted-printable\r\n.*\r\n\r\nJ=C3=B6rg\r\n$/s,
    );
  });

  test.each(["in memory", "streamed"])("what cannot be converted is returned (%s)", async (how) => {
    const text = "Subject: Jörg\r\n\r\nx\r\n";
    const { attempts, commands } = await commandsOf(
      { ...(how === "streamed" ? { content: streamed(text, [3]) } : { text }), envelope: { body: "8BITMIME" } },
      without,
    );
    expect(attempts).toMatchObject([{ outcome: "bounced", dsn: "5.6.3" }]);
    expect(attempts[0]?.text).toMatch(/^8BITMIME is required, .*: 8-bit text in a header cannot be converted$/);
    expect(commands).toEqual([]);
  });

  test("what a part says of itself is quoted in a way that a terminal bears", async () => {
    const text = "Content-Transfer-Encoding: b\x1b[2J\tinary\r\n\r\nJörg\r\n";
    const { attempts } = await commandsOf({ text, envelope: { body: "8BITMIME" } }, without);
    expect(attempts[0]?.text).toMatch(/: 8-bit text in a part in b\\x1b\[2j\\x09inary cannot be converted$/);
  });

  test("is forgone with disable_mime_output_conversion", async () => {
    const { messages } = await commandsOf(eightBit, without, { disable_mime_output_conversion: "yes" });
    expect(messages[0]?.data.toString()).toBe(eightBit.text);
  });

  test("mail that was declared so but is ASCII goes anywhere", async () => {
    const { attempts, commands } = await commandsOf({ envelope: { body: "8BITMIME" } }, { extensions: ["PIPELINING"] });
    expect(attempts).toMatchObject([{ outcome: "sent" }]);
    expect(commands[0]).toBe("MAIL FROM:<alice@example.com>");
  });
});

describe("SMTPUTF8", () => {
  const without = { extensions: ["PIPELINING", "8BITMIME"] };

  test("is asked for when the sender of the mail did", async () => {
    const { commands, messages } = await commandsOf({ to: ["jörg@e.org"], envelope: { smtputf8: true } });
    expect(commands[0]).toBe("MAIL FROM:<alice@example.com> SIZE=25 SMTPUTF8");
    expect(messages).toMatchObject([{ recipients: ["jörg@e.org"] }]);
  });

  test("a recipient that needs it is returned by a server without it, and the others get their mail", async () => {
    const { attempts, messages } = await commandsOf(
      { to: ["jörg@e.org", "bob@e.org"], envelope: { smtputf8: true } },
      without,
    );
    expect(attempts).toMatchObject([
      {
        outcome: "bounced",
        dsn: "5.6.7",
        text: "SMTPUTF8 is required, but was not offered by host 127.0.0.1[127.0.0.1]",
      },
      { outcome: "sent" },
    ]);
    expect(messages).toMatchObject([{ recipients: ["bob@e.org"] }]);
  });

  test("a sender or a header that needs it holds for all recipients", async () => {
    for (const letter of [
      { envelope: { sender: "jörg@e.org" } },
      { text: "Subject: jörg\r\n\r\n", envelope: { smtputf8: true as const } },
    ]) {
      expect((await commandsOf(letter, without)).attempts).toMatchObject([{ outcome: "bounced", dsn: "5.6.7" }]);
    }
  });

  test("mail that asked for it but is ASCII in addresses and header goes anywhere, however large", async () => {
    const letters = [{}, { text: "A: b\r\n\r\nJörg\r\n" }, { content: streamed("A: b\r\n\r\nJörg\r\n", [5, 100]) }];
    for (const letter of letters) {
      const { attempts } = await commandsOf({ ...letter, envelope: { smtputf8: true } }, without);
      expect(attempts).toMatchObject([{ outcome: "sent" }]);
    }
  });

  test("is not asked for on account of a domain, which goes as A-labels", async () => {
    const { commands } = await commandsOf({ to: [`bob@${canonicalDomain("bücher.example")}`] }, without);
    expect(commands).toContain("RCPT TO:<bob@xn--bcher-kva.example>");
  });
});

test("an address with a line break in it is never sent", async () => {
  const { attempts, commands } = await commandsOf({ to: ["a@e.org>\r\nDATA\r\n<b@e.org"] });
  expect(attempts).toMatchObject([{ outcome: "bounced", dsn: "5.1.3" }]);
  expect(commands).toEqual([]);
});

test("with PIPELINING everything up to DATA goes out at once, without it nothing before its answer", async () => {
  const to = ["a@e.org", "b@e.org"];
  await using fast = await destination({ mail: { delayMs: 40 } });
  await using slow = await destination({ mail: { delayMs: 40 }, extensions: [] });
  await using smtp = agent();
  const seen = async (sink: typeof fast) => {
    const sending = smtp.send(`[127.0.0.1]:${sink.port}`, { to });
    while (sink.commands.at(-1)?.startsWith("MAIL") !== true) await new Promise((resolve) => setTimeout(resolve, 1));
    const early = sink.bytes().toString().split("\r\n").slice(2, -1);
    await sending;
    return early;
  };
  expect(await seen(fast)).toEqual(["RCPT TO:<a@e.org>", "RCPT TO:<b@e.org>", "DATA"]);
  expect(await seen(slow)).toEqual([]);
});
