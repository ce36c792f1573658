/** What access tables want done with the message of a transaction (access(5), OTHER ACTIONS). */
import type { Recipient } from "../../../mail/envelope.ts";

export class Effects {
  hold: string | undefined; // why; also "" is a wish
  isDiscarded = false;
  redirect: string | undefined; // in place of all recipients
  readonly bcc: string[] = [];
  readonly prepended: string[] = []; // header fields, in order

  /** To whom the message goes in the end. */
  recipients(wanted: readonly Recipient[]): readonly Recipient[] {
    const { redirect, bcc } = this;
    const first: readonly Recipient[] = redirect === undefined ? wanted : [{ address: redirect }];
    return bcc.length === 0 ? first : [...first, ...bcc.map((address) => ({ address, notify: ["NEVER"] as const }))];
  }

  /** The prepended fields as they stand in the message. */
  get header(): string {
    return this.prepended.map((field) => `${field}\r\n`).join("");
  }
}
