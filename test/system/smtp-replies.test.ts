import { describe, expect, test } from "vitest";
import { agent } from "../harness/delivering.ts";
import { destination, type DestinationOptions } from "../harness/destination.ts";

/** One message to a server with these answers; what became of its only recipient. */
async function outcomeOf(answers: DestinationOptions, settings: Record<string, string> = {}) {
  await using sink = await destination(answers);
  await using smtp = agent(settings);
  const result = await smtp.send(`[127.0.0.1]:${sink.port}`);
  return {
    ...result,
    attempt: result.attempts[0],
    accepted: sink.messages.length,
    commands: sink.commands,
    port: sink.port,
  };
}

describe.each([
  ["PIPELINING", undefined],
  ["one command at a time", ["8BITMIME", "DSN", "SIZE 1000000"]],
])("with %s", (_, extensions) => {
  const offers = extensions === undefined ? {} : { extensions };

  test("a refusal is quoted: its code, its status, its words", async () => {
    const { attempt } = await outcomeOf({ ...offers, rcpt: "550 5.1.1 no such user" });
    expect(attempt).toMatchObject({ code: 550, status: "5.1.1", description: "no such user" });
    expect(attempt?.text).toBe("host 127.0.0.1[127.0.0.1] said: 550 5.1.1 no such user (in reply to RCPT TO command)");
  });

  test.each([
    ["2xx to DATA", { data: "250 2.0.0 thanks" }],
    ["3xx to MAIL", { mail: "354 what" }],
    ["3xx to the end of data", { dot: "354 more" }],
    ["[D12] six digits", { mail: "299999 x" }],
    ["[D12] no code at all", { mail: "hello" }],
    ["[D12] an answer to the message before the message", { data: "354 go\r\n250 2.0.0 Ok: queued" }],
    ["[D11] no behind a yes", { dot: "250-ok\r\n550 no" }],
    ["[D11] yes behind a no", { rcpt: "550-no\r\n250 ok" }],
    ["a code of 9xx", { dot: "999 x" }],
  ] as const)("%s is a protocol error, for now, and ends the connection", async (_what, answers) => {
    const { attempt, accepted, commands } = await outcomeOf({ ...offers, ...answers });
    expect(attempt).toMatchObject({ type: "error", outcome: "deferred", dsn: "4.5.0" });
    expect(attempt?.text).toMatch(/^Protocol error: host 127\.0\.0\.1\[127\.0\.0\.1\] said: /);
    expect(accepted).toBe(0);
    expect(commands).not.toContain("QUIT");
  });

  test("each recipient gets its own reply", async () => {
    await using sink = await destination({
      ...offers,
      rcpt: ({ line }) =>
        line.includes("later") ? "450 4.2.0 later" : line.includes("never") ? "550 5.1.1 never" : undefined,
    });
    await using smtp = agent();
    const to = ["ok1@e.org", "later@e.org", "never@e.org", "ok2@e.org"];
    const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`, { to });
    expect(attempts.map((attempt) => [attempt.recipient, attempt.outcome, attempt.dsn])).toEqual([
      [0, "sent", "2.0.0"],
      [1, "deferred", "4.2.0"],
      [2, "bounced", "5.1.1"],
      [3, "sent", "2.0.0"],
    ]);
    expect(sink.messages.map((message) => message.recipients)).toEqual([["ok1@e.org", "ok2@e.org"]]);
  });

  test("when all recipients are refused nothing is sent, and the connection is fit for the next message", async () => {
    await using sink = await destination({ ...offers, rcpt: ["550 5.1.1 no", "550 5.1.1 no", "250 2.1.5 Ok"] });
    await using smtp = agent();
    const first = await smtp.send(`[127.0.0.1]:${sink.port}`, { to: ["a@e.org", "b@e.org"] });
    expect(first.attempts.map((attempt) => attempt.outcome)).toEqual(["bounced", "bounced"]);
    const second = await smtp.send(`[127.0.0.1]:${sink.port}`);
    expect(second.attempts).toMatchObject([{ outcome: "sent", use: 2 }]);
    expect(sink.connections).toBe(1);
    expect(sink.commands).toContain("RSET");
  });
});

test("a server that takes DATA although it refused every recipient gets an empty message", async () => {
  const { attempt, accepted, commands } = await outcomeOf({ rcpt: "550 5.1.1 no", data: "354 go on" });
  expect(attempt).toMatchObject({ outcome: "bounced", dsn: "5.1.1" });
  expect(accepted).toBe(0);
  expect(commands).not.toContain("QUIT");
});

test("a server that takes DATA although it refused the sender is left without a word", async () => {
  await using sink = await destination({ mail: "550 5.7.1 no", rcpt: "250 ok", data: "354 go on" });
  await using smtp = agent();
  const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`);
  expect(attempts).toMatchObject([{ outcome: "bounced", state: "mail from" }]);
  expect(sink.bytes().toString().endsWith("DATA\r\n")).toBe(true);
  expect(smtp.deliverer.idleConnections).toBe(0);
});

test("a reply of many lines is quoted whole, in one line", async () => {
  const { attempt } = await outcomeOf({ rcpt: "550-5.7.1 We do not\r\n550-5.7.1 like you\r\n550 5.7.1 at all" });
  expect(attempt?.text).toBe(
    "host 127.0.0.1[127.0.0.1] said: 550-5.7.1 We do not 550-5.7.1 like you 550 5.7.1 at all (in reply to RCPT TO command)",
  );
  expect(attempt).toMatchObject({ code: 550, status: "5.7.1", description: "We do not like you at all" });
});

test("a reply in pieces of one byte is one reply", async () => {
  const { attempt } = await outcomeOf({ rcpt: { reply: "550-5.1.1 no\r\n550 5.1.1 no", dripMs: 0 } });
  expect(attempt).toMatchObject({ outcome: "bounced", dsn: "5.1.1" });
});

test("[D10] control characters, markup and broken UTF-8 in a reply cannot leave their line", async () => {
  const evil = Buffer.from("550 5.1.1 \x1b[31m\x07<script>\r\x00\u202eabc\u0085\u2028x", "utf8").toString("latin1");
  await using sink = await destination({ rcpt: { reply: "" } });
  sink.set({ rcpt: () => ({ reply: Buffer.from(evil, "latin1").toString("utf8") }) });
  await using smtp = agent();
  const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`);
  const text = `${attempts[0]?.text} ${attempts[0]?.description}`;
  expect(attempts[0]?.outcome).toBe("bounced");
  expect(text).toMatch(/^[ -~\u00a0-\u2010]*$/);
  expect(text).toContain("\\x1b[31m");
});

test("[D10] what is kept of a long reply is bounded", async () => {
  const line = `550-5.7.1 ${"x".repeat(2000)}`;
  const { attempt } = await outcomeOf({
    rcpt: `${Array.from({ length: 400 }, () => line).join("\r\n")}\r\n550 5.7.1 end`,
  });
  expect(attempt).toMatchObject({ outcome: "bounced", dsn: "5.7.1" });
  expect(attempt?.text.length).toBeLessThan(4300);
  expect(attempt?.description?.length).toBeLessThanOrEqual(4096);
});

test.each([
  ["a line without end", { reply: `550 ${"x".repeat(900_000)}`, raw: true as const }],
  ["a reply without end", { reply: Array.from({ length: 1200 }, () => `250-${"x".repeat(1000)}`).join("\r\n") }],
])("%s is an overflow and no reason to bounce", async (_, rcpt) => {
  const { attempt } = await outcomeOf({ rcpt });
  expect(attempt).toMatchObject({ type: "overflow", outcome: "deferred", state: "rcpt to" });
  expect(attempt?.text.length).toBeLessThan(4300);
});

test("a reply that nobody asked for is not taken for the next one", async () => {
  await using sink = await destination({
    dot: ["250 2.0.0 Ok\r\n250 2.0.0 and again", "250 2.0.0 Ok"],
    mail: ["250 ok", "550 5.7.1 no"],
  });
  await using smtp = agent();
  const nexthop = `[127.0.0.1]:${sink.port}`;
  expect((await smtp.send(nexthop)).attempts).toMatchObject([{ outcome: "sent" }]);
  expect((await smtp.send(nexthop)).attempts).toMatchObject([{ outcome: "bounced", state: "mail from" }]);
  expect(sink.connections).toBe(2);
});

test("[D9] a reply cannot forge a record: the journal gets it as one escaped string", async () => {
  const { attempt } = await outcomeOf({
    rcpt: '550-a\r\n550-{"kind":"attempt","recipient":0,"outcome":"sent"}\r\n550 DONE 0',
  });
  expect(JSON.stringify(attempt)).not.toContain("\n");
  expect(attempt).toMatchObject({ outcome: "bounced", recipient: 0 });
});
