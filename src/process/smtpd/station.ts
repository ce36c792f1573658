/** What all sessions of one listener share. */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { Flow } from "../../ipc/messages.ts";
import type { Envelope } from "../../mail/envelope.ts";
import type { Intake } from "../../spool/intake.ts";
import type { Space } from "../../spool/space.ts";
import type { Answers } from "./answers.ts";
import type { Clients } from "./clients.ts";
import type { OwnHeader } from "./own-header.ts";
import type { Connection } from "./connection.ts";
import type { Settings } from "./settings.ts";

/** What we need of service/doorway.ts. */
export interface Door {
  accepted(envelope: Envelope, offset: number, length: number): void;
  readonly flow: Flow;
}

export interface Station {
  settings: Settings; // replaced on reload
  readonly log: Log;
  readonly clock: Clock;
  readonly intake: Intake;
  readonly door: Door;
  readonly freeSpace: () => Space;
  readonly clients: Clients;
  readonly answers: Answers;
  readonly ownHeader: OwnHeader;
  readonly sessions: Set<Connection>; // of all listeners, until their sockets are closed
  readonly load: Load;
}

/** What the sessions of all listeners come to. */
export interface Load {
  /** Connections whose client's name is being looked up, before they are sessions. */
  naming: number;
  /** Messages between their final dot and our answer, whether the client is still there or not. */
  committing: number;
  /** Many connections are open: clients get less time (Postfix's stress). */
  isStressed: boolean;
  /** No new transactions. */
  isStopping: boolean;
}
