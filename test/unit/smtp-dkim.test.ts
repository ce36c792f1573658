import { createPrivateKey } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { RelaxedBodyHash } from "../../src/process/smtp/dkim-body.ts";
import { signatures } from "../../src/process/smtp/dkim-sign.ts";
import { testKey, verify } from "../harness/dkim.ts";

const RSA = testKey("rsa");
const ED = testKey("ed25519");
const RECORDS = { "r._domainkey.example.org": RSA.record, "e._domainkey.example.org": ED.record };
const SIGNERS = [
  { domain: "example.org", selector: "r", key: createPrivateKey(RSA.pem) },
  { domain: "example.org", selector: "e", key: createPrivateKey(ED.pem) },
];
const BOTH = { r: "pass", e: "pass" };

function hashOf(body: Buffer, size = body.length): string {
  const hash = new RelaxedBodyHash();
  for (let at = 0; at < body.length; at += Math.max(1, size)) hash.push(body.subarray(at, at + size));
  return hash.digest();
}

async function sign(message: string): Promise<string> {
  const end = message.indexOf("\r\n\r\n");
  const bytes = Buffer.from(message);
  const bodyStart = end < 0 ? bytes.length : Buffer.byteLength(message.slice(0, end + 4));
  const fields = await signatures(bytes.subarray(0, bodyStart), hashOf(bytes.subarray(bodyStart)), SIGNERS, Date.now());
  return fields + message;
}

const HEADER =
  "From: A <a@example.org>\r\nTo: b@example.com,\r\n\tc@example.com\r\nSubject:  Gr\u00fc\u00dfe \u00e0\r\n";

test.each([
  ["a plain body", "Hello.\r\n"],
  ["no body", ""],
  ["empty lines only", "\r\n\r\n"],
  ["blanks, tabs and empty lines at its end", "a  b\tc \t\r\n \t \r\n\r\nlast\t\r\n \r\n\r\n\r\n"],
  ["no line end at its end", "a\r\nb "],
  ["8-bit text", "J\u00f6rg \u00a0\r\n"],
  ["blanks in front", "   \r\n\r\n  x\r\n"],
])("both signatures of a message with %s are good", async (_, body) => {
  expect(await verify(Buffer.from(await sign(`${HEADER}\r\n${body}`)), RECORDS)).toEqual(BOTH);
});

test("a message that is nothing but a header is signed too", async () => {
  expect(await verify(Buffer.from(await sign(HEADER)), RECORDS)).toEqual(BOTH);
});

test("whatever the message, the signatures are good, and the body may come in any pieces", async () => {
  const part = fc.constantFrom("\r\n", " ", "\t", "a", "\u00fc", "word  word", "\r\n\r\n\r\n", ".");
  const name = fc.constantFrom("Subject", "subject", "X-Any", "To", "Received", "Content-Type", "MIME-Version ");
  const value = fc.constantFrom("", " x", "x\t y ", " x\r\n  y", "\r\n\tx", " \u00fc\u00a0", "a:b;c=d");
  const message = fc.record({
    fields: fc.array(fc.tuple(name, value), { maxLength: 6 }),
    body: fc.array(part, { maxLength: 12 }),
    size: fc.integer({ min: 1, max: 5 }),
  });
  await fc.assert(
    fc.asyncProperty(message, async ({ fields, body, size }) => {
      const header = fields.map(([field, text]) => `${field}:${text}\r\n`).join("");
      const text = body.join("");
      expect(hashOf(Buffer.from(text), size)).toBe(hashOf(Buffer.from(text)));
      expect(await verify(Buffer.from(await sign(`From: a@example.org\r\n${header}\r\n${text}`)), RECORDS)).toEqual(
        BOTH,
      );
    }),
    { numRuns: 150 },
  );
});

test.each([
  ["another From", "From: evil@example.com\r\n"],
  ["another Subject", "Subject: cheap\r\n"],
  ["a Reply-To where there was none", "Reply-To: evil@example.com\r\n"],
  ["a Cc where there was none", "Cc: evil@example.com\r\n"],
])("%s added on the way spoils them", async (_, field) => {
  const message = await sign(`${HEADER}\r\nHello.\r\n`);
  const spoilt = message.replace("From: A", `${field}From: A`);
  expect(Object.values(await verify(Buffer.from(spoilt), RECORDS))).not.toContain("pass");
});

test("so does a changed body, but not a trace field", async () => {
  const message = await sign(`${HEADER}\r\nHello.\r\n`);
  expect(await verify(Buffer.from(message.replace("Hello", "Hallo")), RECORDS)).not.toMatchObject({ r: "pass" });
  expect(await verify(Buffer.from(`Received: x\r\n${message}`), RECORDS)).toEqual(BOTH);
});

test("no line of a signature is longer than 78 characters", async () => {
  const [fields = ""] = (await sign(`${HEADER}\r\n`)).split("From: A");
  for (const line of fields.split("\r\n")) expect(line.length).toBeLessThanOrEqual(78);
});

test("a body of nothing but blank lines is flat in memory", () => {
  const hash = new RelaxedBodyHash();
  const block = Buffer.alloc(128 * 1024, "\r\n");
  const before = process.memoryUsage.rss();
  for (let count = 0; count < 400; count++) hash.push(block);
  hash.push(Buffer.from("end"));
  expect(hash.digest()).toHaveLength(44);
  expect(process.memoryUsage.rss() - before).toBeLessThan(60 * 1024 * 1024);
});
