/**
 * A message in active/, in memory. A waiting recipient stands in one of these places:
 *
 *   in line  in an entry at its destination (`inLine`)     -> out; nowhere, when suspended or withdrawn
 *   out      in an entry with an agent                     -> nowhere with its report; in line if the agent died
 *   to hold  the hold transport's (`toHold`)               -> the message goes to hold/ when no other waits
 *   nowhere  tried in this round, or not its turn          -> the message is concluded when all are (`pending` is 0)
 */
import type { Attempt } from "../../mail/attempt.ts";
import type { Envelope } from "../../mail/envelope.ts";
import type { JournalRecord, ReportAction } from "../../mail/journal.ts";
import type { Entry } from "./destination.ts";
import type { MessageState, RecipientState } from "../../mail/state.ts";

export interface ActiveRecipient extends RecipientState {
  readonly index: number;
  status: RecipientState["status"];
  attempts: number;
  suspensions: number;
  last?: Attempt;
  /** In this round: to be tried; not before its time; its time is over; set aside, for others are in line before; or not to be
   *  tried at all, by an administrator's word. */
  turn: "due" | "later" | "over" | "aside" | "barred";
  wasTried: boolean; // or suspended, in this round
  warnedMs: number;
  settled: readonly ReportAction[];
}

const DUE = { turn: "due", wasTried: false } as const;

/** What an administrator wants done with a message as soon as no agent holds it. */
export type Intent = "hold" | "delete" | "requeue";

export class ActiveMessage {
  readonly id: string;
  readonly envelope: Envelope;
  readonly offset: number;
  readonly length: number;
  readonly queuedMs: number; // when it came here
  readonly recipients: readonly ActiveRecipient[];
  readonly only: ActiveRecipient | undefined; // the single one, but for those that aliases have replaced
  readonly feeder: string; // who brought it
  readonly isFresh: boolean; // it comes from its door, and has been nowhere else
  firstDeferredMs: number | undefined;
  isReleased: boolean; // from hold, by command
  forcedExpire: boolean;
  isSuspect: boolean;
  deathsAlone: number;
  pending = 0; // entries at destinations or with agents
  readonly inLine = new Set<Entry>(); // of these, the ones at destinations
  isConcluding = false;
  intent: Intent | undefined;
  intentReason = "";
  isIntentNoted = false; // on disk
  readonly toHold = new Map<ActiveRecipient, string>(); // by the hold transport: why
  isFlushed = false; // tried by command in this round, due or not
  isNamedInBounce = false; // has got its second name in this round
  damage: string | undefined; // why the file cannot be read
  /** What is to be appended when the message is concluded. */
  records: JournalRecord[] = [];
  mustSync = false; // a recipient is done by one of them
  /** Tell an agent that what it reported is on disk: when the message is concluded. */
  acks: Array<() => void> = [];

  constructor(
    envelope: Envelope,
    place: { offset: number; length: number; feeder: string; queuedMs: number },
    state?: MessageState,
  ) {
    this.id = envelope.id;
    this.envelope = envelope;
    this.offset = place.offset;
    this.length = place.length;
    this.feeder = place.feeder;
    this.isFresh = state === undefined;
    this.queuedMs = place.queuedMs;
    this.firstDeferredMs = state?.firstDeferred;
    this.isReleased = state?.isReleased ?? false;
    this.forcedExpire = state?.forcedExpire ?? false;
    this.isSuspect = state?.isSuspect ?? false;
    this.deathsAlone = state?.deathsAlone ?? 0;
    this.recipients = envelope.recipients.map((_, index) => {
      const known = state?.recipients[index];
      return known === undefined
        ? { index, status: "waiting", attempts: 0, suspensions: 0, scheduled: false, warnedMs: 0, settled: [], ...DUE }
        : { ...known, index, ...DUE };
    });
    const own = this.recipients.filter(({ status }) => status !== "expanded");
    this.only = own.length === 1 ? own[0] : undefined;
  }

  /** The outcome of an attempt, as its record says. */
  apply(attempt: Attempt): void {
    const recipient = this.recipients[attempt.recipient];
    if (recipient === undefined || recipient.status !== "waiting") return;
    recipient.attempts = Math.max(recipient.attempts, attempt.attempt);
    recipient.suspensions = attempt.suspended ? recipient.suspensions + 1 : 0;
    recipient.last = attempt;
    if (attempt.outcome === "sent") recipient.status = "sent";
    else if (attempt.outcome === "deferred") this.firstDeferredMs ??= attempt.time;
    else recipient.status = "failed";
    recipient.wasTried = true;
    if (!attempt.suspended) {
      this.isSuspect = false;
      this.deathsAlone = 0;
    }
  }

  get hasWaiting(): boolean {
    return this.recipients.some((recipient) => recipient.status === "waiting");
  }

  /** Why the message is to be held now: all that wait are the hold transport's. Undefined if it is not. */
  get holdReason(): string | undefined {
    const waiting = this.recipients.filter((recipient) => recipient.status === "waiting");
    return waiting.every((recipient) => this.toHold.has(recipient)) ? this.toHold.values().next().value : undefined;
  }
}
