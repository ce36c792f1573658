/**
 * Messages on their way out, to a server that takes 7-bit lines of 998 octets and no more: whatever a message holds,
 * what arrives has CRLF line ends, one end, no line that is too long, and no byte beyond ASCII; or it is returned.
 */
import { createServer } from "node:net";
import { once } from "node:events";
import { contentOf } from "../../src/process/pickup/content.ts";
import { agent, streamed } from "../harness/delivering.ts";
import { mustBeSafe, promise, type Target } from "./target.ts";

const SEEDS = [
  "Subject: x\r\n\r\n.\r\n..\r\nbody\r\n",
  'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\npre\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nüü=\r\n \r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\xff\xfe\xfd\r\n--b--\r\nepilog ü\r\n',
  "Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\nA: b\r\n\r\ntext\r\n--d--\r\n--s\r\n\r\nsig\r\n--s--\r\n",
  `Subject: ${"long ".repeat(300)}\r\nX: ${"x".repeat(2000)}\r\n\r\n${"y".repeat(3000)}\r\n`,
  "Subject: ü\r\nContent-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=FC\r\n",
];

export async function messageTarget(): Promise<Target> {
  let data = "";
  const server = createServer((socket) => {
    let isData = false;
    let buffer = "";
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.write("220 x ESMTP\r\n");
    socket.on("data", (bytes: Buffer) => {
      buffer += bytes.toString("latin1");
      for (;;) {
        const isEmpty = isData && buffer.startsWith(".\r\n");
        const end = isEmpty ? 0 : buffer.indexOf(isData ? "\r\n.\r\n" : "\r\n");
        if (end < 0) return;
        const got = buffer.slice(0, end);
        buffer = buffer.slice(end + (isData && !isEmpty ? 5 : isEmpty ? 3 : 2));
        if (isData) data = isEmpty ? "" : `${got}\r\n`;
        const isDataNext = !isData && got === "DATA";
        isData = isDataNext;
        if (got.startsWith("EHLO ")) socket.write("250-x\r\n250-PIPELINING\r\n250 SIZE 10000000\r\n");
        else socket.write(isDataNext ? "354 go\r\n" : "250 Ok\r\n");
      }
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  const smtp = agent({ smtp_tls_security_level: "none" });

  return {
    name: "message",
    share: 2,
    seeds: SEEDS.map((text) => Buffer.from(text, "latin1")),
    dictionary: [
      ...["\r\n", "\r\n\r\n", ".", "\r\n.\r\n", "--b", "--b--", "--", "=", ";", '"', "\\", "\xff", "ü", " ", "\t", "("],
      ...[
        "Content-Type: multipart/mixed; boundary=b\r\n",
        "Content-Transfer-Encoding: 8bit\r\n",
        "boundary=",
        "message/rfc822",
        "charset=",
      ],
    ],
    maxBytes: 100 * 1024,
    async run(input, random) {
      // As a door would have written it.
      const text = Buffer.from(contentOf(Buffer.from(input.map((byte) => (byte === 0 ? 1 : byte)))).start);
      data = "";
      const content = random.chance(0.3) ? { content: streamed(text, [1 + random.below(5000), 7, 4096]) } : { text };
      const { attempts, damaged } = await smtp.send(`[127.0.0.1]:${port}`, content);
      const [attempt] = attempts;
      promise(attempt !== undefined && damaged === undefined, `no verdict: ${damaged}`);
      mustBeSafe(attempt.text, "a text");
      smtp.log.lines.length = 0;
      if (attempt.outcome !== "sent") {
        promise(attempt.outcome === "bounced" && attempt.dsn.startsWith("5.6."), `${attempt.outcome}: ${attempt.text}`);
        return attempt.text;
      }
      const lines = data.split("\r\n");
      promise(
        lines.every((line) => line.length <= 999),
        "a line of more than 998 octets",
      ); // a stuffed dot is one more
      promise(!/[\r\n]/.test(lines.join("")), "a line end that is none");
      promise(
        lines.every((line) => !line.startsWith(".") || line.startsWith("..")),
        "a dot that is not stuffed",
      );
      const isAscii = /^[\0-\x7f]*$/.test(data);
      promise(isAscii, "a byte beyond ASCII");
      return `sent ${text.length === data.length} ${/base64/.test(data)} ${/quoted-printable/.test(data)}`;
    },
    async [Symbol.asyncDispose]() {
      await smtp[Symbol.asyncDispose]();
      server.close();
    },
  };
}
