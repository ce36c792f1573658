/** What restrictions look at: a client and what it has said so far. */
import type { Address } from "../../../mail/address.ts";
import type { PeerName } from "../peer-name.ts";
import type { Effects } from "./effects.ts";

export interface Subject {
  readonly where: string; // the command: RCPT
  readonly address: string; // the client's, no brackets
  readonly peer: string; // name[address]
  readonly names: PeerName;
  readonly isTrusted: boolean; // mynetworks
  readonly isEncrypted: boolean;
  readonly isAhead: boolean; // has sent commands that it must not send yet
  readonly helo: string; // "": none
  readonly user: string; // who has logged in; "": nobody
  readonly sender: Address | undefined; // from MAIL on
  readonly recipient: Address | undefined; // of RCPT; at DATA and later if there is but one
  readonly recipientCount: number; // that were taken
  readonly effects: Effects | undefined; // of the transaction: what becomes of its message
  /** A line as `NOQUEUE: reject: RCPT from ...: text; from=<> to=<> ...`, ahead of the reply. */
  note(what: string, text: string): void;
}
