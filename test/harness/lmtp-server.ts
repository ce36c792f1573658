/** A mailbox server that speaks LMTP (RFC 2033), on a port or a socket: each recipient has its own answer. */
import { createServer, type Socket } from "node:net";
import { once } from "node:events";

export interface LmtpOptions {
  readonly path?: string; // of a socket; default: a port of 127.0.0.1
  readonly pipelining?: boolean; // default: yes
  readonly lhlo?: string; // instead of the usual reply
  readonly rcpt?: (address: string) => string | undefined; // undefined: accepted
  readonly dot?: (address: string) => string | undefined; // "": the connection is closed
}

export interface Letter {
  readonly recipient: string;
  readonly from: string;
  readonly text: string;
  readonly connection: number; // from 1
}

export interface LmtpServer extends AsyncDisposable {
  readonly port: number;
  readonly letters: readonly Letter[]; // one for each recipient whose message was taken
  readonly commands: readonly string[];
}

export async function lmtpServer(options: LmtpOptions = {}): Promise<LmtpServer> {
  const letters: Letter[] = [];
  const commands: string[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    converse(socket, ++connections, options, letters, commands);
  });
  server.listen(options.path === undefined ? { host: "127.0.0.1", port: 0 } : { path: options.path });
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    letters,
    commands,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function converse(
  socket: Socket,
  connection: number,
  { pipelining = true, ...options }: LmtpOptions,
  letters: Letter[],
  commands: string[],
): void {
  let buffer = "";
  let from = "";
  let accepted: string[] = [];
  let inData = false;
  const say = (reply: string) => socket.write(`${reply}\r\n`);

  function command(line: string): void {
    commands.push(line);
    const [verb = ""] = line.split(" ", 1);
    const address = /<([^>]*)>/.exec(line)?.[1] ?? "";
    if (verb === "LHLO") {
      const offers = pipelining ? "250-PIPELINING\r\n250-CHUNKING\r\n" : ""; // as Dovecot's
      say(options.lhlo ?? `250-lmtp.test\r\n${offers}250 ENHANCEDSTATUSCODES`);
    } else if (verb === "MAIL") {
      from = address;
      accepted = [];
      say("250 2.1.0 Ok");
    } else if (verb === "RCPT") {
      const refusal = options.rcpt?.(address);
      if (refusal === undefined) accepted.push(address);
      say(refusal ?? "250 2.1.5 Ok");
    } else if (verb === "DATA") {
      inData = accepted.length > 0;
      say(inData ? "354 go ahead" : "503 5.5.1 no valid recipients"); // RFC 2033 4.2
    } else if (verb === "RSET" || verb === "NOOP") say("250 2.0.0 Ok");
    else if (verb === "QUIT") socket.end("221 2.0.0 Bye\r\n");
    else say("500 5.5.1 unknown command");
  }

  function finish(text: string): void {
    for (const recipient of accepted) {
      const reply = options.dot?.(recipient);
      if (reply === "") {
        socket.end();
        return;
      }
      if (reply === undefined) letters.push({ recipient, from, text, connection });
      say(reply ?? `250 2.0.0 <${recipient}> Saved`);
    }
  }

  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    buffer += chunk.toString("latin1");
    for (;;) {
      const mark = inData ? "\r\n.\r\n" : "\r\n";
      const end = buffer.indexOf(mark);
      if (end < 0) return;
      const text = buffer.slice(0, end);
      buffer = buffer.slice(end + mark.length);
      if (!inData) command(text);
      else {
        inData = false;
        finish(text);
      }
    }
  });
  say("220 lmtp.test LMTP");
}
