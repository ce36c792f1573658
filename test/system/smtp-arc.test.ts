import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { authenticate } from "mailauth";
import { afterAll, beforeAll, expect, test } from "vitest";
import { agent, type Letter, streamed } from "../harness/delivering.ts";
import { destination, type DestinationOptions } from "../harness/destination.ts";
import { longestTurn } from "../fuzz/turns.ts";
import { testKey } from "../harness/dkim.ts";
import { nameServer, type Zones } from "../harness/dns.ts";

const KEY = testKey("rsa");
const CLIENT = { address: "198.51.100.9", helo: "out.example.org" };
const TEXT = "From: Alice <alice@example.org>\r\nSubject: hi\r\n\r\nHello.\r\n";
const SPF = { "example.org": { txt: ["v=spf1 ip4:198.51.100.9 -all"] } };

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "sces-arc-"));
  mkdirSync(join(directory, "relay.test"));
  writeFileSync(join(directory, "relay.test", "s.pem"), KEY.pem, { mode: 0o600 });
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Setup {
  readonly zones?: Zones;
  readonly answers?: DestinationOptions;
  readonly settings?: Readonly<Record<string, string>>;
}

async function send(letter: Letter, { zones = SPF, answers = {}, settings = {} }: Setup = {}) {
  await using sink = await destination(answers);
  await using dns = await nameServer({ ...zones, "s._domainkey.relay.test": { txt: [KEY.record] } });
  await using smtp = agent({
    dns_servers: `127.0.0.1:${dns.port}`,
    arc_sign_domain: "relay.test",
    arc_sign_selector: "s",
    dkim_key_directory: directory,
    ...settings,
  });
  const envelope = { client: CLIENT, sender: "alice@example.org", ...letter.envelope };
  const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`, { text: TEXT, ...letter, envelope });
  return { attempts, data: sink.messages[0]?.data ?? Buffer.alloc(0) };
}

/** As the next system sees it. */
async function chainOf(message: Buffer) {
  const resolver = async (name: string) => {
    if (name === "s._domainkey.relay.test") return [[KEY.record]];
    throw Object.assign(new Error("no such name"), { code: "ENOTFOUND" });
  };
  const { arc } = await authenticate(message, {
    ip: "127.0.0.1",
    helo: "x",
    sender: "a@b.test",
    mta: "next.test",
    resolver,
  });
  return arc === false ? undefined : { result: arc.status.result, instances: arc.i };
}

const header = (data: Buffer) => data.toString().split("\r\n\r\n")[0] ?? "";

test("mail of others is sealed with what SPF, DKIM and DMARC said of it here", async () => {
  const { data } = await send({});
  expect(await chainOf(data)).toEqual({ result: "pass", instances: 1 });
  expect(header(data)).toMatch(/ARC-Authentication-Results: i=1; sces\.test;.*spf=pass .*198\.51\.100\.9/s);
  expect(data.toString().endsWith(TEXT)).toBe(true);
});

test.each(["in memory", "streamed"])(
  "the seal is of what goes out, the judgement of what came in (%s)",
  async (how) => {
    const text = `${TEXT}J\u00f6rg\r\n`;
    const letter = how === "streamed" ? { content: streamed(text, [30]) } : { text };
    const { data } = await send(letter, { answers: { extensions: ["PIPELINING"] } });
    expect(data.toString()).toContain("J=C3=B6rg");
    expect(await chainOf(data)).toEqual({ result: "pass", instances: 1 });
  },
);

test("a chain that holds is carried on, and one that is broken gets no further seal", async () => {
  const once = (await send({})).data;
  const twice = (await send({ text: once })).data;
  expect(await chainOf(twice)).toEqual({ result: "pass", instances: 2 });
  const broken = (await send({ text: once.toString().replace("Hello", "Hallo") })).data;
  expect(header(broken).match(/^ARC-Seal:/gm)).toHaveLength(1);
});

test("mail of ours is not sealed", async () => {
  const { data } = await send(
    { envelope: { client: { address: "127.0.0.1", helo: "x" } } },
    { settings: { mynetworks: "127.0.0.0/8" } },
  );
  expect(data.toString()).toBe(TEXT);
});

test("name servers that do not answer keep no mail back", async () => {
  const { attempts, data } = await send(
    {},
    { zones: { "example.org": "timeout" }, settings: { smtp_dns_timeout: "150ms" } },
  );
  expect(attempts).toMatchObject([{ outcome: "sent" }]);
  expect(data.toString().endsWith(TEXT)).toBe(true);
});

test.each([
  ["a field of 100 kB", `DKIM-Signature: v=1; a=rsa-sha256; b=${" ".repeat(100_000)}x\r\n`],
  ["thousands of signatures", "DKIM-Signature: v=1; a=rsa-sha256; d=e.org; s=s; bh=x; h=from; b=eA==\r\n".repeat(3000)],
  ["a header that does not end soon", `X: ${"y".repeat(500)}\r\n`.repeat(1000)],
])("[E11] %s takes no time: the mail goes without a seal", async (_, fields) => {
  for (const text of [{ text: fields + TEXT }, { content: streamed(fields + TEXT, [128 * 1024]) }]) {
    let data = Buffer.alloc(0);
    const longestMs = await longestTurn(async () => {
      data = Buffer.from((await send(text)).data);
    });
    expect(longestMs).toBeLessThan(500); // 8 s, when it was judged
    expect(data.toString().endsWith(TEXT)).toBe(true);
    expect(data.includes("ARC-Seal")).toBe(false);
  }
});

test("while the key cannot be used the mail waits", async () => {
  const { attempts } = await send({}, { settings: { arc_sign_selector: "none" } });
  expect(attempts).toMatchObject([{ outcome: "deferred", dsn: "4.3.5", text: expect.stringContaining("none.pem") }]);
});
