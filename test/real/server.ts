/** What the tests ask of a real mail server, whoever made it. */
import type { Certificate } from "../harness/certificate.ts";

export interface RealServer extends AsyncDisposable {
  /** Takes mail for its domain and those below from everybody, with STARTTLS. */
  readonly port: number;
  /** Takes mail for every domain from `alice` with the password `secret`, only with TLS. */
  readonly submissionPort: number;
  /** Its STARTTLS works; where it does not, it is offered all the same, and every handshake fails. */
  readonly tlsWorks: boolean;
  /** What it said, for whoever wonders why a test failed. */
  report(): string;
}

export interface RealServerOptions {
  readonly domain: string; // e.g. postfix.test; it calls itself mx.DOMAIN
  readonly certificate: Certificate; // for that name
  readonly sinkPort: number; // where it relays to, on 127.0.0.1
}

/** No such user; greylisted. Both at the server's domain. */
export const NOBODY = "nobody";
export const LATER = "later";

/** A message of more is refused. */
export const SIZE_LIMIT = 6_000_000;

/** No message may have more recipients. */
export const RECIPIENT_LIMIT = 10;

/** No connection may carry more messages, where the server has such a limit. */
export const MESSAGES_A_CONNECTION = 10;
