/** Hands in one message by SMTP, line by line, as any mail program does. */
import { connect } from "node:net";
import { DidNotHappen } from "./system.ts";

const DEADLINE_MS = 20_000;

/** The server's last word, `250 2.0.0 Ok: queued as ID`. Throws DidNotHappen when it is not taken. */
export async function sendBySmtp(port: number, from: string, to: readonly string[], message: string): Promise<string> {
  const content = message.replaceAll("\n", "\r\n").replaceAll(/^\./gm, "..");
  const steps = [
    "EHLO client.example",
    `MAIL FROM:<${from}>`,
    ...to.map((address) => `RCPT TO:<${address}>`),
    "DATA",
    `${content}\r\n.`,
  ];
  return await new Promise<string>((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    let next = 0;
    socket.setEncoding("utf8");
    socket.setTimeout(DEADLINE_MS, () => socket.destroy(new Error("no answer")));
    socket.on("error", (error) => reject(new DidNotHappen(`SMTP on port ${port}: ${error.message}`)));
    socket.on("close", () => reject(new DidNotHappen(`SMTP on port ${port}: the connection was closed`)));
    socket.on("data", (chunk: string) => {
      text += chunk;
      const reply = /^(?:\d{3}-.*\r\n)*(\d{3}) .*\r\n$/.exec(text);
      if (reply === null) return;
      if (Number(reply[1]) >= 400) reject(new DidNotHappen(`SMTP says: ${text.trim()}`));
      const said = text.trim();
      text = "";
      const step = steps[next];
      next += 1;
      if (step !== undefined) {
        socket.write(`${step}\r\n`);
        return;
      }
      resolve(said);
      socket.end("QUIT\r\n");
    });
  });
}
