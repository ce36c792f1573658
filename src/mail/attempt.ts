/**
 * The one record of a delivery attempt (the third law). Log line, journal line, JSON result, DSN, `sces-queue show`
 * and every page are views of it. Types and states are MailerQ's; `outcome` is our decision on them.
 */

/** How an attempt ended, in MailerQ's words. */
export type ResultType =
  | "success" // delivered
  | "nohosts" // no such domain, no address for it, or DNS did not answer
  | "bind" // our source address is not on this host
  | "refused" // connection refused
  | "connect" // no connection: unreachable, or timed out while connecting
  | "noaccess" // no or bad greeting, or EHLO and HELO refused
  | "error" // a 4xx or 5xx reply
  | "lost" // connection closed before the answer
  | "timeout" // no answer within the deadline
  | "nodata" // the message itself is not to be had
  | "expired" // its time in the queue is over
  | "idle" // the connection died while unused; costs no attempt
  | "overflow" // an endless reply line
  | "tls" // TLS handshake failed or did not satisfy the policy
  | "responsive"; // the JSON message could not be turned into MIME

/** Where in the SMTP conversation it ended. `accept` is the final 250 after DATA. */
export type AttemptState =
  | "connect"
  | "init"
  | "ehlo"
  | "helo"
  | "starttls"
  | "mail from"
  | "rcpt to"
  | "data"
  | "received"
  | "reset"
  | "close"
  | "idle"
  | "accept";

/** How much is known of a server, in Postfix's words: no certificate, or one that proves less or more. */
export type TlsPeer =
  | "Anonymous"
  | "Untrusted" // nobody vouches for it
  | "Trusted" // an authority vouches for it, whoever it is
  | "Verified"; // and it is the one that was wanted

/** What it means for the recipient: done, to be tried again, refused for good, or given up for age. */
export type Outcome = "sent" | "deferred" | "bounced" | "expired";

export interface Attempt {
  readonly kind: "attempt";
  readonly recipient: number; // index into the envelope's recipients
  readonly attempt: number; // 1 for the first try of this recipient
  readonly type: ResultType;
  readonly outcome: Outcome;
  readonly time: number; // ms since 1970, when the attempt ended
  readonly from?: string; // our IP address
  readonly to?: string; // their IP address
  readonly port?: number; // their port
  readonly host?: string; // their name, as routed or as the MX said
  readonly code?: number; // SMTP reply code
  readonly status?: string; // enhanced status code of the reply, RFC 3463
  readonly description?: string; // the remote reply (or our reason), cleaned and bounded, without code and status
  readonly state?: AttemptState;
  readonly category?: string; // what the failure is about, by the table of bounce classes: "quota"
  readonly advice?: string; // what to do about it, by the same table
  readonly dsn: string; // the enhanced status that we report, e.g. 4.4.1
  readonly text: string; // the words in brackets of the log line: "host h[ip] said: ... (in reply to RCPT TO command)"
  readonly delays?: readonly [number, number, number, number]; // ms: before qmgr, in qmgr, connection set-up, transmission
  readonly use?: number; // how many messages this connection has carried, from the second on
  readonly tls?: string; // protocol and cipher, e.g. "TLSv1.3 TLS_AES_256_GCM_SHA384"; absent: in the clear
  readonly tlsPolicy?: string; // what was asked of TLS: none, may, encrypt, dane, verify, secure, sts
  readonly tlsPeer?: TlsPeer; // what was learnt of the server; absent: in the clear
  readonly relayedDsn?: true; // the next hop took over our DSN promises (RFC 3461 5.2.1)
  readonly suspended?: true; // no attempt of its own: the destination was suspended; `attempt` did not grow
  readonly until?: number; // ms since 1970, of a suspension: when it ends
}
