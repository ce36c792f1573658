/**
 * One end of a connection between processes: JSON lines over a UNIX socket, gathered (base/gather.ts) and written as
 * one piece. Before they leave, `beforeFlush` runs: the log lines that describe them are written first.
 */
import type { Socket } from "node:net";
import { Gather } from "../base/gather.ts";
import { type Hello, type Message, PROTOCOL_VERSION } from "./messages.ts";

/** A line longer than this is no message of ours; the longest, 1,000 admissions, stays far below. */
const MAX_LINE = 64 * 1024 * 1024;
/** When the peer does not read, we stop producing at this many bytes. */
const HIGH_WATER = 8 * 1024 * 1024;

/**
 * Said for every message: while there are many, they wait for each other for a moment. A report does not: should its
 * agent die before it is said, the message is sent once more.
 */
const GATHERED: ReadonlySet<Message["type"]> = new Set(["new", "admitted", "deliver", "ack"]);

export interface LinkEvents {
  onMessage(message: Message): void;
  onClose?(reason: string): void;
}

export class Link {
  /** What the peer said of itself; set before its first message is handed on. */
  peer: Hello | undefined;
  readonly #socket: Socket;
  readonly #events: LinkEvents;
  readonly #beforeFlush: () => void;
  #lines: string[] = [];
  readonly #gather = new Gather(() => this.flush());
  #rest: string[] = []; // the beginning of a line, in pieces
  #restLength = 0;
  #closed = false;
  #reason = "closed";

  constructor(socket: Socket, hello: Hello, beforeFlush: () => void, events: LinkEvents) {
    this.#socket = socket;
    this.#events = events;
    this.#beforeFlush = beforeFlush;
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => this.#receive(text));
    socket.on("error", (error) => {
      this.#reason = error.message;
    });
    socket.on("close", () => {
      this.#closed = true;
      events.onClose?.(this.#reason);
    });
    this.send(hello);
  }

  /** `isWaitedFor`: it does not wait for others like it, although they are many. */
  send(message: Message, isWaitedFor = false): void {
    if (this.#closed) return; // a hint that is lost costs time only
    this.#lines.push(JSON.stringify(message));
    this.#gather.added(!isWaitedFor && GATHERED.has(message.type));
  }

  /** Writes now what was said so far. */
  flush(): void {
    this.#gather.written();
    if (this.#lines.length === 0 || this.#closed) return;
    const lines = this.#lines;
    this.#lines = [];
    this.#beforeFlush();
    this.#socket.write(`${lines.join("\n")}\n`);
  }

  /** The peer does not keep up: ask again later before sending more of what can wait. */
  get congested(): boolean {
    return this.#socket.writableLength > HIGH_WATER;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Writes what is left and ends the connection. */
  close(): void {
    this.flush();
    this.#socket.end();
  }

  #receive(text: string): void {
    if (!text.includes("\n")) {
      // Only put aside: to search it anew with every piece would cost the square of a long line.
      this.#rest.push(text);
      this.#restLength += text.length;
      if (this.#restLength > MAX_LINE) this.#refuse("endless line");
      return;
    }
    const lines = (this.#rest.length === 0 ? text : this.#rest.join("") + text).split("\n");
    const last = lines.pop() ?? "";
    this.#rest = last === "" ? [] : [last];
    this.#restLength = last.length;
    for (const line of lines) {
      if (this.#closed) return;
      let message: Message;
      try {
        message = JSON.parse(line) as Message;
      } catch {
        this.#refuse("not JSON");
        return;
      }
      if (this.peer === undefined) {
        if (message.type !== "hello" || message.version !== PROTOCOL_VERSION) {
          this.#refuse("another protocol version");
          return;
        }
        this.peer = message;
      }
      this.#events.onMessage(message);
    }
  }

  #refuse(reason: string): void {
    this.#closed = true;
    this.#reason = reason;
    this.#socket.destroy();
  }
}
