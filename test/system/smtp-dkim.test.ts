import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { agent, type Letter, streamed } from "../harness/delivering.ts";
import { destination, type DestinationOptions } from "../harness/destination.ts";
import { testKey, verify } from "../harness/dkim.ts";

const RSA = testKey("rsa");
const ED = testKey("ed25519");
const RECORDS = { "r._domainkey.example.org": RSA.record, "e._domainkey.example.org": ED.record };
const TEXT = "From: Alice <alice@example.org>\r\nSubject: hi\r\n\r\nHello.\r\n";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "sces-dkim-"));
  mkdirSync(join(directory, "example.org"));
  writeFileSync(join(directory, "example.org", "r.pem"), RSA.pem, { mode: 0o600 });
  writeFileSync(join(directory, "ed.pem"), ED.pem, { mode: 0o600 });
  writeFileSync(join(directory, "open.pem"), ED.pem, { mode: 0o644 });
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function send(letter: Letter, answers: DestinationOptions = {}, keys = "example.org=r,e:ed.pem") {
  await using sink = await destination(answers);
  await using smtp = agent({
    dkim_sign_maps: `inline:{{${keys}}}`,
    dkim_key_directory: directory,
    mynetworks: "192.0.2.0/24",
  });
  const { attempts, fault } = await smtp.send(`[127.0.0.1]:${sink.port}`, letter);
  const data = sink.messages[0]?.data ?? Buffer.alloc(0);
  return { attempts, fault, data, text: data.toString(), checked: await verify(data, RECORDS), sink };
}

test("mail of ours is signed by every key of its domain, and nothing else of it changes", async () => {
  const { checked, text } = await send({ text: TEXT });
  expect(checked).toEqual({ r: "pass", e: "pass" });
  expect(text.endsWith(TEXT)).toBe(true);
  expect(text.slice(0, -TEXT.length).match(/^DKIM-Signature: /gm)).toHaveLength(2);
});

test.each([
  ["from a client in mynetworks is", "192.0.2.9", { r: "pass", e: "pass" }],
  ["from a stranger is not", "198.51.100.9", { none: "none" }],
])("mail %s signed", async (_, address, expected) => {
  const client = { address, helo: "client.test" };
  expect((await send({ text: TEXT, envelope: { client } })).checked).toEqual(expected);
});

test("mail from another domain is not signed, that from a subdomain by .example.org is, as example.org", async () => {
  const text = TEXT.replace("@example.org", "@Sub.Example.org");
  expect((await send({ text })).checked).toEqual({ none: "none" });
  const { checked, text: sent } = await send({ text }, {}, ".example.org=r");
  expect(checked).toEqual({ r: "pass" });
  expect(sent).toContain("d=example.org;");
});

test("a large message is signed, read in blocks", async () => {
  const text = `${TEXT}${"line of text  with blanks \r\n".repeat(20_000)}\r\n\r\n`;
  const { checked, text: sent } = await send({ content: streamed(text, [40, 7, 65_536]) });
  expect(checked).toEqual({ r: "pass", e: "pass" });
  expect(sent.endsWith(text)).toBe(true);
});

test.each(["in memory", "streamed"])("what is signed is what goes out: converted, lines broken (%s)", async (how) => {
  const text = `${TEXT}J\u00f6rg\r\n${"x".repeat(2000)}\r\n.\r\n`;
  const content = how === "streamed" ? { content: streamed(text, [50]) } : { text };
  const converted = await send(content, { extensions: ["PIPELINING"] });
  expect(converted.text).toContain("J=C3=B6rg");
  expect(converted.checked).toEqual({ r: "pass", e: "pass" });
  const broken = await send(content);
  expect(broken.text).toContain("x\r\n x");
  expect(broken.checked).toEqual({ r: "pass", e: "pass" });
});

test.each([
  ["is not there", "example.org=none", /none\.pem cannot be used: ENOENT/],
  [
    "others can read",
    "example.org=e:open.pem",
    /open\.pem can be read by others than its owner \(mode 0644\): chmod 600 it/,
  ],
  ["has no selector that is one", "example.org=-x", /bad DKIM key: -x/],
])("while a key %s the mail waits, and its destination is not blamed", async (_, keys, reason) => {
  const { attempts, fault, sink } = await send({ text: TEXT }, {}, keys);
  expect(attempts).toMatchObject([{ outcome: "deferred", dsn: "4.3.5", text: expect.stringMatching(reason) }]);
  expect(fault).toBeUndefined();
  expect(sink.messages).toEqual([]);
});
