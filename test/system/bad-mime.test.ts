/** Messages that were made to take long: whatever they hold, no turn of the event loop is held up for long by them. */
import { expect, test } from "vitest";
import { openContent } from "../../src/spool/file.ts";
import { agent } from "../harness/delivering.ts";
import { destination } from "../harness/destination.ts";
import { pick } from "../harness/picking.ts";
import { useSpool } from "../harness/spool.ts";
import { spooled } from "../harness/spooled.ts";
import { longestTurn } from "../fuzz/turns.ts";

useSpool();

const MEMORY_BYTES = 256 * 1024; // as src/process/smtp/main.ts has it
const LONGEST_MS = 100; // of CPU time
const WITHOUT_8BITMIME = ["PIPELINING", "SIZE 100000000"];

/** `length`: at least so many bytes of it. */
const many = (unit: string, length: number) => unit.repeat(Math.ceil(length / unit.length));
const part = "--b\r\nContent-Type: text/plain\r\n\r\nü\r\n";
const multipart = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
const nested = (depth: number) =>
  Array.from({ length: depth }, (_, at) => `Content-Type: multipart/mixed; boundary=b${at}\r\n\r\n--b${at}\r\n`).join(
    "",
  );

const MESSAGES: readonly (readonly [string, string])[] = [
  ["twenty thousand parts", `${multipart}${part.repeat(20_000)}--b--\r\n`],
  ["parts within parts, 20,000 deep", `${nested(20_000)}ü\r\n`],
  ["HTML that is all div", `Content-Type: text/html\r\n\r\nü${many("<div>", 1_000_000)}\r\n`],
  ["a line of 2 MB", `Subject: x\r\n\r\n${many("ü", 1_000_000)}\r\n`],
  ["lines of nothing but dots", `Subject: x\r\n\r\nü\r\n${many("..\r\n", 400_000)}`],
  ["boundaries that are none", `${multipart}ü\r\n${many("--b x\r\n", 400_000)}`],
  ["a header of 50,000 fields", `${many("X: y\r\n", 300_000)}\r\nü\r\n`],
];

/** Delivers it twice, as it comes from the spool, if the first time took too long: the second time all is compiled. */
async function deliver(text: Buffer): Promise<{ longestMs: number; outcome: string | undefined }> {
  await using sink = await destination({ extensions: WITHOUT_8BITMIME, forget: true });
  await using smtp = agent();
  const id = await spooled("incoming", { content: text.toString("latin1"), encoding: "latin1" });
  let outcome: string | undefined;
  const send = async () => {
    const content = openContent(`incoming/${id}`, MEMORY_BYTES);
    const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`, { content });
    outcome = attempts[0]?.outcome;
  };
  let longestMs = await longestTurn(send);
  if (longestMs >= LONGEST_MS) longestMs = await longestTurn(send);
  return { longestMs, outcome };
}

test.each(MESSAGES)("[E11] %s, sent to a server without 8BITMIME", async (_, text) => {
  const { longestMs, outcome } = await deliver(Buffer.from(text));
  expect(longestMs).toBeLessThan(LONGEST_MS);
  expect(["sent", "bounced"]).toContain(outcome);
});

test("[E11] as many parts as are read into memory, sent to such a server", async () => {
  const { longestMs, outcome } = await deliver(Buffer.from(MESSAGES[0]?.[1] ?? "").subarray(0, MEMORY_BYTES));
  expect(longestMs).toBeLessThan(LONGEST_MS);
  expect(outcome).toBe("sent");
});

test.each(MESSAGES.slice(0, 2))("[E11] %s, dropped as a file", async (_, text) => {
  const take = async () => void (await pick("a.eml", `X-Sender: <>\r\nX-Receiver: <b@two.test>\r\n${text}`));
  let longestMs = await longestTurn(take);
  if (longestMs >= LONGEST_MS) longestMs = await longestTurn(take);
  expect(longestMs).toBeLessThan(LONGEST_MS);
});
