import { expect, test } from "vitest";
import { agent } from "../harness/delivering.ts";
import { destination, type Step } from "../harness/destination.ts";

const to = Array.from({ length: 7 }, (_, index) => `user${index}@e.org`);

/** A server that takes so many recipients for each MAIL. */
function atMost(limit: number, reply: string): { mail: Step; rcpt: Step } {
  let named = 0;
  return {
    mail: () => {
      named = 0;
      return undefined;
    },
    rcpt: () => (++named > limit ? reply : undefined),
  };
}

test.each([
  ["452 4.5.3 Too many recipients", ["PIPELINING"]],
  ["452 4.5.3 Too many recipients", []],
  ["452 too much", ["PIPELINING"]],
  ["451 4.5.3 Too many recipients: Too many recipients", ["PIPELINING"]], // OpenSMTPD
  ["552 5.5.3 enough", ["PIPELINING"]],
])(
  "recipients refused by %j get another transaction at once, on the same connection (%j)",
  async (reply, extensions) => {
    await using sink = await destination({ extensions, ...atMost(3, reply) });
    await using smtp = agent();
    const { attempts, fault } = await smtp.send(`[127.0.0.1]:${sink.port}`, { to });
    expect(attempts.map(({ outcome, attempt, use }) => [outcome, attempt, use])).toEqual([
      ...Array.from({ length: 3 }, () => ["sent", 1, undefined]),
      ...Array.from({ length: 3 }, () => ["sent", 1, 2]),
      ["sent", 1, 3],
    ]);
    expect(fault).toBeUndefined();
    expect(sink.messages.map(({ recipients }) => recipients.length)).toEqual([3, 3, 1]);
    expect(sink.connections).toBe(1);
  },
);

test("there is no further transaction after one that sent the message to nobody", async () => {
  await using sink = await destination({ rcpt: "452 4.5.3 Too many recipients" });
  await using smtp = agent();
  const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`, { to });
  expect(new Set(attempts.map(({ outcome, dsn }) => `${outcome} ${dsn}`))).toEqual(new Set(["deferred 4.5.3"]));
  expect(sink.commands.filter((line) => line.startsWith("MAIL"))).toHaveLength(1);
});

test("a full mailbox is no reason for a further transaction", async () => {
  await using sink = await destination({ rcpt: ["250 ok", "452 4.2.2 mailbox full", "552 5.2.2 mailbox full"] });
  await using smtp = agent();
  const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`, { to: to.slice(0, 3) });
  expect(attempts.map(({ outcome }) => outcome)).toEqual(["sent", "deferred", "bounced"]);
  expect(sink.messages).toHaveLength(1);
});

test("a recipient that was one too many waits when the message is put off, also by a 552", async () => {
  await using sink = await destination({ ...atMost(1, "552 too many recipients"), dot: "451 4.7.1 later" });
  await using smtp = agent();
  const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`, { to: to.slice(0, 2) });
  expect(attempts.map(({ outcome }) => outcome)).toEqual(["deferred", "deferred"]);
});

test("a connection lost in the further transaction costs no attempt, and the rest goes over another", async () => {
  await using sink = await destination({
    ...atMost(5, "452 4.5.3 Too many recipients"),
    data: ["354 go ahead", { reply: "", end: "close" }, "354 go ahead"],
  });
  await using smtp = agent();
  const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`, { to });
  expect(attempts.every(({ outcome }) => outcome === "sent")).toBe(true);
  expect(sink.messages.map(({ recipients, connection }) => [recipients.length, connection])).toEqual([
    [5, 1],
    [2, 2],
  ]);
});

test.each([
  ["452 4.5.3 Too many recipients: Too many messages sent", ["PIPELINING"]], // OpenSMTPD, smtp limit max-mails
  ["452 4.5.3 Too many recipients: Too many messages sent", []],
  ["450 too many messages in this session", ["PIPELINING"]],
])(
  "%j to the MAIL of a used connection is about the connection: the next one takes the message (%j)",
  async (reply, extensions) => {
    let carried = 0;
    await using sink = await destination({
      extensions,
      greeting: () => {
        carried = 0;
        return undefined;
      },
      mail: () => (++carried > 1 ? reply : undefined),
    });
    await using smtp = agent();
    for (let count = 0; count < 3; count++) {
      expect((await smtp.send(`[127.0.0.1]:${sink.port}`)).attempts).toMatchObject([{ outcome: "sent", attempt: 1 }]);
    }
    expect(sink.messages.map(({ connection }) => connection)).toEqual([1, 2, 3]);
  },
);

test("the same to the first MAIL of a connection puts the mail off", async () => {
  await using sink = await destination({ mail: "452 4.5.3 Too many messages sent" });
  await using smtp = agent();
  const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`);
  expect(attempts).toMatchObject([{ outcome: "deferred", dsn: "4.5.3", state: "mail from" }]);
  expect(sink.connections).toBe(1);
});
