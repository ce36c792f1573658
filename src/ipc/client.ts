/** A link to another process that comes back by itself when that process does. */
import { connect, type Socket } from "node:net";
import { Link } from "./link.ts";
import type { Hello, Message } from "./messages.ts";

const RETRY_MIN_MS = 20;
const RETRY_MAX_MS = 1000;

export interface ClientEvents {
  /** Connected; the first thing to say is said here. */
  onOpen?(link: Link): void;
  onMessage(message: Message): void;
  onClose?(): void;
}

export interface ClientOptions {
  readonly path: string; // of the socket
  readonly hello: Hello;
  readonly beforeFlush: () => void;
  readonly events: ClientEvents;
}

export class Client {
  readonly #options: ClientOptions;
  #link: Link | undefined;
  #socket: Socket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #delayMs = RETRY_MIN_MS;
  #ended = false;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#connect();
  }

  /** Says it if connected; returns whether it was. */
  send(message: Message): boolean {
    if (this.#link === undefined) return false;
    this.#link.send(message);
    return true;
  }

  get connected(): boolean {
    return this.#link !== undefined;
  }

  get congested(): boolean {
    return this.#link?.congested === true;
  }

  /** Says what is left and does not come back. */
  close(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    if (this.#link === undefined) this.#socket?.destroy();
    else this.#link.close();
  }

  #connect(): void {
    const { path, hello, beforeFlush, events } = this.#options;
    const socket = connect(path);
    this.#socket = socket;
    const again = () => {
      const had = this.#link !== undefined;
      this.#link = undefined;
      if (had) events.onClose?.();
      if (this.#ended) return;
      this.#timer = setTimeout(() => this.#connect(), this.#delayMs);
      this.#delayMs = Math.min(this.#delayMs * 2, RETRY_MAX_MS);
    };
    socket.once("connect", () => {
      socket.removeListener("error", again);
      this.#delayMs = RETRY_MIN_MS;
      this.#link = new Link(socket, hello, beforeFlush, {
        onMessage: (message) => events.onMessage(message),
        onClose: again,
      });
      events.onOpen?.(this.#link);
    });
    socket.once("error", again);
  }
}
