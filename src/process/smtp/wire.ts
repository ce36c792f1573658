/**
 * The line to a server below the conversation: bytes out, replies in, each judged whole and given to whoever awaits
 * it, a deadline for every one, and one end for every trouble. Before the session is open the replies go to
 * nodemailer's own steps.
 *
 * After any trouble the socket is destroyed. Nothing is ever sent on it again: behind DATA a QUIT would be mail.
 */
import type { Socket } from "node:net";
import { Deadline } from "./deadline.ts";
import { type Reading, ReplyReader } from "./reply-reader.ts";
import type { Host } from "./route.ts";
import { Connection, type ConnectionOptions, type ConnectTarget } from "./smtp-connection.ts";
import type { Transcript } from "./transcript.ts";
import { replyText, type Stage, type Trouble, troubled } from "./verdict.ts";

export interface Reply {
  readonly code: number;
  readonly text: string; // all lines, joined by \n, bytes as latin1
}

/** A command on the wire whose reply is awaited. */
export interface Awaited {
  stage: Stage;
  timeoutMs: number;
  readonly onReply: (reply: Reply) => void;
}

const NEVER_MS = 2 ** 31 - 1; // deadlines are ours: nodemailer's timers must not fire
const READ_BYTES = 4096;
const MAX_QUOTED = 1024; // characters of what is no reply

export abstract class Wire extends Connection {
  readonly remote: Host;
  readonly peer: string; // "host[ip]", as the log has it
  readonly openedAt = performance.now();
  transcript: Transcript; // of the opening, or of the message that is being given
  /** Told once, when the connection is closed, by whomever. */
  onEnd: (() => void) | undefined;
  /** Told once, when an open connection is of no more use, unless it was closed by us. */
  onTrouble: ((trouble: Trouble, stage: Stage) => void) | undefined;
  protected at: Stage = "connect"; // while nothing is awaited
  isOver = false;
  protected readonly deadline: Deadline;
  readonly #reader = new ReplyReader();
  readonly #awaited: Awaited[] = [];
  #heardUnasked = false;
  #taken: (() => void) | undefined;

  constructor(host: Host, transcript: Transcript, options: ConnectionOptions) {
    super({
      host: host.address,
      port: host.port,
      secure: false,
      socketTimeout: NEVER_MS,
      connectionTimeout: NEVER_MS,
      socketCloseTimeout: 0, // close() destroys
      allowInternalNetworkInterfaces: true,
      ...options,
    });
    this.remote = host;
    this.transcript = transcript;
    this.peer = `${host.name}[${host.address}]`;
    this.deadline = new Deadline(() => {
      this.end({ type: this.at === "connect" ? "connect" : "timeout", detail: "Connection timed out" });
    });
  }

  /** Where the conversation stands: at the command whose reply comes next. */
  get where(): Stage {
    return this.#awaited[0]?.stage ?? this.at;
  }

  /** Nothing is awaited, and nothing has come that was not. */
  protected get isQuiet(): boolean {
    return !this.isOver && !this.#heardUnasked && this.#awaited.length === 0 && !this.#reader.pending;
  }

  /** Behind the reply that is being worked on there is another: to what was not said yet. */
  get hasSpokenAhead(): boolean {
    return this.#reader.hasMore;
  }

  protected get socket(): Socket | undefined {
    return this._socket === false || this._socket === null ? undefined : this._socket;
  }

  /** No command, whatever its own time, may take longer than to this instant of the monotonic clock. */
  limit(last: number): void {
    this.deadline.limit(last);
  }

  /** Announces that a reply will come. The deadline is that of the reply that comes first. */
  expect(stage: Stage, timeoutMs: number, onReply: (reply: Reply) => void): Awaited {
    const awaited = { stage, timeoutMs, onReply };
    this.#awaited.push(awaited);
    if (this.#awaited.length === 1) this.deadline.set(timeoutMs);
    return awaited;
  }

  /** The awaited reply now belongs to a later stage, or has got more time. */
  prolong(awaited: Awaited, stage: Stage, timeoutMs: number): void {
    awaited.stage = stage;
    awaited.timeoutMs = timeoutMs;
    if (this.#awaited[0] === awaited) this.deadline.set(timeoutMs);
  }

  put(data: string): void {
    const { socket } = this;
    if (this.isOver || socket === undefined) return;
    if (this.where === "auth") this.transcript.secret(data);
    else this.transcript.command(data);
    socket.write(data, "utf8");
  }

  /** Content and what closes it, in one segment where they fit. */
  putTogether(content: Buffer, end: string): void {
    const { socket } = this;
    if (this.isOver || socket === undefined) return;
    this.transcript.content(content.length);
    this.transcript.command(end);
    socket.cork();
    socket.write(content);
    socket.write(end, "latin1");
    socket.uncork();
  }

  /** Commands and, behind the last of them, content. */
  putChunk(commands: string, content: Buffer): void {
    const { socket } = this;
    if (this.isOver || socket === undefined) return;
    this.transcript.command(commands);
    this.transcript.content(content.length);
    socket.cork();
    socket.write(commands, "utf8");
    socket.write(content);
    socket.uncork();
  }

  /** Content. Resolves when the system has taken it, so that it may be overwritten; also when the connection ends. */
  handOver(data: Buffer): Promise<void> {
    const { socket } = this;
    if (this.isOver || socket === undefined) return Promise.resolve();
    this.transcript.content(data.length);
    return new Promise((resolve) => {
      this.#taken = resolve;
      socket.write(data, () => resolve());
    });
  }

  /** At once, without a word: no byte that is still in our buffers goes out. */
  destroy(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.deadline.stop();
    this.#awaited.length = 0;
    this.onTrouble = undefined;
    this.close();
    this.onEnd?.();
    this.#taken?.();
  }

  /** The connection is of no more use. */
  protected end(trouble: Trouble): void {
    if (this.isOver) return;
    const { where, onTrouble } = this;
    this.transcript.note(troubled(this.peer, this.remote.port, trouble, where).text);
    this.destroy();
    onTrouble?.(trouble, where);
  }

  /** What has come so far does not count. */
  protected forget(): void {
    this.#reader.clear();
  }

  override _onData(chunk: Buffer): void {
    if (this.isOver) return;
    this.#reader.push(chunk);
    for (let reading = this.#reader.next(); reading !== undefined; reading = this.#reader.next()) {
      this.#hear(reading);
      if (this.isOver) return;
    }
  }

  #hear(reading: Reading): void {
    this.transcript.reply(reading.text);
    const awaited = reading.kind === "reply" ? this.#awaited.shift() : undefined;
    const action = reading.kind === "reply" && awaited === undefined ? this._responseActions.shift() : undefined;
    if (reading.kind === "reply" && awaited !== undefined) {
      this.#moveOn();
      awaited.onReply(reading);
    } else if (action !== undefined) action.call(this, reading.text);
    else {
      const detail = replyText(reading.text.slice(0, MAX_QUOTED).replaceAll("\n", " "));
      const isGoodbye = reading.kind === "reply" && reading.code === 421;
      this.end({ type: reading.kind === "overflow" ? "overflow" : isGoodbye ? "lost" : "error", detail });
    }
  }

  #moveOn(): void {
    const next = this.#awaited[0];
    if (next !== undefined) this.deadline.set(next.timeoutMs);
    else {
      this.deadline.clear();
      // What nobody asked for could be taken for the answer to what is asked next.
      if (this.#reader.pending) this.#heardUnasked = true;
    }
  }

  /**
   * A host is given by its address: there is nothing to look up. Replies are read into one small buffer, for they are
   * turned into text at once; the socket's stream would take 64 KB for each. (Through TLS they come by the stream.)
   */
  override _resolveAndConnect(target: ConnectTarget, callback: (resolved: object) => void): void {
    target.onread = {
      buffer: Buffer.allocUnsafeSlow(READ_BYTES),
      callback: (count, buffer) => {
        this._onData(Buffer.from(buffer.buffer, buffer.byteOffset, count));
        return true;
      },
    };
    if (this.remote.port > 0) super._resolveAndConnect(target, callback);
    else {
      target.path = this.remote.address;
      callback({});
    }
  }

  override _onClose(): void {
    this.end({ type: "lost" });
  }

  /** The server sends no more: nothing that we send would be answered. */
  override _onEnd(): void {
    this._onClose();
  }

  override _onTimeout(): void {}
  override _startPhase(): void {}
}
