/**
 * A small SMTP client of our own, so that a test never proves nodemailer against nodemailer. It says what it is told
 * and reports what it heard; a lost connection rejects whatever was waiting, for the caller must know that the fate
 * of a message is open.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

export interface SmtpReply {
  readonly code: number;
  readonly text: string; // all lines, without codes, joined by blanks
}

/** The server's reply was not the one that a mail transaction needs. */
export class SmtpRefusal extends Error {
  readonly reply: SmtpReply;
  readonly command: string;

  constructor(command: string, reply: SmtpReply) {
    super(`${command}: ${reply.code} ${reply.text}`);
    this.reply = reply;
    this.command = command;
  }
}

export interface Mail {
  readonly from: string; // reverse-path without brackets
  readonly to: readonly string[];
  readonly content: string | Buffer; // header and body with CRLF, not dot-stuffed
  readonly mailParameters?: string; // e.g. "RET=HDRS ENVID=x"
  readonly rcptParameters?: string; // e.g. "NOTIFY=SUCCESS"
}

export interface Accepted {
  readonly id: string; // queue id, as the final reply says
  readonly reply: SmtpReply;
  readonly refused: readonly { readonly recipient: string; readonly reply: SmtpReply }[];
}

export class SmtpClient {
  readonly #socket: Socket;
  readonly #waiting: { resolve(reply: SmtpReply): void; reject(error: Error): void }[] = [];
  readonly #early: SmtpReply[] = []; // replies that came before anyone asked: the greeting
  #buffer = "";
  #lines: string[] = [];
  #lost: Error | undefined;

  private constructor(socket: Socket, timeoutMs: number) {
    this.#socket = socket;
    socket.setEncoding("utf8");
    socket.setNoDelay(true);
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no word from the server for ${timeoutMs} ms`)));
    socket.on("data", (text: string) => this.#read(text));
    socket.on("error", (error) => this.#lose(error));
    socket.on("close", () => this.#lose(new Error("connection closed")));
  }

  /** Connects and waits for the greeting; throws SmtpRefusal unless it is 220. */
  static async connect(
    port: number,
    options: { readonly host?: string; readonly timeoutMs?: number } = {},
  ): Promise<SmtpClient> {
    const client = new SmtpClient(connect(port, options.host ?? "127.0.0.1"), options.timeoutMs ?? 30_000);
    try {
      expect2xx("greeting", await client.reply());
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /** The next reply. */
  reply(): Promise<SmtpReply> {
    const early = this.#early.shift();
    if (early) return Promise.resolve(early);
    if (this.#lost) return Promise.reject(this.#lost);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  async command(line: string): Promise<SmtpReply> {
    const reply = this.reply();
    this.#socket.write(`${line}\r\n`);
    return reply;
  }

  async hello(name = "client.test"): Promise<SmtpReply> {
    return expect2xx("EHLO", await this.command(`EHLO ${name}`));
  }

  /**
   * One transaction, its envelope pipelined. Throws SmtpRefusal if it ends without a 250 to the content, and the
   * socket's error if the connection goes: then nobody knows. `beforeEnd` is called when all but the final dot is
   * sent.
   */
  async send(mail: Mail, beforeEnd?: () => void | Promise<void>): Promise<Accepted> {
    const verbs = [
      `MAIL FROM:<${mail.from}>${mail.mailParameters ? ` ${mail.mailParameters}` : ""}`,
      ...mail.to.map((to) => `RCPT TO:<${to}>${mail.rcptParameters ? ` ${mail.rcptParameters}` : ""}`),
      "DATA",
    ];
    const replies = verbs.map(() => this.reply());
    this.#socket.write(`${verbs.join("\r\n")}\r\n`);
    const heard = await allReplies(replies);
    const mailReply = heard[0] as SmtpReply;
    const dataReply = heard[heard.length - 1] as SmtpReply;
    const refused = mail.to.flatMap((recipient, index) => {
      const reply = heard[index + 1] as SmtpReply;
      return isPositive(reply) ? [] : [{ recipient, reply }];
    });
    if (!isPositive(mailReply) || dataReply.code !== 354) {
      const failed = isPositive(mailReply) ? (refused[0]?.reply ?? dataReply) : mailReply;
      if (dataReply.code === 354)
        await this.command("."); // nobody to send to, yet the server wants content
      else await this.command("RSET");
      throw new SmtpRefusal("envelope", failed);
    }
    await this.#write(stuffed(mail.content));
    await beforeEnd?.();
    const reply = expect2xx("end of data", await this.command("."));
    return { id: /queued as (\S+)/.exec(reply.text)?.[1] ?? "", reply, refused };
  }

  /** Says QUIT and closes, whatever the answer. */
  async quit(): Promise<void> {
    try {
      if (!this.#lost) await this.command("QUIT");
    } catch {
      // gone already
    }
    this.close();
  }

  close(): void {
    this.#socket.destroy();
  }

  async #write(data: Buffer): Promise<void> {
    if (this.#lost) throw this.#lost;
    if (!this.#socket.write(data)) await Promise.race([once(this.#socket, "drain"), once(this.#socket, "close")]);
  }

  #read(text: string): void {
    this.#buffer += text;
    for (let end = this.#buffer.indexOf("\n"); end >= 0; end = this.#buffer.indexOf("\n")) {
      const line = this.#buffer.slice(0, end).replace(/\r$/, "");
      this.#buffer = this.#buffer.slice(end + 1);
      this.#lines.push(line.slice(4));
      if (line[3] === "-") continue;
      const reply = { code: Number(line.slice(0, 3)), text: this.#lines.join(" ") };
      this.#lines = [];
      const waiting = this.#waiting.shift();
      if (waiting) waiting.resolve(reply);
      else this.#early.push(reply);
    }
  }

  #lose(error: Error): void {
    this.#lost ??= error;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#lost);
  }
}

/** One message on a connection of its own. */
export async function sendMail(port: number, mail: Mail): Promise<Accepted> {
  const client = await SmtpClient.connect(port);
  try {
    await client.hello();
    return await client.send(mail);
  } finally {
    await client.quit();
  }
}

/** A plain message of a few header fields. */
export function plainMessage(subject: string, body = "Hello.\r\n", fields: readonly string[] = []): string {
  const head = [
    "From: Alice <alice@sender.test>",
    "To: Bob <bob@recipient.test>",
    `Subject: ${subject}`,
    "Date: Sun, 22 Nov 2026 12:00:00 +0000",
    `Message-ID: <${subject.replace(/[^A-Za-z0-9.-]/g, ".")}.${process.hrtime.bigint()}@sender.test>`,
    ...fields,
  ];
  return `${head.join("\r\n")}\r\n\r\n${body}`;
}

/** RFC 5321 4.5.2; ends in CRLF, so that a dot alone may follow. */
function stuffed(content: string | Buffer): Buffer {
  const text = typeof content === "string" ? content : content.toString("latin1");
  const dotted = (text.endsWith("\r\n") ? text : `${text}\r\n`).replace(/(^|\r\n)\./g, "$1..");
  return Buffer.from(dotted, typeof content === "string" ? "utf8" : "latin1");
}

/** All replies, or the first error, with no rejection left unheard. */
async function allReplies(replies: readonly Promise<SmtpReply>[]): Promise<SmtpReply[]> {
  for (const reply of replies) reply.catch(() => {});
  return Promise.all(replies);
}

function isPositive(reply: SmtpReply): boolean {
  return reply.code >= 200 && reply.code < 300;
}

function expect2xx(command: string, reply: SmtpReply): SmtpReply {
  if (!isPositive(reply)) throw new SmtpRefusal(command, reply);
  return reply;
}

/** Whether a mail server answers on the port, for those who wait until it does. */
export async function greets(port: number, timeoutMs = 2000): Promise<boolean> {
  try {
    await (await SmtpClient.connect(port, { timeoutMs })).quit();
    return true;
  } catch {
    return false; // nobody listens yet
  }
}
