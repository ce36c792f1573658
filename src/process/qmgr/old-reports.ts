/** What agents told that a qmgr before this one had handed out: kept until the message is loaded. */
import type { Report } from "../../ipc/messages.ts";
import type { ActiveMessage } from "./message.ts";

interface OldReport extends Pick<Report, "results"> {
  readonly ack: () => void; // the agent may forget it
}

export class OldReports {
  readonly #byId = new Map<string, OldReport[]>();

  add({ id, results }: Report, ack: () => void): void {
    this.#byId.set(id, [...(this.#byId.get(id) ?? []), { results, ack }]);
  }

  /** The message has just been read: what the agent wrote down itself is known. */
  apply(message: ActiveMessage): void {
    for (const { results, ack } of this.#byId.get(message.id) ?? []) {
      message.acks.push(ack);
      for (const attempt of results) {
        const recipient = message.recipients[attempt.recipient];
        if (recipient?.status !== "waiting" || attempt.attempt <= recipient.attempts) continue;
        message.apply(attempt);
        message.records.push(attempt);
        message.mustSync = true;
      }
    }
    this.#byId.delete(message.id);
  }

  /** All that is in active/ has been read: what is left is of messages that are gone. */
  close(): void {
    for (const reports of this.#byId.values()) for (const { ack } of reports) ack();
    this.#byId.clear();
  }
}
