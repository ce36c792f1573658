/**
 * Dropped files and JSON messages, read as pickup reads them: refused with a reason, or a message whose addresses are
 * addresses and whose lines end in CRLF. A file that is read in pieces has the same fate as one that is read at once.
 */
import { lstatSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { clean } from "../../src/base/text.ts";
import { testConfig } from "../../src/config/load.ts";
import { Tables } from "../../src/config/tables.ts";
import { isAddressError, parsePath } from "../../src/mail/address.ts";
import { DroppedFile } from "../../src/process/pickup/dropped-file.ts";
import { isRefusal } from "../../src/process/pickup/refusal.ts";
import { compose, readSubmission } from "../../src/process/pickup/submission.ts";
import { Canonical } from "../../src/service/canonical.ts";
import { mustBeSafe, promise, type Target } from "./target.ts";

const EML = [
  'From: Al <a@one.test>\nTo: b@two.test, "c, d"@two.test\nCc: g: e@three.test, f@three.test;\nBcc: x@four.test\nSubject: =?utf-8?q?x?=\n\nHi\n.\n',
  "X-Sender: <>\r\nX-Receiver: <b@two.test>\r\nX-Receiver: c@two.test\r\nSubject: folded\r\n subject\r\n\r\nHi\r\n.\r\n..\r\n",
  "\ufeffFrom someone Sun Nov 22 12:00:00 2026\nx-mq-envelope: <a@one.test>\nx-mq-dsn-notify: SUCCESS,FAILURE\nx-mq-dsn-ret: FULL\nx-mq-dsn-envid: q1\nx-mq-dsn-orcpt: rfc822;b@two.test\nTo: b@two.test (comment (nested))\n\nöä\n",
  "Return-Path: <a@one.test>\nReceived: from x\n by y\nReceived : z\nMessage-ID: <1@one.test>\nDate: Sun, 22 Nov 2026 12:00:00 +0000\nTo: <@route.test:b@two.test>, ü@bücher.example\n\n",
];
const JSON_SEEDS = [
  '{"envelope":"a@one.test","recipient":"b@two.test","mime":"From: a@one.test\\nTo: b@two.test\\n\\nHi\\n.\\n"}',
  '{"recipients":["b@two.test","\\u00fc@b\\u00fccher.example"],"mime":"Subject: x\\r\\n\\r\\n","dsn":{"notify":"NEVER","ret":"HDRS","envid":"e","orcpt":"rfc822;x"}}',
  '{"recipient":"b@two.test","mime":"A: b\\n\\n","maxattempts":3,"retries":[60,"120"],"maxdelivertime":"2027-01-01 00:00:00","nextattempt":"2026-12-01 00:00:00","x":[1,{"y":null}]}',
];

export function droppedTarget(kind: "eml" | "json", directory: string): Target {
  const path = join(directory, `dropped.${kind}`);
  const base = {
    myorigin: "origin.test",
    canonical_maps: "inline:{al@one.test=other@one.test}",
    masquerade_domains: "two.test",
  };
  const atOnce = testConfig({ ...base, spool_memory_limit: "1m" });
  const inPieces = testConfig({ ...base, spool_memory_limit: "4096", header_size_limit: "1024" });
  const sameButWhole = testConfig({ ...base, spool_memory_limit: "1m", header_size_limit: "1024" });
  const canonical = new Canonical(atOnce, new Tables({ warn() {} }));
  const passage = { id: "4jXKqZ2MC7zJ9RG", time: 0, uid: 0, hostname: "mail.sces.test", mailName: "sces" };

  async function fate(config: typeof atOnce): Promise<string> {
    const file = DroppedFile.open(Buffer.from(path), lstatSync(path));
    if (file === undefined || isRefusal(file)) throw new Error("the file that was just written is not there");
    try {
      const submission = await readSubmission(file, kind, config);
      if (isRefusal(submission)) return `refused: ${submission.refused}`;
      const { draft, header, body } = compose(submission, passage, canonical);
      for (const address of [draft.sender, ...draft.recipients.map((one) => one.address)]) {
        mustBeSafe(address, "an address");
        const parsed = parsePath(`<${address}>`, { smtputf8: true, allowEmpty: true });
        promise(!isAddressError(parsed), `no address: ${JSON.stringify(address)}`);
      }
      promise(draft.recipients.length > 0, "nobody to send to");
      for (const text of [draft.subject, draft.messageId]) if (text !== undefined) mustBeSafe(text, "a field");
      let all = Buffer.concat([header, body]);
      for await (const piece of submission.content.rest()) all = Buffer.concat([all, piece]);
      const sent = all.toString("latin1");
      promise(!/[^\r]\n|^\n|\r(?!\n)|\0/.test(sent), "a line end that is none, or a NUL, in what is sent");
      promise(sent.endsWith("\r\n"), "a last line without an end");
      const ends = header.toString("latin1").endsWith("\r\n\r\n") || header.length === 0;
      promise(ends, "a header without its empty line");
      promise(
        !/^(?:bcc|x-sender|x-receiver|x-mq-[^:]*)[ \t]*:/im.test(header.toString("latin1")),
        "a field that was for us alone",
      );
      return `taken: ${JSON.stringify(draft)} ${sent}`;
    } finally {
      file.close();
    }
  }

  return {
    name: kind,
    share: 1,
    seeds: (kind === "eml" ? EML : JSON_SEEDS).map((text) => Buffer.from(text)),
    dictionary: [
      ...[
        "\r",
        "\n",
        "\r\n",
        "\0",
        ":",
        ": ",
        ",",
        ";",
        "<",
        ">",
        '"',
        "(",
        ")",
        "[",
        "]",
        "@",
        "\\",
        "\\u0000",
        "\\ud800",
      ],
      ...[
        "To: ",
        "Bcc: ",
        "X-Receiver: ",
        "Received: x\n",
        "x-mq-",
        "{",
        "}",
        '"__proto__":',
        '"recipient":',
        "null",
        "=?utf-8?b?",
      ],
      ...["\xe2\x80\xae", "\xff", "xn--", "a@[127.0.0.1]", ".\r\n", " ", "\t"],
    ],
    maxBytes: 64 * 1024,
    async run(input) {
      writeFileSync(path, input);
      const known = await fate(atOnce);
      if (kind === "eml") {
        const [whole, pieces] = [await fate(sameButWhole), await fate(inPieces)];
        // Why it is refused may depend on how much of it was looked at.
        const isSame = whole === pieces || (whole.startsWith("refused") && pieces.startsWith("refused"));
        promise(isSame, `in pieces: ${pieces.slice(0, 300)}; at once: ${whole.slice(0, 300)}`);
      }
      return clean(known).replaceAll(/\d+/g, "0").slice(0, 24);
    },
    async [Symbol.asyncDispose]() {},
  };
}
