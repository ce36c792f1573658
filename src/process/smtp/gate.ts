/** Where throttles count connections and messages across processes, qmgr is asked before one is begun. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Ends, Throttles } from "../../config/throttles.ts";
import type { AskLeave, Leave, Question } from "../../service/leaves.ts";
import type { Opened } from "./connector.ts";
import type { Host } from "./route.ts";
import type { Session } from "./session.ts";
import { Transcript } from "./transcript.ts";
import { ownVerdict, type Verdict } from "./verdict.ts";

export interface Held {
  readonly verdict: Verdict;
  readonly forMs: number;
}

export interface Asking {
  readonly ask: AskLeave | undefined; // nobody to ask: nothing is held
  readonly signal: AbortSignal;
}

/** Connects when it may, and lets go of the leave when the connection ends. */
export async function connectByLeave(
  throttles: Throttles,
  host: Host,
  ends: Ends,
  asking: Asking,
  open: () => Promise<Opened>,
): Promise<Opened> {
  const leave = await leaveFor(throttles, { ...ends, what: "connect" }, asking);
  if (leave === undefined) return open();
  const held = heldBy(leave);
  if (held !== undefined) {
    const { verdict, forMs } = held;
    const failure = { verdict, stage: "connect", tlsFailed: false, heldMs: forMs } as const;
    return { failure, transcript: new Transcript(host) };
  }
  const opened = await open();
  if ("failure" in opened || opened.session.isOver) leave.release();
  else opened.session.onEnd = () => leave.release();
  return opened;
}

/** Whether, and if so why, no message is to be sent over the session now. */
export async function messageByLeave(
  throttles: Throttles,
  session: Session,
  nexthop: string,
  asking: Asking,
): Promise<Held | undefined> {
  const ends = { nexthop, address: session.remote.address, source: session.localAddress ?? "" };
  const leave = await leaveFor(throttles, { ...ends, what: "message" }, asking);
  return leave === undefined ? undefined : heldBy(leave);
}

/** Undefined: it needs none. Comes when its time has come. */
async function leaveFor(throttles: Throttles, question: Question, { ask, signal }: Asking): Promise<Leave | undefined> {
  if (throttles.isEmpty || ask === undefined) return undefined;
  const isCounted = throttles
    .needingLeave(question)
    .some(({ connects, connections, messages }) =>
      question.what === "connect" ? connects !== undefined || connections !== undefined : messages !== undefined,
    );
  if (!isCounted) return undefined;
  const leave = await ask(question);
  if (leave.waitMs > 0) await sleep(leave.waitMs, undefined, { signal }).catch(() => {}); // given up: whoever called sees
  return leave;
}

function heldBy({ refusal }: Leave): Held | undefined {
  if (refusal === undefined) return undefined;
  const { why, forMs } = refusal;
  const text = `delivery temporarily suspended: ${why}`;
  const verdict = { ...ownVerdict("deferred", "connect", "4.4.1", text, "connect"), description: why, isOurs: true };
  return { verdict: verdict as Verdict, forMs };
}
