import { describe, expect, test } from "vitest";
import { pick } from "../harness/picking.ts";
import { useSpool } from "../harness/spool.ts";

useSpool();

const FROM = "From: a@one.test\n";
const TO = "To: b@two.test\n";
const HI = "\nHi\n";

describe("a dropped file that is no message goes to corrupt/ whole, with its reason:", () => {
  test.each<[string, string, string | Buffer, RegExp]>([
    ["empty", "a.eml", "", /is empty/],
    ["empty JSON", "a.json", "", /is empty/],
    ["another extension", "a.txt", FROM + TO + HI, /only these are taken/],
    ["no extension", "README", "x", /only these are taken/],
    ["an archive", "mail.eml.gz", Buffer.from([0x1f, 0x8b, 8, 0]), /only these are taken/],
    ["an editor's backup", "a.eml~", FROM + TO + HI, /only these are taken/],
    ["a line end in its name", "a\nb", "x", /only these are taken/],
    ["blank lines only", "a.eml", "\n\n\n", /has no header/],
    ["a blank line first", "a.eml", `\n${FROM}${TO}${HI}`, /has no header/],
    ["no header", "a.eml", "hello world\n", /no header field in line 1/],
    ["HTML", "a.eml", "<html>\n<body>\n", /no header field in line 1/],
    ["a header that breaks off", "a.eml", `${FROM}hello world\n${TO}${HI}`, /no header field in line 2/],
    ["a first line that continues nothing", "a.eml", ` x\n${FROM}${TO}${HI}`, /no header field in line 1/],
    ["a program", "a.eml", Buffer.from("\x7fELF\x02\x01\x01\0\0\0", "latin1"), /NUL/],
    ["UTF-16", "a.eml", Buffer.from(`\ufeff${FROM}${TO}${HI}`, "utf16le"), /NUL/],
    ["a NUL in the body", "a.eml", `${FROM}${TO}\nHi\0\n`, /NUL/],
    ["[D8] a NUL in an address", "a.eml", `${FROM}To: b\0@two.test\n${HI}`, /NUL/],
    ["no sender", "a.eml", `${TO}${HI}`, /no sender/],
    ["two X-Sender", "a.eml", `X-Sender: a@x.test\nX-Sender: b@x.test\n${TO}${HI}`, /more than one X-Sender/],
    ["an X-Sender that is no address", "a.eml", `X-Sender: a b\n${FROM}${TO}${HI}`, /X-Sender: invalid/],
    ["an empty From", "a.eml", `From:\n${TO}${HI}`, /From: empty/],
    ["a From that is no address", "a.eml", `From: @@\n${TO}${HI}`, /From: invalid/],
    ["a Return-Path that is no address", "a.eml", `Return-Path: <a@b@c>\n${FROM}${TO}${HI}`, /Return-Path: invalid/],
    ["no recipients", "a.eml", `${FROM}${HI}`, /no recipients/],
    ["recipients without a member", "a.eml", `${FROM}To: undisclosed-recipients:;\n${HI}`, /no recipients/],
    ["an empty X-Receiver", "a.eml", `X-Receiver:\n${FROM}${TO}${HI}`, /X-Receiver: empty address/],
    ["an X-Receiver that is no address", "a.eml", `X-Receiver: <b@two.test> c\n${FROM}${HI}`, /X-Receiver: /],
    ["a recipient that is no address", "a.eml", `${FROM}To: b@two.test, c@\n${HI}`, /To: invalid domain: c@/],
    ["an open quote", "a.eml", `${FROM}To: "b@two.test\n${HI}`, /To: unclosed/],
    ["an open bracket", "a.eml", `${FROM}Cc: <b@two.test\n${HI}`, /Cc: unclosed/],
    [
      "an address that is too long",
      "a.eml",
      `${FROM}Bcc: ${"b".repeat(65)}@two.test\n${HI}`,
      /Bcc: local part too long/,
    ],
    ["a number as domain", "a.eml", `${FROM}To: b@127.0.0.1\n${HI}`, /To: invalid domain/],
    ["[D8] a control character in an address", "a.eml", `${FROM}To: b\x1b@two.test\n${HI}`, /To: invalid/],
    ["a direction override in an address", "a.eml", `${FROM}To: b\u202e@two.test\n${HI}`, /To: invalid/],
    [
      "bytes that are not UTF-8 in an address",
      "a.eml",
      Buffer.from(`${FROM}To: b\xff@two.test\n${HI}`, "latin1"),
      /To: invalid/,
    ],
    ["DSN notify that is none", "a.eml", `x-mq-dsn-notify: ALWAYS\n${FROM}${TO}${HI}`, /notify/],
    ["DSN notify twice the same", "a.eml", `x-mq-dsn-notify: DELAY,DELAY\n${FROM}${TO}${HI}`, /notify/],
    ["empty DSN notify", "a.eml", `x-mq-dsn-notify:\n${FROM}${TO}${HI}`, /notify/],
    ["DSN ret that is none", "a.eml", `x-mq-dsn-ret: SOME\n${FROM}${TO}${HI}`, /ret/],
    ["a DSN envid that is too long", "a.eml", `x-mq-dsn-envid: ${"+".repeat(34)}\n${FROM}${TO}${HI}`, /envid/],
    ["a DSN orcpt that is none", "a.eml", `x-mq-dsn-orcpt: ;\n${FROM}${TO}${HI}`, /orcpt/],
    ["[F1] a mail loop", "a.eml", `${"Received: by x\n".repeat(49)}${FROM}${TO}${HI}`, /mail loop/],
    ["[F1] a mail loop in disguise", "a.eml", `${"received :\n by x\n".repeat(50)}${FROM}${TO}${HI}`, /mail loop/],
    [
      "a field that is too long",
      "a.eml",
      `Subject: ${"x".repeat(102_400)}\n${FROM}${TO}${HI}`,
      /header that is too long/,
    ],
    ["a header that is too long", "a.eml", `${"X: y\n".repeat(250_000)}${FROM}${TO}${HI}`, /header that is too long/],
    ["a header that does not end", "a.eml", "x".repeat(2_000_000), /header/],
    ["a file over drop_size_limit", "a.eml", `${FROM}${TO}\n${"x".repeat(10_300_000)}`, /drop_size_limit is 10240000/],
    ["a JSON file over drop_size_limit", "a.json", Buffer.alloc(10_300_000, "{"), /drop_size_limit is 10240000/],
  ])("%s", async (_what, name, text, reason) => {
    const { message, refused, log } = await pick(name, text);
    expect(message).toBeUndefined();
    expect(refused).toMatchObject({ was: name.replace("\n", "\\x0a"), reason: expect.stringMatching(reason) });
    expect(log.length).toBe(1);
    expect(log[0]).toMatch(
      /^warning: saving corrupt file "[^\n]*" from queue "drop" to queue "corrupt" as "f[^\n]*": /,
    );
  });

  test("a message that is too large once its lines end in CRLF", async () => {
    const text = `${FROM}${TO}\n${"x\n".repeat(500)}`;
    const { refused } = await pick("a.eml", text, { message_size_limit: "1200", drop_size_limit: "0" });
    expect(refused?.reason).toMatch(/^is a message of \d+ bytes; message_size_limit is 1200$/);
  });

  test("JSON that is larger than what is read at once, though the limit of the settings allows it", async () => {
    const huge = Buffer.alloc(33 * 1024 * 1024, "x");
    const { refused } = await pick("a.json", huge, { message_size_limit: "0", drop_size_limit: "0" });
    expect(refused?.reason).toMatch(/bytes of JSON; the limit is 33554432/);
  });
});
