/**
 * One session with one server. nodemailer's SMTPConnection connects, greets, starts TLS and logs in; what it hears is
 * judged here first: the extensions come from the lines of EHLO proper, a refusal gets its words, and no step is taken
 * that the TLS level forbids. Once open it takes messages (transaction.ts) until it leaves. States as in Stage.
 */
import { isIP } from "node:net";
import type { SecureContext, TLSSocket } from "node:tls";
import { errnoOf } from "../../base/errors.ts";
import type { Attempt } from "../../mail/attempt.ts";
import type { CacheLimits } from "./connection-cache.ts";
import { connectTrouble, tlsReason } from "./connect-errors.ts";
import { type Features, featuresOf, keywordsOf, NO_FEATURES } from "./features.ts";
import { loginFailed, noMechanism } from "./login-words.ts";
import type { Login } from "./logins.ts";
import type { Pause } from "../../mail/pause.ts";
import type { Host } from "./route.ts";
import { assess, type Handshake } from "./tls-peer.ts";
import { needsTls, type TlsTerms } from "./tls-terms.ts";
import {
  ownVerdict,
  refused,
  replyText,
  type Stage,
  type Trouble,
  troubled,
  unwelcome,
  type Verdict,
} from "./verdict.ts";
import type { Transcript } from "./transcript.ts";
import { Wire } from "./wire.ts";

export interface SessionOptions {
  readonly host: Host;
  readonly transcript: Transcript; // where the opening is written
  readonly isLmtp: boolean; // LHLO instead of EHLO, and each recipient has its own reply to the final dot (RFC 2033)
  readonly heloName: string;
  readonly bindAddress: string; // "": the system chooses
  readonly tls: TlsTerms;
  readonly secureContext?: SecureContext; // one for all connections; absent at level none
  readonly login?: Login;
  readonly discard?: readonly string[]; // EHLO keywords that count as not offered
  readonly bounceGreeting: boolean; // a greeting of 5xx is final
  /** The name that is ours: a server that gives it is us. Absent where going through oneself is meant. */
  readonly ownName?: string;
  readonly timeouts: SessionTimeouts;
}

/** All in ms. */
export interface SessionTimeouts {
  readonly connect: number;
  readonly helo: number; // the greeting, then the answer to EHLO
  readonly starttls: number;
  readonly quit: number;
}

export type TlsRecord = Pick<Attempt, "tls" | "tlsPolicy" | "tlsPeer">;

export interface OpenFailure {
  readonly verdict: Verdict;
  readonly stage: Stage;
  readonly tlsFailed: boolean; // the handshake: without TLS it may go
  readonly tls?: TlsRecord;
  readonly handshake?: Handshake | undefined; // also one that was not enough
  readonly paused?: readonly Pause[]; // nothing was tried: the source addresses wait for one of these to end
  readonly heldMs?: number; // by a throttle: nothing was tried, and may be after so long
}

export class Session extends Wire {
  localAddress: string | undefined; // ours, once open
  handshake: Handshake | undefined; // what TLS came to; undefined in the clear
  offersTls = false;
  uses = 0; // messages so far
  reuse: Partial<CacheLimits> | undefined; // what the throttles say for this one, in place of the settings
  needsReset = false; // a transaction is half done
  features: Features = NO_FEATURES;
  readonly isLmtp: boolean;
  readonly #options: SessionOptions;
  #opened: ((failure: OpenFailure | undefined) => void) | undefined;
  #mechanisms: readonly string[] | undefined; // offered; undefined: no AUTH, or no more
  #leaving = false;

  constructor(options: SessionOptions) {
    const { host, transcript, tls, bindAddress, secureContext } = options;
    super(host, transcript, {
      name: options.heloName,
      lmtp: options.isLmtp,
      ignoreTLS: tls.level === "none",
      requireTLS: needsTls(tls),
      opportunisticTLS: tls.level === "may",
      // The certificate is judged here, when the handshake is done (#assess).
      tls: {
        rejectUnauthorized: false,
        checkServerIdentity: () => undefined,
        ...(secureContext === undefined ? {} : { secureContext }),
      },
      ...(bindAddress === "" ? {} : { localAddress: bindAddress }),
      ...(isIP(tls.sni) !== 0 ? {} : { servername: tls.sni }),
    });
    this.isLmtp = options.isLmtp;
    this.#options = options;
  }

  /** Connects and negotiates. Resolves to why it did not work, or to undefined. */
  open(): Promise<OpenFailure | undefined> {
    return new Promise((resolve) => {
      this.#opened = resolve;
      this.deadline.set(this.#options.timeouts.connect);
      this.once("connect", () => this.#logIn());
      this.connect();
    });
  }

  /** Can take a message. */
  get isUsable(): boolean {
    return this.isQuiet && !this.#leaving;
  }

  /** What is said from now on is for another message. */
  newTranscript(): Transcript {
    this.transcript = this.#options.transcript.continued(this.uses);
    return this.transcript;
  }

  /** What the record of an attempt has of TLS. */
  get tlsRecord(): TlsRecord {
    const { policy } = this.#options.tls;
    if (this.handshake === undefined) return { tlsPolicy: policy };
    return { tls: this.handshake.summary, tlsPolicy: policy, tlsPeer: this.handshake.peer };
  }

  /** Says QUIT and goes. */
  leave(): void {
    const { socket } = this;
    if (this.isOver || this.#leaving) return;
    if (socket === undefined || this.#opened !== undefined || !this.isQuiet) {
      this.destroy();
      return;
    }
    this.#enter("quit", this.#options.timeouts.quit);
    this.#leaving = true;
    this.onTrouble = undefined;
    socket.end("QUIT\r\n");
  }

  /** Ends an attempt to open it. */
  abandon(): void {
    this.end({ type: "lost" });
  }

  #enter(stage: Stage, timeoutMs: number): void {
    this.at = stage;
    this.deadline.set(timeoutMs);
  }

  #logIn(): void {
    const { login, timeouts } = this.#options;
    const offered = this.#mechanisms;
    if (login === undefined || offered === undefined) {
      this.#ready();
      return;
    }
    const method = login.mechanism(offered, this.secure);
    this.#enter("auth", timeouts.helo);
    if (method === undefined) {
      this.#fail(noMechanism(this.peer, offered, this.secure));
      return;
    }
    this.login(authenticationOf(login, method), (error) => {
      if (this.isOver) return;
      if (error === null) this.#ready();
      else this.#fail(loginFailed(this.peer, login, error));
    });
  }

  #ready(): void {
    this.at = "idle";
    this.deadline.clear();
    this.localAddress = this.socket?.localAddress;
    this.socket?.setTimeout(0); // or its timer would be moved with every byte
    const opened = this.#opened;
    this.#opened = undefined;
    opened?.(undefined);
  }

  /** The handshake ended in a way that the server put into words, or that we decided. */
  #fail(verdict: Verdict): void {
    const opened = this.#opened;
    this.#opened = undefined;
    this.transcript.note(verdict.text);
    this.destroy();
    opened?.({ verdict, stage: this.at, tlsFailed: false });
  }

  protected override end(trouble: Trouble): void {
    const opened = this.#opened;
    if (opened === undefined || this.isOver) {
      super.end(trouble);
      return;
    }
    const stage = this.at;
    // A server that rejects our side of the handshake is heard only after it is over for us.
    const isGreeting = stage === "ehlo" || stage === "lhlo";
    const tlsFailed = stage === "tls" || (this.secure && isGreeting && trouble.type === "lost");
    const known = stage === "tls" ? handshakeTrouble(trouble) : trouble;
    this.#opened = undefined;
    super.end(known);
    opened({ verdict: troubled(this.peer, this.remote.port, known, stage), stage, tlsFailed });
  }

  override _onConnect(): void {
    if (this.#options.tls.fromStart && !this.secure) {
      this._upgradeConnection((error) => {
        if (error === null) this._onConnect();
        else this._onError(error, "ETLS");
      });
      return;
    }
    this.#enter("greeting", this.#options.timeouts.helo);
    this.transcript.note(`connected from ${this.socket?.localAddress ?? "unknown"}`);
    super._onConnect();
  }

  override _actionGreeting(text: string): void {
    if (isPositive(text)) super._actionGreeting("220 ok");
    else this.#fail(unwelcome(this.peer, text, "greeting", this.#options.bounceGreeting));
  }

  /** Judged by the lines behind the first, each of which begins with a keyword; the first is the server's name. */
  override _actionEHLO(text: string): void {
    const [first = "", ...rest] = text.split("\n");
    const keywords = isPositive(text) ? keywordsOf(rest, this.#options.discard) : new Map<string, string>();
    if (keywords.has("STARTTLS")) this.offersTls = true;
    if (text.startsWith("421")) this.#fail(unwelcome(this.peer, text, "ehlo"));
    else if (needsTls(this.#options.tls) && !this.secure && !keywords.has("STARTTLS")) {
      this.#fail(
        ownVerdict("deferred", "tls", "4.7.4", `TLS is required, but was not offered by host ${this.peer}`, "ehlo"),
      );
    } else if (!isPositive(text)) super._actionEHLO("500 HELO is tried");
    else if (!this.#isMyself(first)) {
      this.features = featuresOf(keywords);
      this.#mechanisms = keywords.get("AUTH")?.split(/[\s=]+/);
      // nodemailer looks for words anywhere in the reply: it gets to see only what it is to act on.
      const offered = ["250-server", ...(keywords.has("STARTTLS") ? ["250-STARTTLS"] : [])];
      super._actionEHLO(`${offered.join("\n")}\n250 HELP`);
    }
  }

  /** There is no LMTP without LHLO. */
  override _actionLHLO(text: string): void {
    if (isPositive(text)) this._actionEHLO(text);
    else this.#fail(unwelcome(this.peer, text, "lhlo"));
  }

  override _actionHELO(text: string): void {
    this.features = NO_FEATURES;
    if (!isPositive(text)) this.#fail(unwelcome(this.peer, text, "helo"));
    else if (!this.#isMyself(text)) super._actionHELO(text);
  }

  override _actionSTARTTLS(text: string): void {
    if (text.startsWith("421")) {
      this.#fail(refused(this.peer, text, "starttls"));
      return;
    }
    // Credentials do not go over a connection that failed to encrypt.
    if (!isPositive(text)) this.#mechanisms = undefined;
    if (isPositive(text) || !needsTls(this.#options.tls)) {
      super._actionSTARTTLS(text);
      return;
    }
    const words = `TLS is required, but host ${this.peer} refused to start TLS: ${replyText(oneLine(text))}`;
    this.#fail(ownVerdict("deferred", "tls", "4.7.4", words, "starttls"));
  }

  override _upgradeConnection(callback: (error: Error | null, secured?: boolean) => void): void {
    // RFC 3207 6, CVE-2021-38371: what came in the clear behind the 220 does not count.
    this.forget();
    this.features = NO_FEATURES;
    this.#mechanisms = undefined;
    this.#enter("tls", this.#options.timeouts.starttls);
    super._upgradeConnection((error, secured) => {
      if (error === null && !this.#assess()) return;
      callback(error, secured);
    });
  }

  /** Returns whether TLS is as it must be; otherwise nothing more is said to this server. */
  #assess(): boolean {
    const handshake = assess(this.socket as TLSSocket, this.#options.tls);
    this.transcript.note(`TLS: ${handshake.summary}, ${handshake.peer}`);
    if (handshake.problem !== undefined) this.transcript.note(`certificate: ${handshake.problem.why}`);
    this.handshake = handshake;
    if (handshake.refusal === undefined) return true;
    this.#fail(ownVerdict("deferred", "tls", "4.7.5", handshake.refusal, "tls"));
    return false;
  }

  override _sendCommand(line: string, logged?: string): void {
    const { helo, starttls } = this.#options.timeouts;
    if (line.startsWith("EHLO")) this.#enter("ehlo", helo);
    else if (line.startsWith("LHLO")) this.#enter("lhlo", helo);
    else if (line.startsWith("HELO")) this.#enter("helo", helo);
    else if (line === "STARTTLS") this.#enter("starttls", starttls);
    if (this.at === "auth") this.transcript.secret(line);
    else this.transcript.command(line);
    super._sendCommand(line, logged);
  }

  override _onData(chunk: Buffer): void {
    if (!this.#leaving) super._onData(chunk);
  }

  override _onError(error: Error & { code?: string; originalCode?: string }, type: string): void {
    this._clearPhase();
    const errno = errnoOf(error);
    // Reset at once: there was a connection.
    if (this.at === "connect" && errno === "ECONNRESET") this.at = "greeting";
    if (this.at === "connect") this.end(connectTrouble(error, this.#options.bindAddress));
    else if (this.at === "tls" || type === "ETLS") this.end({ type: "tls", detail: tlsReason(error) });
    else this.end(errno === "ETIMEDOUT" ? { type: "timeout" } : { type: "lost" });
  }

  #isMyself(firstLine: string): boolean {
    const { ownName } = this.#options;
    const name = firstLine.slice(4).trim().split(/\s/, 1)[0]?.toLowerCase();
    if (ownName === undefined || name !== ownName.toLowerCase()) return false;
    const text = `mail for ${this.remote.name} loops back to myself`;
    this.#fail(ownVerdict("bounced", "noaccess", "5.4.6", text, this.at));
    return true;
  }
}

function handshakeTrouble(trouble: Trouble): Trouble {
  if (trouble.type === "timeout") return { type: "tls", detail: "handshake timed out" };
  return trouble.type === "lost" ? { type: "tls" } : trouble;
}

function isPositive(text: string): boolean {
  return text.startsWith("2");
}

function oneLine(text: string): string {
  return text.replaceAll("\n", " ");
}

type Authentication = Parameters<Session["login"]>[0];
type TokenDone = (error: Error | null, token: string) => void;

/** As nodemailer takes it. */
function authenticationOf(login: Login, method: string): Authentication {
  const { user, secret } = login;
  if (secret.kind === "password") {
    const { password: pass } = secret;
    return { method, user, pass, credentials: { user, pass } };
  }
  const getToken = (refused: boolean, done: TokenDone) => {
    secret.get(refused).then(
      (token) => done(null, token),
      (error: Error) => done(error, ""),
    );
  };
  // https://developers.google.com/workspace/gmail/imap/xoauth2-protocol
  const buildXOAuth2Token = (token: string) =>
    Buffer.from(`user=${user}\u0001auth=Bearer ${token}\u0001\u0001`).toString("base64");
  return { method, user, oauth2: { getToken, buildXOAuth2Token } } as unknown as Authentication;
}
