/** Addresses as both doors write them down. */
import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { testConfig } from "../../src/config/load.ts";
import { names, partsOf, Picking, pick } from "../harness/picking.ts";
import { smtpd } from "../harness/smtpd.ts";
import { useSpool } from "../harness/spool.ts";
import { until } from "../harness/until.ts";

useSpool();

const SETTINGS = {
  myorigin: "home.test",
  mydestination: "home.test",
  canonical_maps: "inline:{ann=ann.smith@home.test}",
};
const HEADER = "From: Ann <ann@home.test>\r\nTo: boss (The boss), x@far.test\r\n";
const MESSAGE = `${HEADER}Subject: ann\r\n\r\nTo: ann\r\n`;
const REWRITTEN = "From: Ann <ann.smith@home.test>\r\nTo: boss@home.test (The boss), x@far.test\r\nSubject: ann\r\n";

/** What smtpd stores of the message of a client with these settings; the reply where it is none. */
async function takenBySmtp(settings: Readonly<Record<string, string>>, message = MESSAGE) {
  await using server = await smtpd({ ...SETTINGS, ...settings });
  await using client = await server.open();
  await client.ask("MAIL FROM:<ann@home.test>", "250");
  await client.ask("RCPT TO:<ann@home.test>", "250");
  await client.ask("DATA", "354");
  await client.send(`${message}.\r\n`);
  const reply = await client.reply();
  const [stored] = server.stored();
  return { reply, envelope: stored?.envelope, ...partsOf(stored?.content ?? "") };
}

test("a trusted client's mail has canonical addresses in envelope and header, and a domain in each", async () => {
  const { envelope, header, body } = await takenBySmtp({ mynetworks: "127.0.0.1" });
  expect(envelope).toMatchObject({
    sender: "ann.smith@home.test",
    recipients: [{ address: "ann.smith@home.test", original: "ann@home.test", orcpt: "rfc822;ann@home.test" }],
  });
  expect(header.startsWith(REWRITTEN)).toBe(true);
  expect(body).toBe("To: ann\r\n");
});

test("a stranger's mail has them in the envelope alone", async () => {
  const { envelope, header } = await takenBySmtp({});
  expect(envelope?.sender).toBe("ann.smith@home.test");
  expect(header.startsWith(HEADER)).toBe(true);
  const local = await takenBySmtp({ local_header_rewrite_clients: "permit_inet_interfaces" });
  expect(local.header.startsWith(REWRITTEN)).toBe(true);
});

test("the header of a message that is written as it comes is rewritten too", async () => {
  const long = `${MESSAGE}${"x".repeat(900)}\r\n`.padEnd(300_000, `${"y".repeat(70)}\r\n`).replace(/[^\n]*$/, "");
  const { header, body } = await takenBySmtp({ mynetworks: "127.0.0.1", spool_memory_limit: "64k" }, long);
  expect(header.startsWith(REWRITTEN)).toBe(true);
  expect(body).toBe(long.slice(long.indexOf("\r\n\r\n") + 4));
});

test("mail whose addresses cannot be looked up is put off", async () => {
  const { reply, envelope } = await takenBySmtp({ canonical_maps: "texthash:/nowhere/at/all" });
  expect(reply).toBe("451 4.3.0 Error: queue file write error");
  expect(envelope).toBeUndefined();
});

test("a dropped message is rewritten as a trusted client's", async () => {
  const { message } = await pick("a.eml", `X-Receiver: ann\r\n${MESSAGE}`, SETTINGS);
  expect(message?.envelope).toMatchObject({
    sender: "ann.smith@home.test",
    recipients: [{ address: "ann.smith@home.test", original: "ann@home.test" }],
  });
  expect(partsOf(message?.text ?? "").header.startsWith(REWRITTEN)).toBe(true);
});

test("a dropped message whose addresses cannot be looked up stays where it is", async () => {
  writeFileSync("drop/a.eml", MESSAGE);
  await using picking = new Picking({ ...SETTINGS, canonical_maps: "texthash:/nowhere/at/all" });
  await until("a word of it", () =>
    picking.log.lines.find((line) => line.includes("drop/a.eml stays where it is: cannot read table texthash:")),
  );
  expect(names("drop")).toEqual(["a.eml"]);
  expect(names("incoming")).toEqual([]);
  picking.pickup.config = testConfig({ ...SETTINGS, drop_stable_time: "0", queue_minfree: "1" });
  await picking.emptied();
  expect(names("incoming")).toHaveLength(1);
});
