/** How a door tells cleanup of new files in incoming/, and hears how far behind the queue manager is. */
import type { Client } from "../ipc/client.ts";
import type { Flow } from "../ipc/messages.ts";
import type { Envelope } from "../mail/envelope.ts";
import type { Context } from "./service.ts";

/** More than these are found by cleanup's own scan, later. */
const MAX_UNSAID = 10_000;

export class Doorway {
  readonly #client: Client;
  #unsaid: string[] = []; // published while cleanup did not listen, e.g. just after a start
  #flow: Flow = { type: "flow", delayMs: 0, stop: false };

  constructor(context: Context) {
    this.#client = context.dial("cleanup", {
      onOpen: (link) => {
        if (this.#unsaid.length > 0) link.send({ type: "appeared", ids: this.#unsaid });
        this.#unsaid = [];
      },
      onMessage: (message) => {
        if (message.type === "flow") this.#flow = message;
      },
      onClose: () => {
        this.#flow = { type: "flow", delayMs: 0, stop: false };
      },
    });
  }

  /** A new message is durable under incoming/<id>. */
  accepted(envelope: Envelope, offset: number, length: number): void {
    // cleanup that does not keep up finds the file by its own scan; telling it would only fill our memory.
    if (this.#client.congested) return;
    if (!this.#client.send({ type: "new", envelope, offset, length })) this.#remember([envelope.id]);
  }

  /** Messages with a history are in incoming/. */
  appeared(ids: readonly string[]): void {
    if (!this.#client.send({ type: "appeared", ids })) this.#remember(ids);
  }

  /** How clients are to be treated for now. */
  get flow(): Flow {
    return this.#flow;
  }

  #remember(ids: readonly string[]): void {
    if (this.#unsaid.length < MAX_UNSAID) this.#unsaid.push(...ids);
  }
}
