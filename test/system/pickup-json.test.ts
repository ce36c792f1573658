import { writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { messages, Picking, partsOf, pick, quarantined } from "../harness/picking.ts";
import { useSpool } from "../harness/spool.ts";

useSpool();

const MIME = "From: a@one.test\nTo: z@nine.test\nBcc: secret@x.test\nX-Sender: x@x.test\nSubject: Hi\n\nä\u2603\n.\n";
const json = (value: unknown) => JSON.stringify(value);

describe("a .json file in drop/", () => {
  test("becomes a message as MailerQ would have it", async () => {
    const { message } = await pick(
      "a.json",
      json({
        envelope: "a@one.test",
        recipient: "b@two.test",
        mime: MIME,
        retries: [60, 600],
        maxattempts: 5,
        custom: { a: [1, null] },
        ips: ["192.0.2.1"],
        tags: [],
      }),
    );
    expect(message?.envelope).toMatchObject({
      sender: "a@one.test",
      recipients: [{ address: "b@two.test" }],
      body: "8BITMIME",
      origin: "pickup",
      dialect: "mailerq",
      retry: { retries: [60, 600], maxAttempts: 5 },
      subject: "Hi",
    });
    const { header, body } = partsOf(message?.text ?? "");
    expect(header).toMatch(/^From: a@one.test\r\nTo: z@nine.test\r\nSubject: Hi\r\nMessage-ID: .*\r\nDate: .*\r\n$/);
    expect(Buffer.from(body, "latin1").toString()).toBe("ä\u2603\r\n.\r\n");
  });

  test("may have many recipients, and no envelope: then the null sender", async () => {
    const { message } = await pick(
      "a.json",
      json({ recipients: ["b@two.test", "<c@two.test>", "b@two.test"], mime: MIME }),
    );
    expect(message?.envelope.sender).toBe("");
    expect(message?.envelope.recipients).toEqual([{ address: "b@two.test" }, { address: "c@two.test" }]);
  });

  test("may ask for reports", async () => {
    const dsn = { notify: "SUCCESS,FAILURE", ret: "FULL", envid: "x+1", orcpt: "b@two.test", mta: "ignored" };
    const { message } = await pick("a.json", `\ufeff${json({ recipient: "b@two.test", mime: MIME, dsn })}`);
    expect(message?.envelope).toMatchObject({
      ret: "FULL",
      envid: "x+1",
      recipients: [{ address: "b@two.test", notify: ["SUCCESS", "FAILURE"], orcpt: "rfc822;b@two.test" }],
    });
  });

  test.each([
    ["no JSON", "{", /is no JSON/],
    ["cut in a string", '{"recipient":"b@two.te', /string does not end/],
    ["with a quoted end", '{"recipient":"b@two.test\\"', /string does not end/],
    ["not UTF-8", Buffer.from(`{"recipient":"b@two.test","mime":"\xff"}`, "latin1"), /is no UTF-8/],
    ["an array", "[]", /no object/],
    ["a number", "7", /no object/],
    ["null", "null", /no object/],
    ["two objects", "{}{}", /is no JSON/],
    ["[H5] too deep", `{"x":${"[".repeat(100_000)}`, /deeper than 64/],
    ["too deep in pairs", `{"x":${"[[],".repeat(100_000)}`, /deeper than 64/],
    ["[H5] too many parts", `{"x":[${"{},".repeat(250_000)}0]}`, /more than 200000 parts/],
    ["without recipient", json({ mime: MIME }), /has no recipient/],
    ["with both", json({ recipient: "b@two.test", recipients: ["c@two.test"], mime: MIME }), /both/],
    ["with a number as recipient", json({ recipient: 7, mime: MIME }), /recipient is no string/],
    ["with null as recipient", json({ recipient: null, mime: MIME }), /recipient is no string/],
    ["[H6] with a list as recipient", json({ recipient: ["b@two.test"], mime: MIME }), /recipient is no string/],
    ["with a string as recipients", json({ recipients: "b@two.test", mime: MIME }), /recipients is no array/],
    ["with no recipients", json({ recipients: [], mime: MIME }), /recipients is empty/],
    [
      "with an object among recipients",
      json({ recipients: ["b@two.test", {}], mime: MIME }),
      /recipients\[1\] is no string/,
    ],
    ["[H5] with __proto__ for recipient", '{"__proto__":{"recipient":"b@two.test"},"mime":"a: b"}', /has no recipient/],
    ["with a bad recipient", json({ recipient: "b@@two.test", mime: MIME }), /recipient: invalid local part/],
    ["with an empty recipient", json({ recipient: "<>", mime: MIME }), /recipient: empty address/],
    [
      "[D8] with a line end in an address",
      json({ recipient: "b@two.test\nRCPT TO:<c@x.test>", mime: MIME }),
      /recipient: invalid/,
    ],
    ["[D8] with a NUL in an address", json({ recipient: "b\0@two.test", mime: MIME }), /recipient: invalid/],
    ["with a bad sender", json({ envelope: "a b@x", recipient: "b@two.test", mime: MIME }), /envelope: invalid/],
    ["with an object as sender", json({ envelope: {}, recipient: "b@two.test", mime: MIME }), /envelope is no string/],
    ["without mime", json({ recipient: "b@two.test" }), /has no mime/],
    ["with a key", json({ recipient: "b@two.test", key: "x" }), /no message store/],
    ["[H7] with mime as object", json({ recipient: "b@two.test", mime: { from: "x" } }), /responsive/],
    ["with mime as number", json({ recipient: "b@two.test", mime: 1 }), /mime is no string/],
    ["with empty mime", json({ recipient: "b@two.test", mime: "" }), /has no header/],
    ["with mime without header", json({ recipient: "b@two.test", mime: "hello world\n" }), /line 1/],
    ["with NUL in mime", json({ recipient: "b@two.test", mime: `${MIME}\0` }), /NUL/],
    ["with half a character", '{"recipient":"b@two.test","mime":"Subject: \\ud800\\n\\nx"}', /surrogate/],
    ["with a bad dsn", json({ recipient: "b@two.test", mime: MIME, dsn: [] }), /dsn is no object/],
    ["with a bad notify", json({ recipient: "b@two.test", mime: MIME, dsn: { notify: "NEVER,DELAY" } }), /notify/],
    [
      "with notify as list",
      json({ recipient: "b@two.test", mime: MIME, dsn: { notify: ["NEVER"] } }),
      /notify is no string/,
    ],
    ["with a bad ret", json({ recipient: "b@two.test", mime: MIME, dsn: { ret: "ALL" } }), /ret/],
    ["[D8] with a line end in envid", json({ recipient: "b@two.test", mime: MIME, dsn: { envid: "a\r\nb" } }), /envid/],
    ["with a long envid", json({ recipient: "b@two.test", mime: MIME, dsn: { envid: "x".repeat(101) } }), /envid/],
    ["with a line end in orcpt", json({ recipient: "b@two.test", mime: MIME, dsn: { orcpt: "rfc822;a\nb" } }), /orcpt/],
    ["with a long orcpt", json({ recipient: "b@two.test", mime: MIME, dsn: { orcpt: "x".repeat(500) } }), /orcpt/],
  ])("that is broken (%s) is kept with the reason", async (_what, text, reason) => {
    const { message, refused, log } = await pick("a.json", text);
    expect(message).toBeUndefined();
    expect(refused).toMatchObject({ was: "a.json", reason: expect.stringMatching(reason) });
    expect(log.filter((line) => line.startsWith("warning: "))).toEqual([
      expect.stringMatching(/^warning: saving corrupt file "a.json" from queue "drop" to queue "corrupt" as "f\S+": /),
    ]);
  });

  test("[H6] of 50,000 recipients is taken, of one more is not", async () => {
    const recipients = Array.from({ length: 50_000 }, (_, index) => `u${index}@two.test`);
    writeFileSync("drop/a.json", json({ recipients, mime: MIME }));
    writeFileSync("drop/b.json", json({ recipients: [...recipients, "last@two.test"], mime: MIME }));
    await using picking = new Picking();
    await picking.emptied();
    expect(messages().map(({ envelope }) => envelope.recipients.length)).toEqual([50_000]);
    expect(quarantined()).toMatchObject([{ was: "b.json", reason: expect.stringContaining("more than 50000") }]);
  });
});
