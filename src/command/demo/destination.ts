/**
 * The destination of the demo: a small SMTP server that takes some mail, puts some off and refuses some for good, and
 * keeps what it took. No more SMTP than the demo needs.
 */
import { createServer, type Server, type Socket } from "node:net";

export interface Taken {
  readonly from: string;
  readonly to: readonly string[];
  readonly text: string;
}

/** What it says to RCPT TO for an address; undefined: it takes it. */
export type Policy = (address: string) => string | undefined;

export class Destination {
  readonly taken: Taken[] = [];
  readonly #policy: Policy;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  port = 0;

  constructor(policy: Policy) {
    this.#policy = policy;
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("error", () => {}); // the client's end of it is in the log
      converse(socket, this.#policy, (taken) => this.taken.push(taken));
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(0, "127.0.0.1", resolve);
    });
    const address = this.#server.address();
    if (address !== null && typeof address === "object") this.port = address.port;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

function converse(socket: Socket, policy: Policy, take: (taken: Taken) => void): void {
  let rest = "";
  let from = "";
  let to: string[] = [];
  let body: string[] | undefined; // while DATA comes in
  const say = (line: string) => socket.write(`${line}\r\n`);

  function command(line: string): void {
    const verb = line.slice(0, 4).toUpperCase();
    if (verb === "EHLO") say("250-destination.example\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES");
    else if (verb === "MAIL") {
      from = pathIn(line);
      to = [];
      say("250 2.1.0 Ok");
    } else if (verb === "RCPT") {
      const refusal = policy(pathIn(line));
      if (refusal === undefined) to.push(pathIn(line));
      say(refusal ?? "250 2.1.5 Ok");
    } else if (verb === "DATA" && to.length > 0) {
      body = [];
      say("354 End data with <CR><LF>.<CR><LF>");
    } else if (verb === "DATA") say("554 5.5.1 Error: no valid recipients");
    else if (verb === "QUIT") socket.end("221 2.0.0 Bye\r\n");
    else say("250 2.0.0 Ok");
  }
  function content(line: string): void {
    if (line !== ".") {
      body?.push(line.startsWith(".") ? line.slice(1) : line);
      return;
    }
    take({ from, to, text: (body ?? []).join("\n") });
    body = undefined;
    say("250 2.0.0 Ok, taken");
  }

  socket.setNoDelay(true); // replies are short, and waited for
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\r\n");
    rest = lines.pop() ?? "";
    for (const line of lines) body === undefined ? command(line) : content(line);
  });
  say("220 destination.example ESMTP");
}

function pathIn(line: string): string {
  return /<([^>]*)>/.exec(line)?.[1] ?? "";
}
