/**
 * Everything that processes say to each other: one closed union, one JSON object a line. A word is only a hint (the
 * first law): each may be lost with the process that said it, and the next scan of a directory repairs it.
 *
 *   door (smtpd, pickup, bounce, hold, corrupt) -> cleanup   new, appeared          <- flow
 *   feeder (cleanup, defer)                     -> qmgr      admitted               <- grant, scan, recall, order
 *   owner (cleanup, defer, hold, bounce, corrupt) -> qmgr    done                   <- order
 *   agent (smtp, maildir, pipe)                 -> qmgr      inventory, report      <- deliver, ack, remotes, sources
 *   agent (smtp)                                -> qmgr      ask, left              <- answer
 *   command (sces-queue, http)                  -> qmgr      command                <- reply, concluded
 *   command (sces)                              -> master    command                <- reply
 */
import type { Attempt } from "../mail/attempt.ts";
import type { Envelope, Recipient } from "../mail/envelope.ts";
import type { Pause, PauseKind } from "../mail/pause.ts";
import type { Suppression } from "../mail/suppression.ts";

export const PROTOCOL_VERSION = 1;

/** First line on every connection, both ways. Another version ends the connection. */
export interface Hello {
  readonly type: "hello";
  readonly version: number;
  readonly name: string; // process name, e.g. "smtp"; commands: "command"
  readonly pid: number;
  readonly alone?: true; // agent: takes one suspect message at a time
  readonly credit?: number; // agents: how many deliveries they hold at once
}

/** A queue file in incoming/, as its writer knows it. */
export interface New {
  readonly type: "new";
  readonly envelope: Envelope;
  readonly offset: number; // content offset in bytes
  readonly length: number; // content length in bytes
}
/** Names in incoming/ that have a history: read the file. None: look through the directory. */
export interface Appeared {
  readonly type: "appeared";
  readonly ids: readonly string[];
}
/** How doors are to treat their clients while incoming/ is behind. */
export interface Flow {
  readonly type: "flow";
  readonly delayMs: number; // pause before each reply to end of data
  readonly stop: boolean; // refuse new mail for now (451 4.3.2)
}

/** The feeder may move so many more messages to active/. */
export interface Grant {
  readonly type: "grant";
  readonly count: number;
}
/** Messages that are now in active/. */
export interface Admitted {
  readonly type: "admitted";
  readonly entries: readonly Admission[];
}
export interface Admission {
  readonly id: string;
  readonly envelope?: Envelope; // absent: qmgr reads the file
  readonly offset?: number;
  readonly length?: number;
  readonly all?: true; // by command: recipients that are not due yet, too
  readonly fresh?: true; // no journal yet: nothing to read
}
/** To defer: look for what is due. */
export interface Scan {
  readonly type: "scan";
  readonly all?: true; // whether due or not (flush ALL)
}

/** To defer: bring these now. qmgr had set them aside, or (`all`) what they were put off for is over. */
export interface Recall {
  readonly type: "recall";
  readonly ids: readonly string[];
  readonly all?: true; // recipients that are not due yet, too
}

export type Verb = "flush" | "hold" | "release" | "delete" | "requeue" | "expire";
export interface Target {
  readonly id: string;
  readonly queue?: string; // where the asker saw it
}
/** From a command to qmgr; status, reload and stop to master. */
export interface Command {
  readonly type: "command";
  readonly request: number;
  readonly verb: Verb | "status" | "ping" | "reload" | "stop" | "pause" | "resume" | "destinations" | "suppress";
  readonly targets: readonly Target[]; // empty with flush: all that is deferred
  readonly reason?: string; // hold
  readonly wait?: true; // flush: say `concluded` for each message affected
  readonly pause?: Pause; // pause
  readonly resume?: Resume; // resume
  readonly suppress?: readonly Suppression[]; // suppress: to be added
  readonly unsuppress?: readonly string[]; // suppress: to be removed
}
/** What is to go on. */
export interface Resume {
  readonly kind?: PauseKind; // only a pause of this kind
  readonly name: string; // what is paused; a destination, its next hop, a remote address; ALL
}
/** qmgr's answer to destinations, in `status` of the reply. */
export interface DestinationsStatus {
  readonly destinations: readonly DestinationStatus[];
  readonly offline: readonly Offline[];
  readonly pauses: readonly Pause[];
}
export interface DestinationStatus {
  readonly transport: string;
  readonly nexthop: string;
  readonly waiting: number; // deliveries in line
  readonly aside: number; // messages that were set aside, as far as qmgr remembers them
  readonly busy: number; // deliveries that are out
  readonly window: number; // how many may be, now
  readonly limit: number; // how many may be, ever
  readonly pauseMs: number; // between two deliveries; 0: none
  readonly suspended?: { readonly why: string; readonly forMs: number };
  readonly lastError?: string; // the last delivery's that did not succeed, since qmgr knows the destination
}
/** What became of a message that a command waits for. */
export interface Concluded {
  readonly type: "concluded";
  readonly request: number;
  readonly id: string;
  readonly fate: "sent" | "deferred" | "bounced" | "held" | "deleted" | "corrupt"; // the worst of its recipients
  readonly text: string; // the last attempt's words, cleaned
}
export interface Reply {
  readonly type: "reply";
  readonly request: number;
  readonly affected: readonly string[]; // ids; pause, resume: what was paused or resumed, in words
  readonly later: readonly string[]; // of these, done after the current attempt
  readonly missing: readonly string[]; // not to be found, or nothing to do for this verb
  readonly trouble?: string; // or it cannot be done now: the spool fails
  readonly error?: string;
  readonly status?: unknown; // for status
}
/** From qmgr to the owner of a directory; answered by done. */
export interface Order {
  readonly type: "order";
  readonly request: number;
  readonly verb: Verb;
  readonly ids: readonly string[];
  readonly reason?: string;
  readonly until: number; // ms since 1970; an owner that reads it later does nothing: the asker was told so
}
export interface Done {
  readonly type: "done";
  readonly request: number;
  readonly affected: readonly string[];
  readonly missing: readonly string[];
  readonly trouble?: string; // why some are missing that are there
}

/** A delivery: some recipients of one message to one next hop, in one transaction. */
export interface Deliver {
  readonly type: "deliver";
  readonly job: number; // unique while qmgr lives
  readonly id: string; // file active/<id>
  readonly transport: string;
  readonly nexthop: string; // "example.org", "[192.0.2.1]:25", "[host]:587"; as route() said
  readonly sender: string;
  readonly recipients: readonly DeliverRecipient[];
  readonly offset: number;
  readonly length: number;
  readonly arrival: number; // ms
  readonly queued: number; // ms, when it came to active/
  readonly ret?: "FULL" | "HDRS";
  readonly envid?: string;
  readonly smtputf8?: true;
  readonly body?: "8BITMIME";
  readonly tlsOptional?: true; // as in the envelope
  readonly dialect?: "mailerq"; // as in the envelope
  readonly client?: DeliverClient; // from whom it came by SMTP without a login; absent: it is from us
  readonly sources?: readonly string[]; // our addresses, from one of which it is to be made; absent: as main.cf says
  readonly brief?: true; // a single recipient, no report: if sent, no record is needed
}
export interface DeliverClient {
  readonly address: string; // IP
  readonly helo: string;
}
export interface DeliverRecipient extends Recipient {
  readonly index: number;
  readonly attempt: number; // the number that this attempt gets
}
/** What became of a delivery. Repeated until acknowledged. */
export interface Report {
  readonly type: "report";
  readonly job: number;
  readonly id: string;
  readonly results: readonly Attempt[]; // one for each recipient of the delivery that was tried; in short if sent and recorded
  readonly fault?: string; // connection or handshake failed: negative feedback for the destination, in the log's words
  readonly offlineMs?: number; // nothing was tried: every address is marked offline, the first for so long; `fault` says why
  readonly pausedSources?: readonly string[]; // recipients wait for one of these, `source IP` as pauseKey has it
  readonly restraint?: Restraint; // what the class of a failure asks for
  readonly remoteFaults?: readonly RemoteFault[]; // addresses that did not work, also where another one then did
  readonly recorded: boolean; // the results are in the journal and synced
  readonly damaged?: string; // the file cannot be read: why
}
/** The destination is to be held back. */
export interface Restraint {
  readonly action: "slow" | "pause";
  readonly forMs: number;
  readonly why: string; // the failure that was met, in the log's words
}
/** A remote address that did not work. */
export interface RemoteFault {
  readonly address: string; // IP address, or the path of a socket
  readonly port: number; // 0 of a socket
  readonly host: string; // the name that led there
  readonly type: "refused" | "connect" | "noaccess" | "lost" | "timeout";
  readonly why: string; // the log's words
}
/** A remote address that is not to be tried. */
export interface Offline extends RemoteFault {
  readonly forMs: number; // from now on
}
/** From qmgr to its agents: changes of what is marked offline; lost with qmgr, whose successor begins with none. */
export interface Remotes {
  readonly type: "remotes";
  readonly offline: readonly Offline[];
  readonly online?: readonly { readonly address: string; readonly port: number }[];
  readonly all?: true; // these and no others are offline
}
/** From qmgr to its agents: the source addresses from which no mail is to leave, these and no others. */
export interface SourcePauses {
  readonly type: "sources";
  readonly paused: readonly Pause[];
}
/** May this be done, and when? Asked where throttles count what several processes do. */
export interface Ask {
  readonly type: "ask";
  readonly ask: number; // unique while the agent lives
  readonly what: "connect" | "message"; // one connection, or one message over one
  readonly nexthop: string;
  readonly address: string; // remote
  readonly source: string; // ours; "": the system chooses
}
export interface Answer {
  readonly type: "answer";
  readonly ask: number;
  readonly waitMs: number; // then it may
  readonly refusal?: { readonly why: string; readonly forMs: number }; // not now
}
/** The connection for which that leave was given is closed, or was not made. */
export interface Left {
  readonly type: "left";
  readonly ask: number;
}
export interface Ack {
  readonly type: "ack";
  readonly jobs: readonly number[];
}
/** An agent to a new qmgr: every report that no qmgr has acknowledged; nothing else is in its hands. */
export interface Inventory {
  readonly type: "inventory";
  readonly reports: readonly Report[];
}

export type Message =
  | Hello
  | New
  | Appeared
  | Flow
  | Grant
  | Admitted
  | Scan
  | Recall
  | Command
  | Reply
  | Concluded
  | Order
  | Done
  | Deliver
  | Report
  | Remotes
  | SourcePauses
  | Ask
  | Answer
  | Left
  | Ack
  | Inventory;
