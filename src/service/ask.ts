/**
 * One-shot questions to a running process, for commands: connect, greet, ask, answer, go. Every wait ends after the
 * time that is given. A question is only put to a process that has greeted: one that is stopped or stuck never gets
 * it, so that "no answer" means that nothing was changed.
 */
import { connect, type Socket } from "node:net";
import { errnoOf, ScesError } from "../base/errors.ts";
import { Link } from "../ipc/link.ts";
import { type Command, type Concluded, type Message, PROTOCOL_VERSION, type Reply } from "../ipc/messages.ts";
import { socketPath } from "../spool/queues.ts";

export interface AskerOptions {
  readonly timeoutMs: number; // for the greeting and, unless it is changed, for each answer
  onConcluded?(concluded: Concluded): void; // flush with `wait`
  /** The process went away after it had greeted. */
  onGone?(): void;
}

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export class Asker {
  /** For each answer. */
  timeoutMs: number;
  readonly #name: string;
  readonly #options: AskerOptions;
  readonly #waiting = new Map<number, Waiting>();
  #link: Link | undefined;
  #requests = 0;

  private constructor(name: string, options: AskerOptions) {
    this.#name = name;
    this.#options = options;
    this.timeoutMs = options.timeoutMs;
  }

  /**
   * Connects to run/<name>.sock and waits for the greeting. Throws NOT_RUNNING when nobody listens there, NO_ANSWER
   * when somebody does and does not greet, SPOOL_IO when we are not allowed.
   */
  static async open(name: string, options: AskerOptions): Promise<Asker> {
    const asker = new Asker(name, options);
    const socket = connect(socketPath(name));
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", (error) => reject(connectError(name, error)));
    });
    await asker.#greet(socket);
    return asker;
  }

  /** Throws NO_ANSWER. Questions are answered in any order. */
  async ask(command: Omit<Command, "type" | "request">): Promise<Reply> {
    this.#requests += 1;
    const request = this.#requests;
    return await new Promise<Reply>((resolve, reject) => {
      if (this.#link === undefined) {
        reject(this.#noAnswer("has gone away"));
        return;
      }
      const timer = setTimeout(() => {
        this.#waiting.delete(request);
        reject(this.#noAnswer(`has not answered within ${Math.round(this.timeoutMs / 100) / 10} s`));
      }, this.timeoutMs);
      this.#waiting.set(request, { resolve, reject, timer });
      this.#link.send({ type: "command", request, ...command });
    });
  }

  close(): void {
    const link = this.#link;
    this.#link = undefined;
    link?.close();
  }

  async #greet(socket: Socket): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        socket.destroy();
        reject(this.#noAnswer(`has not answered within ${Math.round(this.timeoutMs / 100) / 10} s`));
      }, this.timeoutMs);
      const hello = { type: "hello", version: PROTOCOL_VERSION, name: "command", pid: process.pid } as const;
      const link: Link = new Link(socket, hello, () => {}, {
        onMessage: (message) => {
          if (message.type === "hello") {
            clearTimeout(timer);
            this.#link = link;
            resolve();
          } else {
            this.#hear(message);
          }
        },
        onClose: (reason) => {
          clearTimeout(timer);
          const isOurs = this.#link === undefined;
          this.#link = undefined;
          reject(this.#noAnswer(`has ended the connection (${reason})`));
          for (const waiting of this.#waiting.values()) {
            clearTimeout(waiting.timer);
            waiting.reject(this.#noAnswer(`has ended the connection (${reason})`));
          }
          this.#waiting.clear();
          if (!isOurs) this.#options.onGone?.();
        },
      });
    });
  }

  #hear(message: Message): void {
    if (message.type === "concluded") {
      this.#options.onConcluded?.(message);
    } else if (message.type === "reply") {
      const waiting = this.#waiting.get(message.request);
      if (waiting === undefined) return;
      this.#waiting.delete(message.request);
      clearTimeout(waiting.timer);
      waiting.resolve(message);
    }
  }

  #noAnswer(what: string): ScesError {
    return new ScesError("NO_ANSWER", `${this.#name} ${what}`);
  }
}

function connectError(name: string, error: Error): ScesError {
  const errno = errnoOf(error);
  if (errno === "ENOENT" || errno === "ECONNREFUSED" || errno === "ENOTDIR") {
    return new ScesError("NOT_RUNNING", `${name} is not running`, { cause: error });
  }
  // A listener whose backlog is full is one that does not answer.
  if (errno === "EAGAIN") return new ScesError("NO_ANSWER", `${name} takes no more connections`, { cause: error });
  return new ScesError("SPOOL_IO", `cannot speak to ${name}: ${errno || error.message}`, { cause: error });
}
