/** Opens a session to one host as the TLS policy has it. */
import { createSecureContext, type SecureContext } from "node:tls";
import type { Log } from "../../base/log.ts";
import type { Login } from "./logins.ts";
import type { Host } from "./route.ts";
import { type OpenFailure, Session, type TlsLevel } from "./session.ts";
import type { Source } from "./sources.ts";
import type { Settings } from "./settings.ts";
import { Transcript } from "./transcript.ts";

export type Opened = { readonly session: Session } | { readonly failure: OpenFailure; readonly transcript: Transcript };

export interface OpenOptions {
  readonly byMx: boolean; // found by MX lookup: it must not be this system itself
  readonly source: Source;
  readonly login?: Login | undefined;
  readonly due: number; // monotonic clock, ms
  readonly signal: AbortSignal;
}

export class Connector {
  readonly #settings: Settings;
  readonly #log: Log;
  #secureContext: SecureContext | undefined;

  constructor(settings: Settings, log: Log) {
    this.#settings = settings;
    this.#log = log;
  }

  /**
   * With `may` a failed handshake is followed by another connection, without TLS: what the first one still held may
   * be anything. With `encrypt` and above there is no second one.
   */
  async open(host: Host, options: OpenOptions): Promise<Opened> {
    const { tlsLevel } = this.#settings;
    const transcript = new Transcript(host);
    const opened = await this.#connect(host, options, tlsLevel, transcript);
    if ("session" in opened || tlsLevel !== "may" || !opened.failure.tlsFailed || options.signal.aborted) return opened;
    this.#log.info(
      `${opened.failure.verdict.text}; trying ${host.name}[${host.address}]:${host.port} again without TLS`,
    );
    transcript.note("again without TLS");
    return this.#connect(host, options, "none", transcript);
  }

  async #connect(
    host: Host,
    { byMx, source, login, due, signal }: OpenOptions,
    tlsLevel: TlsLevel,
    transcript: Transcript,
  ): Promise<Opened> {
    const { ownName, bounceGreeting, session: timeouts } = this.#settings;
    if (tlsLevel !== "none") this.#secureContext ??= createSecureContext();
    const session = new Session({
      host,
      transcript,
      heloName: source.helo,
      bindAddress: source.address,
      tlsLevel,
      bounceGreeting,
      timeouts,
      ...(byMx ? { ownName } : {}),
      ...(login === undefined ? {} : { login }),
      ...(this.#secureContext === undefined ? {} : { secureContext: this.#secureContext }),
    });
    session.limit(due);
    const give = () => session.abandon();
    signal.addEventListener("abort", give, { once: true });
    const failure = await session.open();
    signal.removeEventListener("abort", give);
    return failure === undefined ? { session } : { failure, transcript };
  }
}
