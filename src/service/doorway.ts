/**
 * How a door tells cleanup of new files in incoming/, and hears how far behind the queue manager is. What could not be
 * told is found by cleanup itself: it looks through incoming/ whenever a door greets it or asks it to.
 */
import type { Client } from "../ipc/client.ts";
import type { Flow } from "../ipc/messages.ts";
import type { Envelope } from "../mail/envelope.ts";
import type { Context } from "./service.ts";

const FREE: Flow = { type: "flow", delayMs: 0, stop: false };
/** How often it is seen whether cleanup has caught up. */
const LOOK_MS = 500;

export class Doorway {
  readonly #client: Client;
  #flow = FREE;
  #untold: NodeJS.Timeout | undefined; // runs while something was not told

  constructor(context: Context) {
    this.#client = context.dial("cleanup", {
      onMessage: (message) => {
        if (message.type === "flow") this.#flow = message;
      },
      onClose: () => {
        this.#flow = FREE;
      },
    });
  }

  /** A new message is durable under incoming/<id>. */
  accepted(envelope: Envelope, offset: number, length: number): void {
    if (this.#client.congested) this.#askLater();
    else this.#client.send({ type: "new", envelope, offset, length });
  }

  /** Messages with a history are in incoming/. */
  appeared(ids: readonly string[]): void {
    this.#client.send({ type: "appeared", ids });
  }

  /** How clients are to be treated for now. */
  get flow(): Flow {
    return this.#flow;
  }

  /** Telling a cleanup that does not keep up would only fill our memory: it is asked to look once it does. */
  #askLater(): void {
    this.#untold ??= setInterval(() => {
      if (this.#client.congested) return;
      clearInterval(this.#untold);
      this.#untold = undefined;
      this.appeared([]);
    }, LOOK_MS);
  }
}
