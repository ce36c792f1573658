/** An address is one at every door or at none: RCPT, a dropped file, a JSON message. */
import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { messages, Picking } from "../harness/picking.ts";
import { smtpd } from "../harness/smtpd.ts";

const ORIGIN = "origin.test";
const LOCALS = [
  ...[
    "a",
    "a.b",
    ".a",
    "a.",
    "a..b",
    "-a",
    "a+b",
    "a%b",
    "a!b",
    "a@b",
    "!#$%&'*+/=?^`{|}~",
    "l".repeat(64),
    "l".repeat(65),
  ],
  ...[
    '""',
    '"a b"',
    '"a@b"',
    '"a\\"b"',
    '"a',
    'a"b"',
    '"a"b',
    '"\\"',
    "(c)a",
    "a b",
    " a",
    "a,b",
    "a;b",
    "a\\b",
    "ü",
    "u\u0301",
    "\u202ea",
    "",
  ],
];
const DOMAINS = [
  ...[
    "e.test",
    "E.TEST",
    "e",
    "e..test",
    ".e.test",
    "e.test.",
    "-e.test",
    "e-.test",
    "e_f.test",
    "e f.test",
    "1.2.3.4",
    "0x7f.1",
  ],
  ...[
    `${"d".repeat(63)}.test`,
    `${"d".repeat(64)}.test`,
    `${`${"d".repeat(60)}.`.repeat(4)}test`,
    "[192.0.2.1]",
    "[192.0.2]",
    "[IPv6:2001:db8::1]",
  ],
  ...[
    "[IPv6:1::2::3]",
    "[x]",
    "[",
    "xn--bcher-kva.test",
    "XN--BCHER-KVA.test",
    "bücher.test",
    "xn--zzzzzzzzz.test",
    "e(c).test",
    "e\u200b.test",
  ],
];
/** Every local part with a good domain, every domain with a good local part, and addresses without either. */
const ADDRESSES = [
  ...LOCALS.map((local) => `${local}@e.test`),
  ...DOMAINS.map((domain) => `a@${domain}`),
  ...[
    "a",
    "@",
    "@e.test",
    "a@",
    "<a@e.test>",
    "@r.test:a@e.test",
    "@r.test,@s.test:a@e.test",
    "@r.test a@e.test",
    "a@e.test x",
  ],
];

test("[C19] each address has the same verdict, and the same form, at all doors", async () => {
  await using server = await smtpd({
    mynetworks: "127.0.0.0/8",
    myorigin: ORIGIN,
    smtpd_hard_error_limit: "1000",
    smtpd_junk_command_limit: "1000",
  });
  await using client = await server.open();
  const bySmtp: (string | undefined)[] = [];
  for (const address of ADDRESSES) {
    await client.ask("MAIL FROM:<> SMTPUTF8", "250");
    const isTaken = (await client.ask(`RCPT TO:<${address}>`, /^(250|50[13]) /)).startsWith("250");
    if (isTaken) {
      await client.ask("DATA", "354");
      await client.send(".\r\n");
      await client.expect("250");
      bySmtp.push(server.accepted.at(-1)?.envelope.recipients[0]?.address);
    } else {
      bySmtp.push(undefined);
      await client.ask("RSET", "250");
    }
  }
  const known = new Set(messages().map(({ envelope }) => envelope.id));
  for (const [index, address] of ADDRESSES.entries()) {
    writeFileSync(
      `drop/${index}.eml`,
      `X-Sender: <>\nX-Receiver: <${address}>\nX-Index: ${index}\nSubject: ${index}.eml\n\n`,
    );
    const json = { recipient: `<${address}>`, mime: `Subject: ${index}.json\n\n` };
    writeFileSync(`drop/${index}.json`, JSON.stringify(json));
  }
  await using picking = new Picking({ myorigin: ORIGIN });
  await picking.emptied();
  const byFile = new Map(
    messages()
      .filter(({ envelope }) => !known.has(envelope.id))
      .map(({ envelope }) => [envelope.subject, envelope.recipients[0]?.address]),
  );
  const verdicts = (by: (index: number) => string | undefined) =>
    Object.fromEntries(ADDRESSES.map((address, index) => [address, by(index) ?? "refused"]));
  const expected = verdicts((index) => bySmtp[index]);
  expect(verdicts((index) => byFile.get(`${index}.eml`))).toEqual(expected);
  expect(verdicts((index) => byFile.get(`${index}.json`))).toEqual(expected);
  expect(Object.values(expected).filter((one) => one === "refused").length).toBeGreaterThan(30);
  expect(Object.values(expected).filter((one) => one !== "refused").length).toBeGreaterThan(20);
});
