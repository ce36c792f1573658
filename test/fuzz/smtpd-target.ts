/**
 * Clients of smtpd, over real sockets: whatever they say, in whatever pieces, every answer is a reply of SMTP, every
 * 250 to a message is a file in incoming/, nothing is left half written, and nobody else's session is disturbed.
 */
import { connect } from "node:net";
import { readdirSync, unlinkSync } from "node:fs";
import { openContent, readQueueFile } from "../../src/spool/file.ts";
import { smtpd } from "../harness/smtpd.ts";
import type { Random } from "../harness/random.ts";
import { inPieces } from "./mutate.ts";
import { mustBeSafe, promise, type Target } from "./target.ts";

const HELLO = "EHLO client.test\r\n";
const ENVELOPE = "MAIL FROM:<a@sender.test>\r\nRCPT TO:<b@example.org>\r\n";
const SEEDS = [
  `${HELLO}${ENVELOPE}DATA\r\nSubject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n`,
  `${HELLO}MAIL FROM:<ü@sender.test> SMTPUTF8 BODY=8BITMIME SIZE=100 RET=HDRS ENVID=q+2Bz\r\nRCPT TO:<ü@bücher.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+40x\r\nRCPT TO:<b@example.org> NOTIFY=NEVER\r\nDATA\r\n..\r\n.x\r\n\r\n.\r\nRSET\r\nQUIT\r\n`,
  `HELO x\r\n${ENVELOPE}DATA\r\n\n.\n\r.\r\n\r\n.\rMAIL\r\n.\r\n${ENVELOPE}DATA\r\n.\r\nQUIT\r\n`,
  `${HELLO}MAIL FROM:<>\r\nRCPT TO:<@route.test:"a b@c"@example.org>\r\nRCPT TO:<postmaster>\r\nRCPT TO:<u@[127.0.0.1]>\r\nRCPT TO:<a%b@example.org>\r\nVRFY b@example.org\r\nNOOP x\r\nHELP\r\nEXPN y\r\nBDAT 10 LAST\r\n0123456789\r\n`,
  `${HELLO}AUTH PLAIN AGFsaWNlAHg=\r\nAUTH LOGIN\r\nYWxpY2U=\r\neA==\r\nAUTH PLAIN\r\n*\r\nSTARTTLS\r\nXCLIENT NAME=x ADDR=192.0.2.1\r\nXFORWARD NAME=x\r\nPROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n`,
  `${HELLO}${ENVELOPE}DATA\r\nReceived: from a\r\n by b\r\nFrom: Al <a@sender.test>\r\nTo: bare, "q, r" <b@example.org>\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nü\r\n--x--\r\n.\r\n`,
  "POST / HTTP/1.1\r\nHost: x\r\n\r\n",
];

/** A client may say much in one session, and a large message is not kept in memory. */
const SETTINGS: Readonly<Record<string, string>> = {
  smtpd_forbid_unauth_pipelining: "no",
  smtpd_client_connection_count_limit: "0",
  local_header_rewrite_clients: "permit_mynetworks",
  canonical_maps: "inline:{a@sender.test=other@sender.test}",
  spool_memory_limit: "4096",
  message_size_limit: "50000",
  header_size_limit: "2000",
  smtpd_tls_auth_only: "no",
  smtpd_timeout: "60s",
};

const DEADLINE_MS = 20_000; // the client has closed its side: there is nothing to wait for

export async function smtpdTarget(): Promise<Target> {
  const open = await smtpd(
    { ...SETTINGS, submission_smtpd_forbid_bare_newline: "no", submission_mynetworks: "127.0.0.0/8" },
    { services: ["smtp", "submission"], passwords: "" },
  );
  const accepted = open.accepted;
  const lines = open.log.lines;

  return {
    name: "smtpd",
    share: 4,
    seeds: SEEDS.map((text) => Buffer.from(text)),
    dictionary: [
      ...[
        "\r",
        "\n",
        "\r\n",
        "\0",
        ".",
        "\r\n.\r\n",
        "\n.\n",
        " ",
        "<",
        ">",
        "@",
        '"',
        "\\",
        ":",
        "\xff",
        "\xc3\xa9",
        "\x1b[2J",
      ],
      ...[
        "MAIL FROM:",
        "RCPT TO:",
        "DATA\r\n",
        "RSET\r\n",
        "EHLO ",
        "AUTH PLAIN ",
        "STARTTLS\r\n",
        "QUIT\r\n",
        "BDAT 1 LAST\r\n",
      ],
      ...[
        " SIZE=",
        " BODY=8BITMIME",
        " SMTPUTF8",
        " NOTIFY=",
        " ORCPT=",
        " RET=",
        " ENVID=",
        "xn--",
        "[IPv6:::1]",
        "Received: x\r\n",
      ],
    ],
    maxBytes: 100 * 1024,
    async run(input, random) {
      // Users log in at the second one, where a wrong password takes as long as it is meant to: not too often.
      const { text, isReset } = await converse(open.port(random.chance(0.1) ? 1 : 0), input, random);
      const codes = repliesOf(text, isReset);
      for (const line of lines) mustBeSafe(line, "a log line");
      const bad = lines.find((line) => /internal error|^fatal|^error/.test(line));
      promise(bad === undefined, `an error of ours: ${bad}`);
      lines.length = 0;
      const said = text.split("250 2.0.0 Ok: queued as ").length - 1;
      const names = readdirSync("incoming");
      const ids = names.filter((name) => !name.startsWith("."));
      promise(names.length === ids.length, "something half written is left");
      promise(ids.length === accepted.length, `${ids.length} files, of which cleanup was told ${accepted.length}`);
      promise(said <= ids.length && (isReset || said === ids.length), `${said} times 250, but ${ids.length} messages`);
      for (const id of ids) judge(`incoming/${id}`);
      for (const id of ids) unlinkSync(`incoming/${id}`);
      accepted.length = 0;
      return codes.slice(0, 12).join(" ");
    },
    [Symbol.asyncDispose]: () => open[Symbol.asyncDispose](),
  };
}

/** Says all of it, closes its side, and hears the server to the end. */
async function converse(port: number, input: Buffer, random: Random): Promise<{ text: string; isReset: boolean }> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  let isReset = false;
  socket.on("data", (bytes: Buffer) => {
    text += bytes.toString("latin1");
  });
  socket.on("error", () => {
    isReset = true; // we were still talking when it had said its last word
  });
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  const drained = () => new Promise<void>((resolve) => socket.once("drain", resolve));
  for (const piece of inPieces(input, random)) {
    if (!socket.write(piece)) await Promise.race([drained(), closed]);
    if (random.chance(0.3)) await new Promise(setImmediate);
    if (socket.destroyed) break;
  }
  socket.end();
  const timer = setTimeout(() => socket.destroy(new Error("too late")), DEADLINE_MS);
  const started = performance.now();
  await closed;
  clearTimeout(timer);
  promise(
    performance.now() - started < DEADLINE_MS - 100,
    `the session did not end; it said ${JSON.stringify(text.slice(-200))}`,
  );
  return { text, isReset };
}

/** The codes of all replies. A connection that was reset may have lost the end of what was said. */
function repliesOf(text: string, isReset: boolean): string[] {
  const lines = text.split("\r\n");
  const last = lines.pop();
  promise(last === "" || isReset, `half a reply: ${JSON.stringify(last)}`);
  const codes: string[] = [];
  for (const line of lines) {
    const [, code, sign] = /^([2345]\d\d)([ -])/.exec(line) ?? [];
    promise(code !== undefined, `no reply: ${JSON.stringify(line)}`);
    mustBeSafe(Buffer.from(line, "latin1").toString("utf8"), "a reply");
    promise(line.length <= 1200, `a reply of ${line.length} characters`);
    if (sign === " ") codes.push(code);
  }
  return codes;
}

function judge(path: string): void {
  const { envelope, records, unreadable } = readQueueFile(path);
  promise(records.length === 0 && unreadable === 0, "a journal that nobody wrote");
  const { sender, recipients, client, subject = "", messageId = "" } = envelope;
  for (const text of [sender, ...recipients.map((one) => one.address), client?.helo ?? "", subject, messageId]) {
    mustBeSafe(text, "the envelope");
  }
  const content = openContent(path, 1_000_000);
  const text = content.bytes?.toString("latin1") ?? "";
  content.close();
  promise(text.startsWith("Received: from "), "a message without our Received field");
  promise(!/[^\r]\n|^\n|\r(?!\n)|\0/.test(text) && text.endsWith("\r\n"), "a line end that is none in a message");
}
