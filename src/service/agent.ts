/**
 * The skeleton of a delivery agent: takes deliveries from qmgr, has them carried out, and is the one who writes down
 * what became of them. A delivery lives through these states:
 *
 *   running    handed to `deliver`                       -> recording, or dropped when qmgr is lost before the final dot
 *   recording  the outcome is being written and synced   -> reported
 *   reported   qmgr was told; told again to the next one -> gone when acknowledged
 */
import { spoolError } from "../base/errors.ts";
import type { Client } from "../ipc/client.ts";
import type { Deliver, Remotes, Report, SourcePauses } from "../ipc/messages.ts";
import type { Attempt } from "../mail/attempt.ts";
import { categoryLine, deliveryLine } from "../mail/log-line.ts";
import { softAttempt } from "../mail/soft-bounce.ts";
import type { TranscriptRecord } from "../mail/transcript.ts";
import { appendRecords, appendSynced } from "../spool/journal.ts";
import { queuePath } from "../spool/queues.ts";
import { classifier } from "./bounce-classes.ts";
import { type AskLeave, Leaves } from "./leaves.ts";
import type { Context, Service } from "./service.ts";
import { unavailable } from "./untried.ts";

/** What became of a delivery; damaged: then no results. */
export type DeliveryResult = Pick<
  Report,
  "results" | "fault" | "offlineMs" | "pausedSources" | "remoteFaults" | "damaged"
> & {
  readonly transcript?: TranscriptRecord; // what was said, if a recipient was not delivered; written, not reported
};

export interface DeliveryHooks {
  /** The final dot is about to go out: from here on the delivery is carried to its end whatever happens. */
  pastFinalDot(): void;
  /** Asks qmgr; absent where there is none. */
  readonly ask?: AskLeave;
}

export interface AgentOptions {
  readonly credit: number; // deliveries at once
  deliver(delivery: Deliver, hooks: DeliveryHooks, signal: AbortSignal): Promise<DeliveryResult>;
  /** qmgr's word on remote addresses that are not to be tried. */
  remotes?(change: Remotes): void;
  /** qmgr's word on own addresses from which no mail is to leave. */
  sources?(change: SourcePauses): void;
  /** qmgr is gone: the next one will not know of connections that are open. */
  lost?(): void;
  reload?: NonNullable<Service["reload"]>;
  /** After the last delivery: close what is open. */
  stop?(): Promise<void> | void;
}

/** As it is written down and reported. */
type Judged = Omit<DeliveryResult, "transcript"> & Pick<Report, "restraint">;

interface Running {
  readonly controller: AbortController;
  pastFinalDot: boolean;
}

export function runAgent(context: Context, options: AgentOptions): Service {
  const { log } = context;
  const running = new Map<Deliver, Running>();
  const unacknowledged = new Map<number, Report>();
  const warn = (text: string) => log.warn(text);
  let classify = classifier(context.config.bounce_classes_file, warn);
  let linkOpen = false;
  let introduced = false;
  let stopping = false;
  let client: Client | undefined;
  const leaves = new Leaves((message) => client?.send(message));
  let drained: (() => void) | undefined;

  /** A new qmgr hears everything at once, when nothing is under way any more. */
  function introduce(): void {
    if (!linkOpen || introduced || running.size > 0) return;
    introduced = true;
    client?.send({ type: "inventory", reports: [...unacknowledged.values()] });
  }

  async function carryOut(delivery: Deliver): Promise<void> {
    context.busy();
    const state: Running = { controller: new AbortController(), pastFinalDot: false };
    running.set(delivery, state);
    const hooks: DeliveryHooks = {
      pastFinalDot() {
        state.pastFinalDot = true;
      },
      ask: (question) => leaves.ask(question),
    };
    const isKnown = context.config.agentOf(delivery.transport) !== undefined;
    const given = isKnown ? options.deliver(delivery, hooks, state.controller.signal) : unavailable(delivery);
    const { transcript, ...done } = await given;
    const result = judge(done);
    // Given up because qmgr was lost: whoever comes next hands it out again.
    const dropped = state.controller.signal.aborted && !state.pastFinalDot;
    if (!dropped) {
      const recorded = result.damaged === undefined && (await record(delivery, result.results, transcript));
      report(delivery, result, recorded);
    }
    running.delete(delivery);
    introduce();
    if (running.size === 0) {
      drained?.();
      if (unacknowledged.size === 0) context.idle();
    }
  }

  /** What has failed gets its class, which may decide on another outcome. */
  function judge(done: Judged): Judged {
    if (done.results.every(({ outcome }) => outcome === "sent")) return done;
    const classified = done.results.map(classify);
    const restraint = classified.find((one) => one.restraint !== undefined)?.restraint;
    const { soft_bounce: isSoft } = context.config;
    const results = classified.map(({ attempt }) => (isSoft ? softAttempt(attempt) : attempt));
    return { ...done, results, ...(restraint === undefined ? {} : { restraint }) };
  }

  /** Returns whether what qmgr is told is also in the file. A full disk is no reason to forget an outcome. */
  async function record(
    delivery: Deliver,
    results: readonly Attempt[],
    transcript: TranscriptRecord | undefined,
  ): Promise<boolean> {
    const isSent = results.length === 1 && results[0]?.outcome === "sent";
    if (delivery.brief && isSent) return true;
    const path = queuePath("active", delivery.id);
    const records = transcript === undefined ? results : [...results, transcript];
    try {
      if (results.every((attempt) => attempt.outcome === "deferred")) appendRecords(path, records);
      else await appendSynced(path, records);
      return true;
    } catch (error) {
      log.warn(`${delivery.id}: cannot record the outcome, it is kept in memory: ${spoolError("", error).message}`);
      return false;
    }
  }

  function report(delivery: Deliver, result: Judged, recorded: boolean): void {
    for (const attempt of result.results) {
      const recipient = delivery.recipients.find((one) => one.index === attempt.recipient);
      if (recipient === undefined) continue;
      log.info(deliveryLine(delivery.id, recipient, attempt));
      const about = categoryLine(delivery.id, recipient, attempt);
      if (about !== undefined) log.info(about);
    }
    const results = recorded ? result.results.map(inShort) : result.results;
    const told: Report = { type: "report", job: delivery.job, id: delivery.id, ...result, results, recorded };
    unacknowledged.set(delivery.job, told);
    if (introduced) client?.send(told);
  }

  client = context.dial(
    "qmgr",
    {
      onOpen() {
        linkOpen = true;
        introduce();
      },
      onMessage(message) {
        if (message.type === "deliver") {
          // What comes after the order to stop is not begun: qmgr has it back when this process is gone.
          if (!stopping) void carryOut(message);
        } else if (message.type === "ack") {
          for (const job of message.jobs) unacknowledged.delete(job);
          if (running.size === 0 && unacknowledged.size === 0) context.idle();
        } else if (message.type === "remotes") {
          options.remotes?.(message);
        } else if (message.type === "sources") {
          options.sources?.(message);
        } else if (message.type === "answer") {
          leaves.hear(message);
        }
      },
      onClose() {
        linkOpen = false;
        introduced = false;
        for (const state of running.values()) if (!state.pastFinalDot) state.controller.abort();
        leaves.lost();
        options.lost?.();
      },
    },
    { credit: options.credit, ...(context.alone ? { alone: true as const } : {}) },
  );
  context.idle();

  return {
    reload(config) {
      classify = classifier(config.bounce_classes_file, warn);
      options.reload?.(config);
    },
    async stop() {
      stopping = true;
      if (running.size > 0) {
        await new Promise<void>((resolve) => {
          drained = resolve;
        });
      }
      await options.stop?.();
    },
  };
}

/** Of what was sent, and is on disk or needs no record, qmgr is told what it asks for. */
function inShort(attempt: Attempt): Attempt {
  if (attempt.outcome !== "sent") return attempt;
  const { kind, recipient, type, outcome, time, to, port, dsn, text, relayedDsn } = attempt;
  return {
    kind,
    recipient,
    attempt: attempt.attempt,
    type,
    outcome,
    time,
    ...(to === undefined ? {} : { to }),
    ...(port === undefined ? {} : { port }),
    dsn,
    text,
    ...(relayedDsn === undefined ? {} : { relayedDsn }),
  };
}
