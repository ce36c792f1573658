/**
 * A destination server that does what a test tells it to: every reply, a delay, a close or a reset at every step,
 * STARTTLS with a throw-away certificate. It speaks raw TCP, so that it can be wrong in every way, and keeps every
 * byte that it got.
 *
 *   await using sink = await destination({ rcpt: ["450 4.2.0 later", "250 2.1.5 Ok"], dot: { delayMs: 50 } });
 *   ... relayhost = [127.0.0.1]:${sink.port} ...
 *   await sink.waitFor(1);
 *   expect(sink.messages[0]?.recipients).toEqual(["bob@example.org"]);
 *
 * A step is a reply, an action, a list of them (one for each time; the last stays), or a function of the command.
 * A reply is sent as it stands, with CRLF behind it: several lines are written "250-one\r\n250 two".
 */
import { createServer, type Server, type Socket } from "node:net";
import { TLSSocket, type TLSSocketOptions } from "node:tls";
import { throwAwayCertificate } from "./certificate.ts";
import { until } from "./until.ts";

export interface Action {
  readonly reply?: string; // default: the usual reply; "" sends nothing
  readonly delayMs?: number; // before the reply
  readonly dripMs?: number; // send the reply one byte at a time, so far apart
  readonly end?: "close" | "reset" | "hang"; // afterwards: FIN, or RST, or answer nothing any more
  readonly raw?: true; // without CRLF behind the reply
}

export interface Command {
  readonly verb: string; // in upper case
  readonly line: string; // without CRLF
  readonly connection: number; // from 1
  readonly count: number; // how often this step was taken, over all connections, from 1
}

type Act = string | Action;
export type Step = Act | readonly Act[] | ((command: Command) => Act | undefined);

export interface DestinationOptions {
  readonly host?: string; // default 127.0.0.1
  readonly port?: number; // default: any free one
  readonly name?: string; // in the greeting and in the reply to EHLO; default destination.test
  readonly extensions?: readonly string[]; // default: all that a modern server has
  readonly tls?: boolean | "garbage" | "hang" | "close"; // offers STARTTLS; and then talks nonsense, says nothing, ends
  readonly tlsFromStart?: boolean; // TLS before the greeting, as on port 465
  readonly tlsOptions?: TLSSocketOptions; // default: a throw-away certificate
  readonly greeting?: Step;
  readonly ehlo?: Step;
  readonly helo?: Step;
  readonly starttls?: Step;
  readonly handshake?: Act; // instead of its side of the TLS handshake
  readonly auth?: Step; // AUTH, and each line behind a 334
  readonly mail?: Step;
  readonly rcpt?: Step;
  readonly data?: Step;
  readonly dot?: Step; // the end of data
  readonly rset?: Step;
  readonly noop?: Step;
  readonly quit?: Step;
  /** While DATA comes in: called for each chunk; what it returns is done at once. */
  readonly body?: (bytesSoFar: number) => Act | undefined;
  /** Stop reading from the socket when DATA begins. */
  readonly stall?: boolean;
  /** Read slowly when DATA begins: what has come at once, and then nothing for so long. */
  readonly sipMs?: number;
  /** Keep neither bytes nor data, only sizes: for large messages. */
  readonly forget?: boolean;
}

export interface ReceivedMessage {
  readonly from: string; // without brackets
  readonly mailArguments: string; // what followed the address
  readonly recipients: readonly string[]; // those accepted, without brackets
  readonly rcptArguments: readonly string[];
  readonly data: Buffer; // as sent before dot-stuffing, with its last CRLF; empty with `forget`
  readonly sizeBytes: number; // on the wire, without the lone dot
  readonly helo: string;
  readonly connection: number; // from 1
  readonly secure: boolean;
  readonly time: number; // ms since 1970
}

export interface Destination extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly messages: readonly ReceivedMessage[]; // those answered with 2xx at the end of data
  readonly commands: readonly string[]; // every command line of every connection, in order of arrival
  readonly connections: number; // how many there were
  readonly open: number; // how many there are
  /** All bytes that a connection (from 1) sent, as received; behind STARTTLS as decrypted. */
  bytes(connection?: number): Buffer;
  /** Waits until so many messages have been accepted. */
  waitFor(count: number, timeoutMs?: number): Promise<readonly ReceivedMessage[]>;
  /** Other answers from now on. */
  set(options: DestinationOptions): void;
  /** Says something unasked on every open connection. */
  say(bytes: string): void;
  /** Ends every open connection, as a restart would. */
  drop(how?: "close" | "reset"): void;
  close(): Promise<void>;
}

const EXTENSIONS = ["PIPELINING", "SIZE 104857600", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN"];

export async function destination(options: DestinationOptions = {}): Promise<Destination> {
  const made = new Sink(options);
  await made.listen();
  return made;
}

class Sink implements Destination {
  readonly host: string;
  readonly messages: ReceivedMessage[] = [];
  readonly commands: string[] = [];
  readonly received: Buffer[][] = [];
  readonly counts = new Map<string, number>();
  options: DestinationOptions;
  port = 0;
  #server: Server;
  #sockets = new Set<Socket>();

  constructor(options: DestinationOptions) {
    this.options = options;
    this.host = options.host ?? "127.0.0.1";
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      this.received.push([]);
      new Conversation(this, socket, this.received.length).begin();
    });
  }

  get connections(): number {
    return this.received.length;
  }
  get open(): number {
    return this.#sockets.size;
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(this.options.port ?? 0, this.host, () => {
        const address = this.#server.address();
        if (address !== null && typeof address === "object") this.port = address.port;
        resolve();
      });
    });
  }

  bytes(connection = 1): Buffer {
    return Buffer.concat(this.received[connection - 1] ?? []);
  }

  async waitFor(count: number, timeoutMs = 10_000): Promise<readonly ReceivedMessage[]> {
    await until(
      () => `${count} messages at the destination, where ${this.messages.length} are`,
      () => this.messages.length >= count,
      timeoutMs,
    );
    return this.messages;
  }

  set(options: DestinationOptions): void {
    this.options = { ...this.options, ...options };
    this.counts.clear();
  }

  say(bytes: string): void {
    for (const socket of this.#sockets) socket.write(bytes);
  }

  drop(how: "close" | "reset" = "close"): void {
    for (const socket of this.#sockets) how === "reset" ? socket.resetAndDestroy() : socket.destroy();
  }

  async close(): Promise<void> {
    this.drop();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

type StepName =
  | "greeting"
  | "ehlo"
  | "helo"
  | "starttls"
  | "auth"
  | "mail"
  | "rcpt"
  | "data"
  | "dot"
  | "rset"
  | "noop"
  | "quit";
const END_OF_DATA = Buffer.from("\r\n.\r\n");

class Conversation {
  readonly #sink: Sink;
  readonly #number: number;
  #socket: Socket;
  #buffer: Buffer = Buffer.alloc(0);
  #body: Buffer[] = []; // what came of a message so far, but for its last bytes, which are in the buffer
  #bodyBytes = 0;
  #inData = false;
  #busy = false; // a reply is being delayed: commands wait
  #secure = false;
  #chunkBytes = -1; // of BDAT ... LAST, the only one that is understood
  #inAuth = false; // a 334 was the last reply: what comes next is no command
  #helo = "";
  #from: string | undefined;
  #mailArguments = "";
  #recipients: string[] = [];
  #rcptArguments: string[] = [];

  constructor(sink: Sink, socket: Socket, number: number) {
    this.#sink = sink;
    this.#socket = socket;
    this.#number = number;
  }

  begin(): void {
    if (this.#sink.options.tlsFromStart) this.#startTls();
    else this.#attach(this.#socket);
    const name = this.#sink.options.name ?? "destination.test";
    void this.#answer("greeting", `220 ${name} ESMTP`, "");
  }

  #attach(socket: Socket): void {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      if (!this.#sink.options.forget) this.#sink.received[this.#number - 1]?.push(chunk);
      this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
      if (this.#inData) {
        const act = this.#sink.options.body?.(this.#bodyBytes + this.#buffer.length);
        if (act !== undefined) void this.#perform(act, "");
      }
      void this.#read();
      if (this.#inData && this.#sink.options.sipMs !== undefined) this.#sip(this.#sink.options.sipMs);
    });
  }

  #sip(pauseMs: number): void {
    this.#socket.pause();
    setTimeout(() => this.#socket.resume(), pauseMs);
  }

  async #read(): Promise<void> {
    while (!this.#busy && !this.#socket.destroyed) {
      if (this.#chunkBytes >= 0) {
        if (this.#buffer.length < this.#chunkBytes) return;
        const data = this.#buffer.subarray(0, this.#chunkBytes);
        this.#buffer = this.#buffer.subarray(this.#chunkBytes);
        this.#chunkBytes = -1;
        await this.#finish(data, data.length);
        continue;
      }
      if (this.#inData) {
        const end = this.#endOfData();
        if (end < 0) {
          this.#setAside(Math.max(0, this.#buffer.length - END_OF_DATA.length));
          return;
        }
        this.#setAside(end);
        this.#buffer = this.#buffer.subarray(".\r\n".length);
        this.#inData = false;
        const data = unstuff(Buffer.concat(this.#body));
        const sizeBytes = this.#bodyBytes;
        this.#body = [];
        this.#bodyBytes = 0;
        await this.#finish(data, sizeBytes);
        continue;
      }
      const end = this.#buffer.indexOf("\r\n");
      if (end < 0) return;
      const line = this.#buffer.toString("utf8", 0, end);
      this.#buffer = this.#buffer.subarray(end + 2);
      this.#sink.commands.push(line);
      await this.#command(line);
    }
  }

  #setAside(count: number): void {
    if (!this.#sink.options.forget) this.#body.push(this.#buffer.subarray(0, count));
    this.#bodyBytes += count;
    this.#buffer = this.#buffer.subarray(count);
  }

  /** Where in the buffer the lone dot begins; what is before it is the message. */
  #endOfData(): number {
    const isStart = this.#bodyBytes === 0 && this.#buffer.length >= 3;
    if (isStart && this.#buffer.toString("latin1", 0, 3) === ".\r\n") return 0;
    const at = this.#buffer.indexOf(END_OF_DATA);
    return at < 0 ? -1 : at + 2;
  }

  async #command(line: string): Promise<void> {
    const verb = line.split(" ", 1)[0]?.toUpperCase() ?? "";
    const { options } = this.#sink;
    const name = options.name ?? "destination.test";
    if (this.#inAuth) {
      await this.#authenticate(line);
      return;
    }
    switch (verb) {
      case "EHLO": {
        this.#helo = line.slice(5);
        const extensions = [...(options.extensions ?? EXTENSIONS)];
        if (options.tls && !this.#secure) extensions.push("STARTTLS");
        const lines = [name, ...extensions];
        const usual = lines.map((text, index) => `250${index === lines.length - 1 ? " " : "-"}${text}`).join("\r\n");
        await this.#answer("ehlo", usual, line);
        return;
      }
      case "HELO":
        this.#helo = line.slice(5);
        await this.#answer("helo", `250 ${name}`, line);
        return;
      case "STARTTLS": {
        const reply = await this.#answer(
          "starttls",
          options.tls ? "220 2.0.0 Ready to start TLS" : "502 5.5.1 no",
          line,
        );
        if (reply.startsWith("220")) this.#startTls();
        return;
      }
      case "AUTH":
        await this.#authenticate(line);
        return;
      case "MAIL": {
        const reply = await this.#answer("mail", "250 2.1.0 Ok", line);
        if (!isPositive(reply)) return;
        [this.#from, this.#mailArguments] = splitPath(line.slice("MAIL FROM:".length));
        this.#recipients = [];
        this.#rcptArguments = [];
        return;
      }
      case "RCPT": {
        const reply = await this.#answer(
          "rcpt",
          this.#from === undefined ? "503 5.5.1 need MAIL" : "250 2.1.5 Ok",
          line,
        );
        if (!isPositive(reply)) return;
        const [address, rest] = splitPath(line.slice("RCPT TO:".length));
        this.#recipients.push(address);
        this.#rcptArguments.push(rest);
        return;
      }
      case "DATA": {
        const usual = this.#recipients.length > 0 ? "354 go ahead" : "503 5.5.1 no valid recipients";
        if (this.#sink.options.stall) this.#socket.pause();
        const reply = await this.#answer("data", usual, line);
        this.#inData = reply.startsWith("3");
        return;
      }
      case "BDAT":
        this.#chunkBytes = Number(/^BDAT (\d+) LAST$/.exec(line)?.[1] ?? -1);
        return;
      case "RSET":
        this.#from = undefined;
        await this.#answer("rset", "250 2.0.0 Ok", line);
        return;
      case "NOOP":
        await this.#answer("noop", "250 2.0.0 Ok", line);
        return;
      case "QUIT":
        await this.#answer("quit", { reply: "221 2.0.0 Bye", end: "close" }, line);
        return;
      default:
        await this.#perform("500 5.5.2 unknown command", "");
    }
  }

  async #authenticate(line: string): Promise<void> {
    const reply = await this.#answer("auth", "235 2.7.0 Authentication successful", line);
    this.#inAuth = reply.startsWith("334");
  }

  async #finish(data: Buffer, sizeBytes: number): Promise<void> {
    const from = this.#from ?? "";
    const count = this.#sink.messages.length + 1;
    const recipients = this.#recipients;
    const message: ReceivedMessage = {
      from,
      mailArguments: this.#mailArguments,
      recipients,
      rcptArguments: this.#rcptArguments,
      data,
      sizeBytes,
      helo: this.#helo,
      connection: this.#number,
      secure: this.#secure,
      time: Date.now(),
    };
    this.#from = undefined;
    this.#recipients = [];
    this.#rcptArguments = [];
    // Kept before the reply goes out: who hears the reply finds the message.
    const usual = recipients.length > 0 ? `250 2.0.0 Ok: queued as ${count}` : "503 5.5.1 no valid recipients";
    await this.#answer("dot", usual, "", (reply) => {
      if (isPositive(reply) && recipients.length > 0) this.#sink.messages.push(message);
    });
  }

  /** Takes the step; returns the reply that was sent. */
  async #answer(name: StepName, usual: Act, line: string, before?: (reply: string) => void): Promise<string> {
    const count = (this.#sink.counts.get(name) ?? 0) + 1;
    this.#sink.counts.set(name, count);
    const step = this.#sink.options[name];
    let act: Act | undefined;
    if (typeof step === "function") {
      act = step({ verb: line.split(" ", 1)[0]?.toUpperCase() ?? "", line, connection: this.#number, count });
    } else if (Array.isArray(step)) act = step[Math.min(count, step.length) - 1];
    else act = step as Act | undefined;
    return this.#perform(act ?? usual, usual, before);
  }

  async #perform(act: Act, usual: Act, before?: (reply: string) => void): Promise<string> {
    const fallback = typeof usual === "string" ? { reply: usual } : usual;
    const action: Action = typeof act === "string" ? { reply: act } : { ...fallback, ...act };
    const reply = action.reply ?? "";
    if (action.delayMs !== undefined) {
      this.#busy = true;
      await new Promise((resolve) => setTimeout(resolve, action.delayMs));
      this.#busy = false;
    }
    before?.(reply);
    if (this.#socket.destroyed) return reply;
    const bytes = reply === "" || action.raw ? reply : `${reply}\r\n`;
    if (action.dripMs === undefined) {
      if (bytes !== "") this.#socket.write(bytes);
    } else {
      this.#busy = true;
      for (const byte of Buffer.from(bytes)) {
        if (this.#socket.destroyed) break;
        this.#socket.write(Buffer.from([byte]));
        await new Promise((resolve) => setTimeout(resolve, action.dripMs));
      }
      this.#busy = false;
    }
    if (action.end === "hang") this.#busy = true;
    if (action.end === "close") this.#socket.end();
    if (action.end === "reset") this.#socket.resetAndDestroy();
    if (action.delayMs !== undefined || action.dripMs !== undefined) setImmediate(() => void this.#read());
    return reply;
  }

  #startTls(): void {
    const plain = this.#socket;
    plain.removeAllListeners("data");
    this.#buffer = Buffer.alloc(0);
    const { tls, tlsOptions, handshake } = this.#sink.options;
    if (handshake !== undefined) {
      void this.#perform(handshake, "");
      return;
    }
    if (tls === "garbage") {
      plain.end("this is not TLS\r\n");
      return;
    }
    if (tls === "hang" || tls === "close") {
      plain.on("error", () => {});
      plain.once("data", () => tls === "close" && plain.end());
      return;
    }
    const secure = new TLSSocket(plain, { isServer: true, ...throwAwayCertificate(), ...tlsOptions });
    this.#secure = true;
    this.#attach(secure);
  }
}

function isPositive(reply: string): boolean {
  return /^2\d\d[ -]/.test(reply.slice(reply.lastIndexOf("\n") + 1));
}

/** "<a@b> SIZE=3" -> ["a@b", "SIZE=3"] */
function splitPath(text: string): [string, string] {
  const match = /^\s*<((?:"(?:\\.|[^"\\])*"|[^>])*)>\s*(.*)$/.exec(text);
  return [match?.[1] ?? text, match?.[2] ?? ""];
}

function unstuff(data: Buffer): Buffer {
  const text = data.toString("latin1");
  return Buffer.from((text.startsWith(".") ? text.slice(1) : text).replaceAll("\r\n.", "\r\n"), "latin1");
}
