/**
 * What `sces probe` and the SMTP client that it forks say to each other over the fork's channel: one request down, then
 * steps up, the last of which is the result. Text from outside is cleaned.
 */
import type { AttemptState, ResultType, TlsPeer } from "../mail/attempt.ts";
import type { SessionTranscript } from "../mail/transcript.ts";

export interface ProbeRequest {
  readonly values: Readonly<Record<string, string>>; // the settings, as written
  readonly recipient: string; // canonical
  readonly sender: string; // canonical; "": the null sender
  readonly timeoutMs: number; // no step takes longer
}

/** Where mail for the recipient goes. */
export interface RouteStep {
  readonly step: "route";
  readonly recipient: string;
  readonly sender: string;
  readonly transport: string;
  readonly agent: string;
  readonly nexthop: string; // one, or several that stand in for each other
}

/** The hosts of one next hop. */
export interface NexthopStep {
  readonly step: "nexthop";
  readonly nexthop: string;
  readonly ms: number; // how long it took to find them
  readonly policy: string; // TLS level; "broken" if nobody can tell
  readonly hasOwnPolicy: boolean; // it has a line in smtp_tls_policy_maps
  readonly mx: readonly { readonly preference: number; readonly host: string }[]; // best first; empty: no MX
  readonly hosts: readonly ProbedHost[]; // in the order in which they are tried
}
export interface ProbedHost {
  readonly host: string;
  readonly address: string;
  readonly port: number;
}

/** One server, up to its answer to RCPT. */
export interface SessionStep extends SessionTranscript, Said {
  readonly step: "session";
  readonly from?: string; // our address
  readonly tls?: string; // protocol and cipher
  readonly tlsPolicy?: string; // what it had to satisfy: may, secure, dane, sts ...
  readonly tlsPeer?: TlsPeer;
  readonly certificate?: ProbedCertificate;
}
export interface ProbedCertificate {
  readonly subject: string;
  readonly names: string; // DNS:..., as OpenSSL writes them
  readonly issuer: string;
  readonly from: number; // ms since 1970
  readonly until: number; // ms since 1970
  readonly problem?: string; // why no authority vouches for it, in OpenSSL's words
}

/** What became, or would become, of the recipient. */
interface Said {
  readonly outcome: "sent" | "deferred" | "bounced"; // sent: the recipient was accepted
  readonly type: ResultType;
  readonly state: AttemptState;
  readonly dsn: string;
  readonly text: string;
}
export interface WarningStep {
  readonly step: "warning";
  readonly text: string;
}
export interface ResultStep extends Said {
  readonly step: "result";
}

export type ProbeStep = RouteStep | NexthopStep | SessionStep | WarningStep | ResultStep;
