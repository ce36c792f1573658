/** The record of one recipient's attempt, from the verdict on it. */
import type { Deliver, DeliverRecipient } from "../../ipc/messages.ts";
import type { Attempt } from "../../mail/attempt.ts";
import type { Host } from "./route.ts";
import type { Session, TlsRecord } from "./session.ts";
import type { Verdict } from "./verdict.ts";

/** A verdict and where it comes from; absent parts: no host was reached. */
export interface Judged {
  readonly verdict: Verdict;
  readonly host?: Host;
  readonly session?: Session;
  readonly use?: number;
  readonly tls?: TlsRecord; // of a session that could not be opened
  readonly untried?: { readonly until?: number }; // ms; so long, if that is known, its hosts or sources are out of use
}

/** ms since 1970. */
export interface Times {
  readonly startedAt: number; // the delivery
  readonly connectedAt: number; // the first session that was alive
  readonly now: number;
}

export function attemptOf(job: Deliver, recipient: DeliverRecipient, judged: Judged, times: Times): Attempt {
  const { verdict, host, session, use, tls, untried } = judged;
  const { startedAt, connectedAt, now } = times;
  return {
    kind: "attempt",
    recipient: recipient.index,
    attempt: untried === undefined ? recipient.attempt : recipient.attempt - 1,
    type: verdict.type,
    outcome: verdict.outcome,
    time: now,
    ...(session?.localAddress === undefined ? {} : { from: session.localAddress }),
    ...(host === undefined ? {} : { to: host.address, ...(host.port > 0 ? { port: host.port } : {}), host: host.name }),
    ...(verdict.code === undefined || verdict.code < 100 ? {} : { code: verdict.code }),
    ...(verdict.status === undefined ? {} : { status: verdict.status }),
    ...(verdict.description === undefined ? {} : { description: verdict.description }),
    state: verdict.state,
    dsn: verdict.dsn,
    text: verdict.text,
    delays: [job.queued - job.arrival, startedAt - job.queued, connectedAt - startedAt, now - connectedAt],
    ...(use === undefined || use < 2 ? {} : { use }),
    ...(session?.tlsRecord ?? tls),
    ...(verdict.outcome === "sent" && session?.features.dsn ? { relayedDsn: true } : {}),
    ...(untried === undefined ? {} : { suspended: true, ...untried }),
  };
}
