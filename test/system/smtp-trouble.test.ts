import { expect, test } from "vitest";
import { freePort } from "../harness/free-port.ts";
import { agent, streamed } from "../harness/delivering.ts";
import { destination, type DestinationOptions } from "../harness/destination.ts";

const H = "127.0.0.1[127.0.0.1]";

async function outcomeOf(answers: DestinationOptions, settings: Record<string, string> = {}) {
  await using sink = await destination(answers);
  await using smtp = agent(settings);
  const result = await smtp.send(`[127.0.0.1]:${sink.port}`);
  return { ...result, attempt: result.attempts[0], log: smtp.log.lines, accepted: sink.messages.length };
}

test("all commands together end at smtp_delivery_timeout", async () => {
  const { attempt } = await outcomeOf(
    { mail: { delayMs: 450 }, rcpt: { delayMs: 450 }, data: { delayMs: 450 } },
    { smtp_delivery_timeout: "1s" },
  );
  expect(attempt).toMatchObject({ type: "timeout", outcome: "deferred" });
});

test("a server that stops reading ends at smtp_data_xfer_timeout", async () => {
  await using sink = await destination({ stall: true });
  await using smtp = agent({ smtp_data_xfer_timeout: "200ms" });
  const text = Buffer.alloc(16 * 1024 * 1024, "0123456789abcdef\r\n");
  const { attempts, dots } = await smtp.send(`[127.0.0.1]:${sink.port}`, { content: streamed(text, [65_536]) });
  expect(attempts).toMatchObject([
    { type: "timeout", outcome: "deferred", text: `conversation with ${H} timed out while sending message body` },
  ]);
  expect(dots).toBe(0);
});

test("a refused connection is logged and reported as Postfix does", async () => {
  const port = await freePort();
  await using smtp = agent();
  const { attempts, fault } = await smtp.send(`[127.0.0.1]:${port}`);
  const text = `connect to ${H}:${port}: Connection refused`;
  expect(attempts).toMatchObject([
    { type: "refused", outcome: "deferred", dsn: "4.4.1", state: "connect", text, to: "127.0.0.1", port },
  ]);
  expect(smtp.log.lines).toEqual([text]);
  expect(fault).toBe(text);
});

test("a source address that is not ours returns the mail, as no wait makes it ours", async () => {
  await using sink = await destination();
  await using smtp = agent({ smtp_bind_address: "192.0.2.77" });
  const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`);
  expect(attempts).toMatchObject([{ type: "bind", outcome: "bounced", dsn: "5.3.5" }]);
});

test("the source address is the one that is set", async () => {
  await using sink = await destination();
  await using smtp = agent({ smtp_bind_address: "127.0.0.9" });
  expect((await smtp.send(`[127.0.0.1]:${sink.port}`)).attempts).toMatchObject([
    { outcome: "sent", from: "127.0.0.9" },
  ]);
});

test("a 5xx greeting bounces if smtp_skip_5xx_greeting says so", async () => {
  const { attempt } = await outcomeOf({ greeting: "554 5.7.1 go away" }, { smtp_skip_5xx_greeting: "no" });
  expect(attempt).toMatchObject({
    type: "noaccess",
    outcome: "bounced",
    dsn: "5.7.1",
    text: `host ${H} refused to talk to me: 554 5.7.1 go away`,
  });
});

test("EHLO refused falls back to HELO, and both refused is no access", async () => {
  await using sink = await destination({ ehlo: "502 5.5.2 what" });
  await using smtp = agent();
  expect((await smtp.send(`[127.0.0.1]:${sink.port}`, { to: ["a@e.org", "b@e.org"] })).attempts).toMatchObject([
    { outcome: "sent" },
    { outcome: "sent" },
  ]);
  expect(sink.commands.slice(0, 3)).toEqual(["EHLO sces.test", "HELO sces.test", "MAIL FROM:<alice@example.com>"]);

  const { attempt } = await outcomeOf({ ehlo: "502 5.5.2 what", helo: "501 5.5.4 no" });
  expect(attempt).toMatchObject({ type: "noaccess", outcome: "deferred", state: "helo", dsn: "4.5.4" });
});

test("a refusal that comes while the message is on its way is heard", async () => {
  await using sink = await destination({
    body: (bytes) => (bytes > 200_000 ? { reply: "552 5.2.3 too much", end: "close" } : undefined),
  });
  await using smtp = agent();
  const content = streamed(Buffer.alloc(8 * 1024 * 1024, "0123456789abcdef\r\n"), [65_536]);
  const { attempts, dots } = await smtp.send(`[127.0.0.1]:${sink.port}`, { content });
  expect(attempts).toMatchObject([{ type: "error", outcome: "bounced", code: 552, dsn: "5.2.3" }]);
  expect(dots).toBe(0);
});

test("a delivery that is given up before the final dot leaves no trace", async () => {
  const controller = new AbortController();
  await using sink = await destination({
    rcpt() {
      controller.abort();
      return { reply: "250 ok", delayMs: 30 };
    },
  });
  await using smtp = agent();
  const { attempts, dots } = await smtp.send(`[127.0.0.1]:${sink.port}`, { signal: controller.signal });
  expect(attempts).toEqual([]);
  expect(dots).toBe(0);
  expect(sink.messages).toEqual([]);
});

test("a delivery past the final dot is carried to its end", async () => {
  const controller = new AbortController();
  await using sink = await destination({
    dot() {
      controller.abort();
      return { delayMs: 30 };
    },
  });
  await using smtp = agent();
  const { attempts, dots } = await smtp.send(`[127.0.0.1]:${sink.port}`, { signal: controller.signal });
  expect(attempts).toMatchObject([{ outcome: "sent" }]);
  expect(dots).toBe(1);
});

test("a delivery that is given up while connecting ends at once", async () => {
  const controller = new AbortController();
  await using sink = await destination({ greeting: { reply: "" } });
  await using smtp = agent();
  setTimeout(() => controller.abort(), 20);
  expect((await smtp.send(`[127.0.0.1]:${sink.port}`, { signal: controller.signal })).attempts).toEqual([]);
});
