/**
 * The right to bring messages to active/. qmgr grants room, the feeder (cleanup, defer) moves so many files and says
 * which; both are forgotten when qmgr goes away, and the next one grants anew.
 */
import type { Client } from "../ipc/client.ts";
import type { Admission, Message } from "../ipc/messages.ts";
import type { Context } from "./service.ts";

/** In one line: with the longest addresses it stays far below what a link takes. */
const MAX_RECIPIENTS = 1000;

export interface FeederEvents {
  /** There is room (again), or qmgr has come: bring what waits. */
  onRoom(): void;
  onMessage(message: Message, client: Client): void;
}

/** What a feeder may move, and whom it tells. */
export interface Room {
  readonly room: number; // messages that may be moved now
  admitted(admission: Admission): void; // one was
}

export class Feeder implements Room {
  #room = 0;
  #batch: Admission[] = [];
  readonly #client: Client;

  constructor(context: Context, events: FeederEvents) {
    this.#client = context.dial("qmgr", {
      onMessage: (message) => {
        if (message.type === "grant") {
          this.#room += message.count;
          events.onRoom();
        } else {
          events.onMessage(message, this.#client);
        }
      },
      onClose: () => {
        // What was moved but not said is found in active/ by the next qmgr.
        this.#room = 0;
        this.#batch = [];
      },
    });
  }

  /** How many messages may be moved now. */
  get room(): number {
    return this.#room;
  }

  /** The message is in active/ now. Said at the end of this turn, with all others. */
  admitted(admission: Admission): void {
    this.#room -= 1;
    this.#batch.push(admission);
    if (this.#batch.length === 1) queueMicrotask(() => this.#say());
  }

  #say(): void {
    const left = this.#batch;
    this.#batch = [];
    let entries: Admission[] = [];
    let recipients = 0;
    for (const entry of left) {
      entries.push(entry);
      recipients += entry.envelope?.recipients.length ?? 1;
      if (recipients < MAX_RECIPIENTS) continue;
      this.#client.send({ type: "admitted", entries });
      entries = [];
      recipients = 0;
    }
    if (entries.length > 0) this.#client.send({ type: "admitted", entries });
  }
}
