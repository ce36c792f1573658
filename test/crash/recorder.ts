/**
 * The destination of the crash run: takes mail as its recipients' names say (parcel.ts) and writes down what it got,
 * before it says 250. Its own code, so that nothing of the program under test is trusted.
 */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { recognize, tokenOf, treatmentOf } from "./parcel.ts";

/** One recipient of one transaction that got its 250. */
export interface Delivery {
  readonly token: string;
  readonly recipient: string;
  readonly digest: string;
  readonly id: string; // queue id, as the topmost Received field tells it
  readonly at: number; // ms since 1970, when the 250 was written
}

/** A report of non-delivery that came back to a sender of ours. */
export interface Returned {
  readonly token: string; // of the sender
  readonly recipients: readonly string[]; // Final-Recipient of each
  readonly messageId: string;
  readonly at: number;
}

export class Recorder implements AsyncDisposable {
  readonly deliveries: Delivery[] = [];
  readonly returns: Returned[] = [];
  readonly strangers: string[] = []; // mail that is neither
  isHealed = false; // from now on only `hard` fails, and nobody waits
  isClosed = false; // every recipient is refused for now
  #isStalled = false;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #conversations = new Set<Conversation>();
  readonly #seen = new Map<string, number>(); // how often a recipient, or a token for its content, was refused

  private constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket) => this.#converse(socket));
  }

  static async start(): Promise<Recorder> {
    const recorder = new Recorder(createServer());
    recorder.#server.listen(0, "127.0.0.1");
    await once(recorder.#server, "listening");
    return recorder;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Recipients of transactions that are open now, DATA begun. */
  inFlight(): number {
    let count = 0;
    for (const conversation of this.#conversations) count += conversation.pending;
    return count;
  }

  /** Reads nothing from anybody; what comes meanwhile is read afterwards. */
  set isStalled(isStalled: boolean) {
    this.#isStalled = isStalled;
    for (const socket of this.#sockets) isStalled ? socket.pause() : socket.resume();
  }

  /** Every connection, in whatever state. */
  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    if (this.#server.listening) await once(this.#server, "close");
  }

  #converse(socket: Socket): void {
    this.#sockets.add(socket);
    if (this.#isStalled) socket.pause();
    const conversation = new Conversation(socket, this);
    this.#conversations.add(conversation);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#conversations.delete(conversation);
    });
  }

  /** How many more times `key` is to be refused; counts one. */
  refuses(key: string, times: number): boolean {
    if (this.isHealed) return false;
    const seen = this.#seen.get(key) ?? 0;
    if (seen >= times) return false;
    this.#seen.set(key, seen + 1);
    return true;
  }

  record(sender: string, recipients: readonly string[], content: Buffer): void {
    const at = Date.now();
    if (sender === "") {
      this.#recordReturn(recipients, content, at);
      return;
    }
    const known = recognize(content);
    if (!known) {
      this.strangers.push(`from <${sender}> to ${recipients.join(", ")}`);
      return;
    }
    const head = content.toString("latin1", 0, 2000);
    const id = /^Received:[^\r]*(?:\r\n[ \t][^\r]*)*?\bid\s+([0-9A-Za-z]+)/.exec(head)?.[1] ?? "";
    for (const recipient of recipients) this.deliveries.push({ ...known, recipient, id, at });
  }

  #recordReturn(to: readonly string[], content: Buffer, at: number): void {
    const text = content.toString("latin1");
    const token = tokenOf(to[0] ?? "");
    if (!token || to.length !== 1 || !/^Content-Type: multipart\/report/im.test(text)) {
      this.strangers.push(`from <> to ${to.join(", ")}`);
      return;
    }
    const recipients = [...text.matchAll(/^Final-Recipient: rfc822; *(\S+)/gim)].map((match) => match[1] as string);
    const messageId = /^Message-ID: *(\S+)/im.exec(text)?.[1] ?? "";
    this.returns.push({ token, recipients, messageId, at });
  }
}

/** One connection: EHLO, transactions one after the other, QUIT. Replies keep the order of pipelined commands. */
class Conversation {
  pending = 0; // recipients whose content is on its way, or waits for our reply
  readonly #socket: Socket;
  readonly #recorder: Recorder;
  #input: Buffer[] = [];
  #isBusy = false;
  #isData = false;
  #sender = "";
  #recipients: string[] = [];

  constructor(socket: Socket, recorder: Recorder) {
    this.#socket = socket;
    this.#recorder = recorder;
    socket.setNoDelay(true);
    socket.on("error", () => {}); // killed peers reset
    socket.on("data", (chunk: Buffer) => {
      this.#input.push(chunk);
      void this.#work(); // never rejects: it only writes to a socket that has an error listener
    });
    this.#say("220 recorder.test ESMTP");
  }

  async #work(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    while (!this.#socket.destroyed && (this.#isData ? await this.#takeContent() : await this.#takeCommand()));
    this.#isBusy = false;
  }

  async #takeCommand(): Promise<boolean> {
    const input = this.#joined();
    const end = input.indexOf("\r\n");
    if (end < 0) return false;
    this.#input = [input.subarray(end + 2)];
    const line = input.toString("utf8", 0, end);
    const verb = line.slice(0, 4).toUpperCase();
    const path = /<([^>]*)>/.exec(line)?.[1] ?? "";
    if (verb === "EHLO")
      this.#say("250-recorder.test\r\n250-PIPELINING\r\n250-SIZE 100000000\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES");
    else if (verb === "MAIL") this.#begin(path);
    else if (verb === "RCPT") await this.#recipient(path);
    else if (verb === "DATA") this.#data();
    else if (verb === "QUIT") this.#socket.end("221 2.0.0 Bye\r\n");
    else if (verb === "RSET" || verb === "NOOP" || verb === "HELO") this.#say("250 2.0.0 Ok");
    else this.#say("500 5.5.2 What?");
    return true;
  }

  async #takeContent(): Promise<boolean> {
    const last = this.#input.at(-1);
    // Looked for only when the dot may have come (nothing but CRLF follows it until we answer): joining for every
    // chunk would be quadratic in the size.
    if (this.#input.length > 1 && last && last.indexOf(".") < 0 && last.length > 4) return false;
    const input = this.#joined();
    const start = input.indexOf(".\r\n") === 0 ? 0 : input.indexOf("\r\n.\r\n") + 2;
    if (start === 1) return false;
    this.#input = [input.subarray(start + 3)];
    this.#isData = false;
    const recipients = this.#recipients;
    const refuses = (treatment: string): boolean =>
      recipients.some((recipient) => {
        return treatmentOf(recipient) === treatment && this.#recorder.refuses(`content ${recipient}`, 1);
      });
    if (recipients.length === 0) this.#say("554 5.5.1 No valid recipients");
    else if (refuses("late")) this.#say("451 4.3.0 Content not now");
    else if (refuses("lost")) this.#socket.destroy();
    else {
      this.#recorder.record(this.#sender, recipients, unstuffed(input.subarray(0, start)));
      this.#say("250 2.0.0 Recorded");
    }
    this.pending = 0;
    return true;
  }

  #begin(sender: string): void {
    this.#sender = sender;
    this.#recipients = [];
    this.#say("250 2.1.0 Ok");
  }

  async #recipient(address: string): Promise<void> {
    const treatment = treatmentOf(address);
    if (this.#recorder.isClosed) return this.#say("450 4.2.1 Closed");
    if (treatment === "hard") return this.#say("550 5.1.1 No such user here");
    if (treatment === "soft" && this.#recorder.refuses(address, 2)) return this.#say("450 4.2.1 Not now");
    if (treatment === "slow" && !this.#recorder.isHealed) await new Promise((resolve) => setTimeout(resolve, 300));
    this.#recipients.push(address);
    this.#say("250 2.1.5 Ok");
  }

  #data(): void {
    this.#isData = this.#recipients.length > 0;
    this.pending = this.#recipients.length;
    this.#say(this.#isData ? "354 Go on" : "554 5.5.1 No valid recipients");
  }

  #joined(): Buffer {
    if (this.#input.length !== 1) this.#input = [Buffer.concat(this.#input)];
    return this.#input[0] as Buffer;
  }

  #say(text: string): void {
    this.#socket.write(`${text}\r\n`);
  }
}

/** RFC 5321 4.5.2, the other way. */
function unstuffed(content: Buffer): Buffer {
  return Buffer.from(content.toString("latin1").replace(/(^|\r\n)\./g, "$1"), "latin1");
}
