/** The parsers of single words, fields and packets: they end soon, whatever they get, and what they take is safe. */
import { clean, cleanBytes } from "../../src/base/text.ts";
import { decodeResponse } from "../../src/dns/message.ts";
import { isAddressError, parsePath, takePath } from "../../src/mail/address.ts";
import { parseAddressList } from "../../src/mail/address-list.ts";
import { parseAliasTargets } from "../../src/mail/alias-targets.ts";
import { canonicalDomain } from "../../src/mail/domain.ts";
import { encodeText } from "../../src/mail/encoded-word.ts";
import { formatField, splitHeader } from "../../src/mail/header.ts";
import { isQueueId } from "../../src/mail/queue-id.ts";
import { parseReply } from "../../src/mail/reply.ts";
import { rewriteList } from "../../src/mail/rewrite-addresses.ts";
import { wrap } from "../../src/mail/wrap.ts";
import { mustBeSafe, promise, type Target } from "./target.ts";

const SEEDS = [
  '<@a.test,@b.test:"q\\"d"@[IPv6:2001:db8::1]> SIZE=3',
  'Al (comment (nested)) <al@one.test>, "b, c" <b@two.test>, group: d@three.test;, ü@bücher.example',
  "From: x\r\n y\r\nTo : z\r\n\r\nbody",
  "550-5.1.1 no\r\n550 5.1.1 such user",
  "xn--bcher-kva.example",
  "=?utf-8?q?=C3=BC?= =?utf-8?b?w7w=?= text",
];

export function wordsTarget(): Target {
  return {
    name: "words",
    share: 1,
    seeds: SEEDS.map((text) => Buffer.from(text)),
    dictionary: [
      "<",
      ">",
      "@",
      '"',
      "\\",
      "(",
      ")",
      "[",
      "]",
      ",",
      ";",
      ":",
      ".",
      "-",
      " ",
      "\r\n",
      "\0",
      "\xff",
      "\u202e",
      "xn--",
      "=?",
      "?=",
      "%",
      "!",
    ],
    maxBytes: 100 * 1024,
    run(input) {
      const text = input.toString("utf8");
      const shown = clean(text);
      mustBeSafe(shown, "clean");
      mustBeSafe(cleanBytes(input), "cleanBytes");
      const path = parsePath(text, { smtputf8: true, defaultDomain: "x.test" });
      if (!isAddressError(path)) {
        mustBeSafe(path.address, "an address");
        promise(path.address.length <= 320, "an address without end");
      }
      takePath(text);
      const list = parseAddressList(text, { defaultDomain: "x.test" });
      for (const { address } of list.mailboxes) mustBeSafe(address, "an address in a list");
      rewriteList(text, "origin.test", (address) => address);
      parseAliasTargets(text);
      const domain = canonicalDomain(text);
      if (domain !== undefined) promise(/^[!-~]+$/.test(domain), `domain ${JSON.stringify(domain)}`);
      const { fields, ending } = splitHeader(input);
      for (const field of fields.slice(0, 100)) void field.value;
      promise(!/\r\n(?! )/.test(formatField("X", text).slice(0, -2)), "a value that brings a field of its own");
      promise(/^[\t -~]*$/.test(encodeText(text)), "an encoded word that is none");
      wrap(shown);
      const reply = parseReply(text);
      if (reply !== undefined) mustBeSafe(reply.text, "a reply");
      isQueueId(text);
      decodeResponse(input, { name: "e.org", type: "MX" }, 1);
      return `${isAddressError(path) ? path.text : "path"} ${Math.min(3, list.mailboxes.length)} ${Math.min(3, list.bad.length)} ${ending} ${domain !== undefined} ${reply?.code}`;
    },
    async [Symbol.asyncDispose]() {},
  };
}
