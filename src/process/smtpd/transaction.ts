/** One mail transaction: what MAIL began and RCPT adds to. */
import type { Recipient } from "../../mail/envelope.ts";
import type { MailRequest } from "./mail-command.ts";
import type { Effects } from "./restrict/effects.ts";

export class Transaction {
  readonly request: MailRequest;
  readonly recipients: Recipient[] = [];
  /** What access tables want done with the message; undefined where none was asked. */
  effects: Effects | undefined;
  /** RCPT commands that were accepted, also of a recipient that was there already. */
  accepted = 0;
  /** RCPT commands beyond the limit. */
  overshoot = 0;
  readonly #seen = new Set<string>();

  constructor(request: MailRequest) {
    this.request = request;
  }

  get sender(): string {
    return this.request.sender.address;
  }

  /**
   * The same address with the same wishes counts once. Local parts that differ in case are two recipients: only their
   * own host may know that they are one (RFC 5321 2.4).
   */
  add(recipient: Recipient): void {
    this.accepted++;
    const key = `${recipient.address} ${recipient.notify?.join() ?? ""} ${recipient.orcpt ?? ""}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.recipients.push(recipient);
  }
}
