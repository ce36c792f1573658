import { expect, test } from "vitest";
import { agent, SHORT_TEXT } from "../harness/delivering.ts";
import { destination } from "../harness/destination.ts";
import { pause, until } from "../harness/until.ts";

test("the next message to the same destination goes over the same connection, and is counted", async () => {
  await using sink = await destination();
  await using smtp = agent();
  for (let count = 1; count <= 3; count++) {
    const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`);
    expect(attempts[0]?.use).toBe(count === 1 ? undefined : count);
  }
  expect(sink.connections).toBe(1);
  expect(sink.commands.filter((line) => /^(RSET|NOOP|QUIT)/.test(line))).toEqual([]);
});

test("another destination gets its own connection", async () => {
  await using one = await destination();
  await using other = await destination();
  await using smtp = agent();
  await smtp.send(`[127.0.0.1]:${one.port}`);
  await smtp.send(`[127.0.0.1]:${other.port}`);
  expect([one.connections, other.connections]).toEqual([1, 1]);
});

test("an unused connection is closed with QUIT after smtp_connection_cache_time_limit", async () => {
  await using sink = await destination();
  await using smtp = agent({ smtp_connection_cache_time_limit: "100ms" });
  await smtp.send(`[127.0.0.1]:${sink.port}`);
  expect(smtp.deliverer.idleConnections).toBe(1);
  await until("QUIT", () => sink.commands.includes("QUIT"));
  await until("the end of the connection", () => sink.open === 0);
  expect(smtp.deliverer.idleConnections).toBe(0);
});

test("a connection is not used longer than smtp_connection_reuse_time_limit", async () => {
  await using sink = await destination();
  await using smtp = agent({ smtp_connection_reuse_time_limit: "60ms" });
  await smtp.send(`[127.0.0.1]:${sink.port}`);
  await pause(80);
  await smtp.send(`[127.0.0.1]:${sink.port}`);
  expect(sink.connections).toBe(2);
});

test("a connection is used for smtp_connection_reuse_count_limit messages", async () => {
  await using sink = await destination();
  await using smtp = agent({ smtp_connection_reuse_count_limit: "2" });
  for (let count = 0; count < 5; count++) await smtp.send(`[127.0.0.1]:${sink.port}`);
  expect(sink.messages.map((message) => message.connection)).toEqual([1, 1, 2, 2, 3]);
});

test.each(["close", "reset"] as const)(
  "a connection that the server ended while it was unused (%s) costs no attempt",
  async (how) => {
    await using sink = await destination();
    await using smtp = agent();
    await smtp.send(`[127.0.0.1]:${sink.port}`);
    sink.drop(how);
    const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`);
    expect(attempts).toMatchObject([{ outcome: "sent" }]);
    expect(attempts[0]).not.toHaveProperty("use");
  },
);

test.each([
  ["hangs up on MAIL", { mail: [{}, { reply: "", end: "close" }, {}] }],
  ["hangs up on RCPT", { rcpt: [{}, { reply: "", end: "reset" }, {}] }],
  ["hangs up on DATA", { data: [{}, { reply: "", end: "close" }, {}] }],
  ["says 421 to MAIL", { mail: ["250 ok", { reply: "421 4.4.2 enough", end: "close" }, "250 ok"] }],
  ["talks nonsense to MAIL", { mail: ["250 ok", "what", "250 ok"] }],
  ["is half open at MAIL", { mail: ["250 ok", { reply: "", end: "hang" }, "250 ok"] }],
] as const)("a used connection that %s costs no attempt either", async (_, answers) => {
  await using sink = await destination(answers);
  await using smtp = agent({ smtp_mail_timeout: "100ms" });
  await smtp.send(`[127.0.0.1]:${sink.port}`);
  const { attempts, fault, dots } = await smtp.send(`[127.0.0.1]:${sink.port}`);
  expect(attempts).toMatchObject([{ outcome: "sent" }]);
  expect(fault).toBeUndefined();
  expect(dots).toBe(1);
  expect(sink.connections).toBe(2);
});

test("a used connection that is lost after the final dot costs an attempt", async () => {
  await using sink = await destination({ dot: [{}, { reply: "", end: "close" }] });
  await using smtp = agent();
  await smtp.send(`[127.0.0.1]:${sink.port}`);
  expect((await smtp.send(`[127.0.0.1]:${sink.port}`)).attempts).toMatchObject([
    { type: "lost", outcome: "deferred", use: 2 },
  ]);
  expect(sink.connections).toBe(2 - 1);
});

test.each(["421 4.4.2 idle too long", "250 2.0.0 Ok", "what"])(
  "said unasked on an unused connection, %j ends it",
  async (word) => {
    await using sink = await destination();
    await using smtp = agent();
    await smtp.send(`[127.0.0.1]:${sink.port}`);
    sink.say(`${word}\r\n`);
    await until("the connection to be forgotten", () => smtp.deliverer.idleConnections === 0);
    expect((await smtp.send(`[127.0.0.1]:${sink.port}`)).attempts).toMatchObject([{ outcome: "sent" }]);
  },
);

test("half a line said unasked is not taken for the beginning of the next reply", async () => {
  await using sink = await destination();
  await using other = await destination();
  await using smtp = agent();
  await smtp.send(`[127.0.0.1]:${sink.port}`);
  sink.say("550 5.7.1 ");
  await smtp.send(`[127.0.0.1]:${other.port}`); // meanwhile it has been heard
  expect((await smtp.send(`[127.0.0.1]:${sink.port}`)).attempts).toMatchObject([{ outcome: "sent" }]);
  expect(sink.connections).toBe(2);
});

test("a delivery that waits for its connection takes one that becomes free", async () => {
  // The second connection never gets its greeting: only the first one can carry the second message.
  await using sink = await destination({ greeting: [{}, { reply: "", end: "hang" }], dot: { delayMs: 30 } });
  await using smtp = agent();
  const nexthop = `[127.0.0.1]:${sink.port}`;
  const first = smtp.send(nexthop);
  await until("the first connection", () => sink.commands.length > 0);
  const results = await Promise.all([first, smtp.send(nexthop)]);
  expect(results.map(({ attempts }) => attempts[0]?.use)).toEqual([undefined, 2]);
  expect(sink.messages.map((message) => message.connection)).toEqual([1, 1]);
});

test("many deliveries at once all arrive, each once", async () => {
  await using sink = await destination({ rcpt: ({ count }) => (count % 7 === 0 ? "450 4.2.0 later" : undefined) });
  await using smtp = agent();
  const all = await Promise.all(
    Array.from({ length: 60 }, (_, index) =>
      smtp.send(`[127.0.0.1]:${sink.port}`, { text: `X: ${index}\r\n\r\n${SHORT_TEXT}` }),
    ),
  );
  const sent = all.filter(({ attempts }) => attempts[0]?.outcome === "sent").length;
  expect(sink.messages.length).toBe(sent);
  expect(new Set(sink.messages.map(({ data }) => data.toString())).size).toBe(sent);
});

test("stop ends the unused connections with QUIT", async () => {
  await using sink = await destination();
  await using smtp = agent();
  await smtp.send(`[127.0.0.1]:${sink.port}`);
  smtp.deliverer.stop();
  await until("QUIT", () => sink.commands.at(-1) === "QUIT" && sink.open === 0);
});
