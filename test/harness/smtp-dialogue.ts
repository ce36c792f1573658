/**
 * A conversation with an SMTP server over a raw socket, byte by byte as the test says it:
 *
 *   await using client = await dialogue(port);
 *   await client.expect("220 ");
 *   await client.say("EHLO client.test");
 *   await client.expect("250 ");
 *
 * `say` sends a line, `send` bytes, `expect` waits for one whole reply (of several lines where it has them).
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { pause } from "./until.ts";

export interface DialogueOptions {
  readonly timeoutMs?: number; // for each reply
  readonly localAddress?: string; // 127.0.0.2 and so on: another client
  readonly tls?: boolean; // from the first byte
  readonly host?: string;
}

export async function dialogue(port: number, options: DialogueOptions = {}): Promise<Dialogue> {
  const { host = "127.0.0.1", localAddress } = options;
  const where = { port, host, ...(localAddress === undefined ? {} : { localAddress }) };
  const socket = options.tls ? connectTls({ ...where, rejectUnauthorized: false }) : connect(where);
  await once(socket, options.tls ? "secureConnect" : "connect");
  return new Dialogue(socket, options.timeoutMs ?? 5000);
}

export class Dialogue implements AsyncDisposable {
  #socket: Socket | TLSSocket;
  readonly #timeoutMs: number;
  #text = ""; // of the server, that nobody has expected yet
  #isClosed = false;
  #news: () => void = () => {};

  constructor(socket: Socket, timeoutMs: number) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    this.#listen();
  }

  /** One line, ended with CRLF. */
  async say(line: string): Promise<void> {
    await this.send(`${line}\r\n`);
  }

  /** Says a line and expects a reply. */
  async ask(line: string, expected: string | RegExp): Promise<string> {
    await this.say(line);
    return this.expect(expected);
  }

  async send(bytes: string | Buffer): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.write(bytes, () => resolve()));
  }

  /** In TCP segments of their own, as far as a sender can see to it. */
  async sendInPieces(pieces: readonly (string | Buffer)[], pauseMs = 5): Promise<void> {
    this.#socket.setNoDelay(true);
    for (const piece of pieces) {
      await this.send(piece);
      await pause(pauseMs);
    }
  }

  /** The next reply, which must start with the text or match. Returns its lines as they came, joined by "\n". */
  async expect(expected: string | RegExp): Promise<string> {
    const reply = await this.reply();
    const isExpected = typeof expected === "string" ? reply.startsWith(expected) : expected.test(reply);
    if (!isExpected) throw new Error(`expected ${expected}, got: ${reply}`);
    return reply;
  }

  /** The next reply, whatever it says. */
  async reply(): Promise<string> {
    const end = performance.now() + this.#timeoutMs;
    for (;;) {
      const match = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\n/.exec(this.#text);
      if (match !== null) {
        this.#text = this.#text.slice(match[0].length);
        return match[0].replaceAll("\r\n", "\n").slice(0, -1);
      }
      if (this.#isClosed)
        throw new Error(`connection closed instead of a reply; unread: ${JSON.stringify(this.#text)}`);
      await this.#wait(end, "a reply");
    }
  }

  /** Waits until the server has closed. Returns what it said before that nobody expected. */
  async expectClose(): Promise<string> {
    const end = performance.now() + this.#timeoutMs;
    while (!this.#isClosed) await this.#wait(end, "the connection to close");
    return this.#text;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Greeting and EHLO. Returns the reply to EHLO. */
  async hello(name = "client.test"): Promise<string> {
    await this.expect("220 ");
    return this.ask(`EHLO ${name}`, "250");
  }

  /** STARTTLS was answered with 220: from here on in TLS. */
  async secure(): Promise<void> {
    const plain = this.#socket;
    plain.removeAllListeners();
    const socket = connectTls({ socket: plain, rejectUnauthorized: false });
    this.#socket = socket;
    this.#listen();
    await once(socket, "secureConnect");
  }

  /** A whole message; the reply to its final dot, which must start so. */
  async mail(
    from: string,
    to: readonly string[],
    content: string | Buffer,
    expected = "250 2.0.0 Ok: queued as ",
  ): Promise<string> {
    await this.ask(`MAIL FROM:<${from}>`, "250 2.1.0 ");
    for (const address of to) await this.ask(`RCPT TO:<${address}>`, "250 2.1.5 ");
    await this.ask("DATA", "354 ");
    await this.send(content);
    await this.send("\r\n.\r\n");
    return this.expect(expected);
  }

  /** No more from us; the server may still answer. */
  end(): void {
    this.#socket.end();
  }

  /** As a machine that was switched off: RST. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  pauseReading(): void {
    this.#socket.pause();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    if (!this.#isClosed) await once(this.#socket, "close");
  }

  #listen(): void {
    this.#socket.on("data", (bytes: Buffer) => {
      this.#text += bytes.toString();
      this.#news();
    });
    const gone = () => {
      this.#isClosed = true;
      this.#news();
    };
    this.#socket.on("error", gone);
    this.#socket.on("end", gone);
    this.#socket.on("close", gone);
  }

  async #wait(end: number, what: string): Promise<void> {
    const left = end - performance.now();
    if (left <= 0)
      throw new Error(`waited ${this.#timeoutMs} ms in vain for ${what}; unread: ${JSON.stringify(this.#text)}`);
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#news = resolve;
      timer = setTimeout(resolve, left);
    });
    clearTimeout(timer);
  }
}
