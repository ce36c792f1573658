/** smtpd in the whole system: what came in odd goes out straight, and a large message makes nobody large. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { destination } from "../harness/destination.ts";
import { instance } from "../harness/instance.ts";
import { dialogue } from "../harness/smtp-dialogue.ts";

test("[A14] what some servers take for the end of a message leaves us as one message each", async (context) => {
  await using sink = await destination();
  await using sces = await instance(
    { relayhost: `[127.0.0.1]:${sink.port}`, smtp_tls_security_level: "none" },
    { test: context },
  );
  const ends = ["\n.\n", "\n.\r\n", "\r\n.\n", "\n.\r", "\r.\r", "\r.\r\n", "\r\n.\r", "\r.\n", "..", "\r\n..\r\n"];
  await using client = await dialogue(sces.smtpPort);
  await client.hello();
  for (const [index, end] of ends.entries()) {
    const content = `Subject: ${index}\r\n\r\nfirst${end}MAIL FROM:<evil@sender.test>\r\nRCPT TO:<victim@x.test>\r\nDATA\r\nmore`;
    await client.mail("a@sender.test", [`r${index}@x.test`], content);
  }
  const messages = await sink.waitFor(ends.length);
  expect(messages).toHaveLength(ends.length);
  expect(messages.flatMap((message) => message.recipients).sort()).toEqual(ends.map((_, index) => `r${index}@x.test`));
  // On the wire a message has no bare CR or LF and exactly one end.
  const wire = Array.from({ length: sink.connections }, (_, index) => sink.bytes(index + 1).toString("latin1")).join(
    "",
  );
  expect(wire).not.toMatch(/(^|[^\r])\n|\r(?!\n)/);
  expect(wire.split("\r\n.\r\n").length - 1).toBe(ends.length);
});

test("a message of 100 MB grows smtpd by less than 20 MB", async (context) => {
  await using sces = await instance(
    { relayhost: "[127.0.0.1]:9", message_size_limit: "110m", queue_minfree: "1" },
    { test: context },
  );
  await using client = await dialogue(sces.smtpPort, { timeoutMs: 30_000 });
  await client.hello();
  const pid = sces.pids().find((one) => one.name === "smtpd")?.pid;
  const memory = (name: string) => {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    return Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]);
  };
  await client.mail("a@sender.test", ["r@x.test"], "Subject: warm up\r\n\r\nbody");
  const before = memory("VmRSS");
  await client.ask("MAIL FROM:<a@sender.test>", "250");
  await client.ask("RCPT TO:<r@x.test>", "250");
  await client.ask("DATA", "354");
  const block = Buffer.from(`${"x".repeat(76)}\r\n`.repeat(12_820)); // about 1 MB
  await client.send("Subject: large\r\n\r\n");
  let highest = 0;
  for (let count = 0; count < 100; count++) {
    await client.send(block);
    highest = Math.max(highest, memory("VmRSS"));
  }
  await client.send(".\r\n");
  await client.expect("250 2.0.0 Ok: queued as ");
  expect(Math.max(highest, memory("VmRSS")) - before).toBeLessThan(20 * 1024);
});
