/** Opens a session to one host as the TLS policy has it. */
import type { SecureContext } from "node:tls";
import { messageOf } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { TlsOutcome } from "../../mail/tls-report.ts";
import type { Login } from "./logins.ts";
import type { Host } from "./route.ts";
import { type OpenFailure, Session } from "./session.ts";
import type { Source } from "./sources.ts";
import type { Settings } from "./settings.ts";
import { TlsContexts } from "./tls-context.ts";
import type { TlsPlanner } from "./tls-planner.ts";
import type { NexthopPolicy } from "./tls-policies.ts";
import { tlsOutcome } from "./tls-outcome.ts";
import { needsTls, type TlsTerms } from "./tls-terms.ts";
import { Transcript } from "./transcript.ts";
import { ownVerdict } from "./verdict.ts";

export type Opened = { readonly session: Session } | { readonly failure: OpenFailure; readonly transcript: Transcript };

/** For all hosts of a next hop. */
export interface OpenHow {
  readonly byMx: boolean; // found by MX lookup: it must not be this system itself
  readonly policy: NexthopPolicy;
}

export interface OpenOptions extends OpenHow {
  readonly source: Source;
  readonly login?: Login | undefined;
  readonly discard: readonly string[]; // EHLO keywords
  readonly due: number; // monotonic clock, ms
  readonly signal: AbortSignal;
}

export class Connector {
  readonly #settings: Settings;
  readonly #log: Log;
  readonly #planner: TlsPlanner;
  readonly #contexts: TlsContexts;

  readonly #count: (outcome: TlsOutcome) => void;

  constructor(settings: Settings, planner: TlsPlanner, count: (outcome: TlsOutcome) => void, log: Log) {
    this.#settings = settings;
    this.#planner = planner;
    this.#count = count;
    this.#log = log;
    this.#contexts = new TlsContexts(settings.tls.files);
  }

  /**
   * With `may` a failed handshake is followed by another connection, without TLS: what the first one still held may
   * be anything. With `encrypt` and above there is no second one.
   */
  async open(host: Host, options: OpenOptions): Promise<Opened> {
    const transcript = new Transcript(host);
    const plan = await this.#planner.plan(options.policy, host, options.byMx);
    if ("verdict" in plan) {
      return { failure: { verdict: plan.verdict, stage: "connect", tlsFailed: false }, transcript };
    }
    const { terms } = plan;
    const opened = await this.#connect(host, options, terms, transcript);
    if ("session" in opened || needsTls(terms) || !opened.failure.tlsFailed || options.signal.aborted) return opened;
    this.#log.info(
      `${opened.failure.verdict.text}; trying ${host.name}[${host.address}]:${host.port} again without TLS`,
    );
    transcript.note("again without TLS");
    return this.#connect(host, options, { ...terms, level: "none" }, transcript);
  }

  async #connect(
    host: Host,
    { byMx, source, login, discard, due, signal }: OpenOptions,
    wanted: TlsTerms,
    transcript: Transcript,
  ): Promise<Opened> {
    const { isLmtp, ownName, bounceGreeting, session: timeouts } = this.#settings;
    const secureContext = wanted.level === "none" ? undefined : this.#contextFor(wanted);
    const terms: TlsTerms = secureContext === undefined ? { ...wanted, level: "none" } : wanted;
    if (secureContext === undefined && needsTls(wanted)) {
      const text = "TLS is required, but our TLS engine is unavailable";
      const verdict = { ...ownVerdict("deferred", "tls", "4.7.5", text, "connect"), isOurs: true as const };
      return { failure: { verdict, stage: "connect", tlsFailed: false }, transcript };
    }
    const session = new Session({
      host,
      transcript,
      isLmtp,
      heloName: source.helo,
      bindAddress: source.address,
      tls: terms,
      bounceGreeting,
      discard,
      timeouts,
      ...(byMx ? { ownName } : {}),
      ...(login === undefined ? {} : { login }),
      ...(secureContext === undefined ? {} : { secureContext }),
    });
    session.limit(due);
    const give = () => session.abandon();
    signal.addEventListener("abort", give, { once: true });
    const failure = await session.open();
    signal.removeEventListener("abort", give);
    const outcome = terms.level === "none" || signal.aborted ? undefined : tlsOutcome(terms, session, failure);
    if (outcome !== undefined) this.#count(outcome);
    const refused = failure === undefined ? undefined : session.handshake?.problem;
    if (refused !== undefined) {
      this.#log.info(`certificate verification failed for ${session.peer}:${host.port}: ${refused.why}`);
    }
    if (failure !== undefined)
      return { failure: { ...failure, tls: session.tlsRecord, handshake: session.handshake }, transcript };
    this.#note(session);
    return { session };
  }

  #contextFor(terms: TlsTerms): SecureContext | undefined {
    try {
      return this.#contexts.get(terms);
    } catch (error) {
      this.#log.warn(`cannot use the files of smtp_tls_CAfile, CApath, cert_file or key_file: ${messageOf(error)}`);
      return undefined;
    }
  }

  #note({ peer, remote, handshake, offersTls }: Session): void {
    const { logLevel, notesOffers } = this.#settings.tls;
    if (handshake !== undefined && logLevel > 0) {
      const { peer: who, details } = handshake;
      this.#log.info(`${who} TLS connection established to ${peer}:${remote.port}: ${details}`);
    }
    if (handshake === undefined && offersTls && notesOffers) this.#log.info(`Host offered STARTTLS: [${remote.name}]`);
  }
}
