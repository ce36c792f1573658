/**
 * Servers that the SMTP client meets, over real sockets: whatever one says, and whenever, the delivery ends with a
 * verdict for each recipient; sent is only what the server had whole and said yes to; what is quoted of it is safe.
 */
import { createServer, type Socket } from "node:net";
import { once } from "node:events";
import { deliveryLine } from "../../src/mail/log-line.ts";
import { agent } from "../harness/delivering.ts";
import type { Random } from "../harness/random.ts";
import { inPieces } from "./mutate.ts";
import { mustBeSafe, promise, type Target } from "./target.ts";

/** Divides what the server says each time that something has come, or nothing for a while; at the end it hangs up. */
const TURN = "\n%%\n";
const PATIENCE_MS = 20;
const EHLO =
  "250-x\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n";
const SEEDS = [
  [
    "220 x ESMTP\r\n",
    EHLO,
    "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n550 5.1.1 no\r\n354 go\r\n",
    "250 2.0.0 Ok: queued as 1\r\n",
    "221 2.0.0 Bye\r\n",
  ],
  [
    "220-x\r\n220 y\r\n",
    "250 x\r\n",
    "250 Ok\r\n",
    "450 4.2.0 later\r\n",
    "250 Ok\r\n",
    "354 go\r\n",
    "451 4.3.0 later\r\n",
    "221 Bye\r\n",
  ],
  [
    "220 x\r\n",
    "502 what\r\n",
    "250 x\r\n",
    "250 Ok\r\n",
    "552 5.2.2 full\r\n",
    "452 4.5.3 too many\r\n",
    "554 no\r\n",
    "250 Ok\r\n",
  ],
  ["220 x\r\n", "250-x\r\n250-CHUNKING\r\n250 PIPELINING\r\n", "250 a\r\n250 b\r\n250 c\r\n", "250 d\r\n", "221 e\r\n"],
  [
    "220 x\r\n",
    "250-x\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n",
    "220 go\r\n\x15\x03\x01\0\x02\x02\x28",
    "250 x\r\n",
    "250 Ok\r\n",
  ],
  ["554 5.7.1 go away\r\n"],
  ["421 4.3.2 busy\r\n", "500 x\r\n"],
].map((turns) => turns.join(TURN));

const OUTCOMES = ["sent", "deferred", "bounced"];

export async function repliesTarget(): Promise<Target> {
  let script: readonly Buffer[] = [];
  let chance: Random | undefined;
  let heard = "";
  const server = createServer((socket) => {
    let turn = 0;
    socket.setNoDelay(true);
    socket.on("error", () => {});
    let timer: NodeJS.Timeout | undefined;
    const speak = () => {
      clearTimeout(timer);
      if (socket.destroyed) return;
      const words = script[turn++];
      void say(socket, words, chance);
      if (words !== undefined) timer = setTimeout(speak, PATIENCE_MS);
    };
    socket.on("data", (bytes: Buffer) => {
      heard += bytes.toString("latin1");
      speak();
    });
    speak();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  const waits = ["connect", "helo", "starttls", "mail", "rcpt", "data_init", "data_xfer", "data_done", "rset", "quit"];
  const smtp = agent({
    ...Object.fromEntries(waits.map((step) => [`smtp_${step}_timeout`, "200ms"])),
    smtp_delivery_timeout: "2s",
    smtp_tls_security_level: "may",
  });
  const to = ["a@e.org", "b@e.org"];

  return {
    name: "replies",
    share: 3,
    seeds: SEEDS.map((text) => Buffer.from(text)),
    dictionary: [
      ...[
        "\r",
        "\n",
        "\r\n",
        "\0",
        "-",
        " ",
        TURN,
        "\x1b]0;x\x07",
        "\xe2\x80\xae",
        "\xff",
        "5.1.1",
        "4.2.0",
        "2.0.0",
        "9.9.9",
      ],
      ...[
        "220 ",
        "250-",
        "250 ",
        "354 ",
        "421 ",
        "450 ",
        "550-",
        "550 ",
        "599 ",
        "999 ",
        "STARTTLS",
        "CHUNKING",
        "PIPELINING",
        "SIZE 1",
        "x".repeat(2000),
      ],
    ],
    maxBytes: 100 * 1024,
    async run(input, random) {
      script = divide(input);
      chance = random;
      heard = "";
      const { attempts, fault, transcript } = await smtp.send(`[127.0.0.1]:${port}`, { to });
      smtp.deliverer.stop(); // the next one begins anew
      promise(attempts.length === to.length, `${attempts.length} verdicts for ${to.length} recipients`);
      for (const attempt of attempts) {
        promise(OUTCOMES.includes(attempt.outcome), `outcome ${attempt.outcome}`);
        promise(/^[245]\.\d{1,3}\.\d{1,3}$/.test(attempt.dsn), `status ${attempt.dsn}`);
        promise(attempt.outcome !== "bounced" || attempt.dsn.startsWith("5"), `returned with ${attempt.dsn}`);
        promise(attempt.text.length < 5000, `a text of ${attempt.text.length} characters`);
        for (const [name, value] of Object.entries(attempt)) {
          if (typeof value === "string") mustBeSafe(value, name);
        }
        mustBeSafe(deliveryLine("4jXKqZ2MC7zJ9RG", { address: "a@e.org" }, attempt), "a log line");
        const isWhole = heard.includes("\r\n.\r\n") || /^BDAT \d+ LAST\r\n/m.test(heard);
        promise(attempt.outcome !== "sent" || isWhole, "sent, but the server did not get it");
      }
      mustBeSafe(fault ?? "", "a fault");
      for (const session of transcript?.sessions ?? []) {
        for (const [, , text] of session.lines) mustBeSafe(text, "a transcript");
      }
      for (const line of smtp.log.lines) mustBeSafe(line, "a log line");
      smtp.log.lines.length = 0;
      return attempts.map(({ type, state, outcome, code }) => `${type} ${state} ${outcome} ${code}`).join(", ");
    },
    async [Symbol.asyncDispose]() {
      await smtp[Symbol.asyncDispose]();
      server.close();
    },
  };
}

function divide(input: Buffer): Buffer[] {
  return input
    .toString("latin1")
    .split(TURN)
    .map((turn) => Buffer.from(turn, "latin1"));
}

async function say(socket: Socket, words: Buffer | undefined, random: Random | undefined): Promise<void> {
  if (words === undefined || random === undefined) {
    socket.end();
    return;
  }
  for (const piece of inPieces(words, random)) {
    if (socket.destroyed) return;
    socket.write(piece);
    if (random.chance(0.2)) await new Promise(setImmediate);
  }
}
