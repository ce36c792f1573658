import { expect, test } from "vitest";
import { agent, streamed } from "../harness/delivering.ts";
import { destination } from "../harness/destination.ts";
import { nameServer } from "../harness/dns.ts";

type Sent = Awaited<ReturnType<ReturnType<typeof agent>["send"]>>;
const said = ({ transcript }: Sent) =>
  transcript?.sessions.map(({ lines }) => lines.map(([, who, text]) => `${who}: ${text}`));
const OPENING = ["*: connected from 127.0.0.1", "S: 220 destination.test ESMTP", "C: EHLO sces.test"];
const FROM = "C: MAIL FROM:<alice@example.com>";

test("a delivery that failed tells what was said, once for all of its recipients", async () => {
  await using sink = await destination({
    extensions: ["PIPELINING"],
    rcpt: ["250 2.1.5 Ok", "450 4.2.0 later", "550 5.1.1 no"],
  });
  await using smtp = agent();
  const sent = await smtp.send(`[127.0.0.1]:${sink.port}`, { to: ["a@e.org", "b@e.org", "c@e.org"] });
  expect(sent.transcript).toMatchObject({
    kind: "transcript",
    recipients: [1, 2],
    sessions: [{ host: "127.0.0.1", address: "127.0.0.1", port: sink.port }],
  });
  expect(said(sent)).toEqual([
    [
      ...OPENING,
      "S: 250-destination.test",
      "S: 250 PIPELINING",
      FROM,
      "C: RCPT TO:<a@e.org>",
      "C: RCPT TO:<b@e.org>",
      "C: RCPT TO:<c@e.org>",
      "C: DATA",
      "S: 250 2.1.0 Ok",
      "S: 250 2.1.5 Ok",
      "S: 450 4.2.0 later",
      "S: 550 5.1.1 no",
      "S: 354 go ahead",
      "C: [content, 25 bytes]",
      "C: .",
      "S: 250 2.0.0 Ok: queued as 1",
    ],
  ]);
});

test("a delivery that did not fail tells nothing, nor does any with smtp_transcript_limit = 0", async () => {
  await using sink = await destination({ dot: ["250 ok", "450 no"] });
  await using smtp = agent();
  await using quiet = agent({ smtp_transcript_limit: "0" });
  expect((await smtp.send(`[127.0.0.1]:${sink.port}`)).transcript).toBeUndefined();
  const refused = await quiet.send(`[127.0.0.1]:${sink.port}`);
  expect(refused.attempts).toMatchObject([{ outcome: "deferred" }]);
  expect(refused.transcript).toBeUndefined();
});

test("every host that was tried has its session, also one that nobody reached", async () => {
  await using dns = await nameServer({
    "e.org": {
      mx: [
        [10, "mx1.e.org"],
        [20, "mx2.e.org"],
      ],
    },
    "mx1.e.org": { a: ["127.0.0.1"] },
    "mx2.e.org": { a: ["127.0.0.2"] },
  });
  await using sink = await destination({ host: "127.0.0.2", greeting: "421 4.3.2 busy" });
  await using smtp = agent({ dns_servers: `127.0.0.1:${dns.port}` });
  const sent = await smtp.send(`e.org:${sink.port}`);
  expect(said(sent)).toEqual([
    [`*: connect to mx1.e.org[127.0.0.1]:${sink.port}: Connection refused`],
    [
      "*: connected from 127.0.0.1",
      "S: 421 4.3.2 busy",
      "*: host mx2.e.org[127.0.0.2] refused to talk to me: 421 4.3.2 busy",
    ],
  ]);
});

test("both connections of a host are in one: with TLS that failed, and without", async () => {
  await using sink = await destination({ extensions: [], tls: "garbage", mail: "450 no" });
  await using smtp = agent();
  const [lines] = said(await smtp.send(`[127.0.0.1]:${sink.port}`)) ?? [];
  expect(lines?.filter((line) => !/^S: 250|EHLO/.test(line))).toEqual([
    ...OPENING.slice(0, 2),
    "C: STARTTLS",
    "S: 220 2.0.0 Ready to start TLS",
    expect.stringMatching(/^\*: Cannot start TLS: handshake failure/),
    "*: again without TLS",
    ...OPENING.slice(0, 2),
    FROM,
    "S: 450 no",
  ]);
});

test("the second message over a connection has none of the first one's words", async () => {
  await using sink = await destination({ tls: true, mail: ["250 ok", "450 no"] });
  await using smtp = agent();
  await smtp.send(`[127.0.0.1]:${sink.port}`, { to: ["first@e.org"] });
  const [lines] = said(await smtp.send(`[127.0.0.1]:${sink.port}`, { to: ["second@e.org"] })) ?? [];
  expect(lines?.slice(0, 2)).toEqual(OPENING.slice(0, 2));
  expect(lines?.join("\n")).toMatch(
    /\n\*: TLS: TLSv1\.3 TLS_[\s\S]*\n\*: 1 earlier message over this connection\nC: MAIL/,
  );
  expect(lines?.join("\n")).toContain("second@e.org");
  expect(lines?.join("\n")).not.toContain("first@e.org");
});

test("of a large message the bytes are counted, and the trouble that ended it is told", async () => {
  await using sink = await destination({ dot: { reply: "", end: "close" } });
  await using smtp = agent();
  const content = streamed(Buffer.alloc(3_000_000, "0123456789abcdef\r\n"), [65_536]);
  const [lines] = said(await smtp.send(`[127.0.0.1]:${sink.port}`, { content })) ?? [];
  expect(lines?.slice(-3)).toEqual([
    expect.stringMatching(/^C: \[content, 30000\d\d bytes\]$/),
    "C: .",
    "*: lost connection with 127.0.0.1[127.0.0.1] while sending end of data -- message may be sent more than once",
  ]);
});

test("what a server says may be long: it is cut to smtp_transcript_limit", async () => {
  const long = Array.from({ length: 300 }, (_, index) => `550-5.7.1 ${index} ${"x".repeat(500)}`).join("\r\n");
  await using sink = await destination({ rcpt: `${long}\r\n550 5.7.1 end` });
  await using smtp = agent({ smtp_transcript_limit: "2k" });
  const to = Array.from({ length: 40 }, (_, index) => `${index}@e.org`);
  const { transcript } = await smtp.send(`[127.0.0.1]:${sink.port}`, { to });
  expect(JSON.stringify(transcript).length).toBeLessThan(2500);
});
