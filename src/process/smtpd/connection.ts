/**
 * The life of one connection, below the commands: greeting, TLS, replies, deadlines, the end. The socket's own
 * handling and the TLS handshake are smtp-server's. States (in brackets what holds the wire):
 *
 *   greeting   the pause before the 220, or the TLS handshake [greeting] -> command, closing
 *   command    the client owes us a line                                 -> working, content, closing
 *   working    a command or a message is being worked on [work]          -> command, closing
 *   content    between our 354 and the final dot                         -> working, closing
 *   closing    our side is ended; smtp-server waits 5 s for the client's, but after QUIT -> closed
 *
 * Every state but working has a deadline. Replies gather until all that the client has sent is worked off; then they
 * go out as one write, behind the log lines about them.
 */
import type { Socket } from "node:net";
import { SMTPConnection, type SMTPConnectionOptions } from "smtp-server/lib/smtp-connection.js";
import type { SMTPServer } from "smtp-server";
import { clean } from "../../base/text.ts";
import { softReply } from "../../mail/soft-bounce.ts";
import { clientKey } from "./clients.ts";
import type { PeerName } from "./peer-name.ts";
import { withFooter } from "./reply-footer.ts";
import type { Settings } from "./settings.ts";
import type { Station } from "./station.ts";
import { HOLD_DRAIN, HOLD_GREETING, HOLD_PAUSE, HOLD_WORK, Wire, type WireUser } from "./wire.ts";

export abstract class Connection extends SMTPConnection implements WireUser {
  readonly station: Station;
  settings: Settings; // as of the connection, then as of each transaction
  names!: PeerName;
  clientName!: string; // verified, or "unknown"
  peer!: string; // name[address], as every log line has it
  key!: string; // under which it is counted
  isUnlimited!: boolean; // the limits on clients do not apply
  isTrusted!: boolean; // mynetworks
  protected where = "CONNECT"; // the last command, for the log
  protected isRefused = false; // the current command got a 4xx or 5xx
  #out = ""; // replies that have not gone out
  #owesLog = false; // lines about them
  #deadline = 0; // monotonic ms; 0: the client owes us nothing
  #waitingSince = 0; // monotonic ms: for what the deadline is about
  #top: Socket; // the TLS socket from the start of its handshake on
  #isOver = false; // the disconnect line is written
  #countedAs: string | undefined; // among whose connections

  constructor(station: Station, server: SMTPServer, socket: Socket, options: SMTPConnectionOptions, names: PeerName) {
    super(server, socket, options);
    this.station = station;
    this.settings = station.settings;
    this.#top = socket;
    this.takePlace(this.remoteAddress, names);
  }

  abstract takeLine(line: string, isBare: boolean, isAhead: boolean): void;
  abstract takeLongLine(): void;
  abstract takeContent(bytes: number, isEnd: boolean): void;
  /** Asked before the greeting: the refusal that takes its place. undefined: nothing is to be asked. */
  abstract judgeClient(): Promise<string | undefined> | undefined;
  /** The connection is over: what is unfinished is dropped. Returns the end of the disconnect line. */
  protected abstract ended(): string;
  /** For the log: ` (1000 bytes)` in the middle of a message. */
  protected abstract progress(): string;
  /** Within a transaction, or between its end and our answer. */
  abstract get isBusy(): boolean;
  /** Between the final dot and our answer. */
  abstract get isCommitting(): boolean;

  // ---- Beginning

  override init(): void {
    const { station, settings } = this;
    station.sessions.add(this);
    station.log.info(`connect from ${this.peer}`);
    if (this.needsUpgrade && settings.secureContext === undefined) {
      station.log.warn(
        `${this.peer} is disconnected: ${settings.service} needs TLS and there is no usable certificate`,
      );
      this._socket.on("error", () => {}).destroy();
      this._onClose();
      return;
    }
    this.setDeadline(this.needsUpgrade ? settings.config.smtpd_starttls_timeout : this.timeoutMs);
    this._setListeners(() => this.#admit());
  }

  #admit(): void {
    if (this.isGone) return;
    const { config } = this.settings;
    if (this.station.load.isStopping) this.hangUp(this.stoppingReply);
    else if (!this.isUnlimited && !this.#isWelcome()) {
      this.hangUp(`421 4.7.0 ${config.myhostname} Error: too many connections from ${this.remoteAddress}`);
    } else if (this.isTrusted || this.needsUpgrade || config.smtpd_greet_pause === 0) this.#judge();
    else setTimeout(() => this.#judge(), config.smtpd_greet_pause);
  }

  #isWelcome(): boolean {
    const { clients, log } = this.station;
    const { config, service } = this.settings;
    this.#countedAs = this.key;
    const open = clients.connected(this.key);
    const rate = clients.add(this.key, "connects");
    const { smtpd_client_connection_count_limit: openLimit, smtpd_client_connection_rate_limit: rateLimit } = config;
    const about = `from ${this.peer} for service ${service}`;
    if (openLimit > 0 && open > openLimit) log.warn(`Connection concurrency limit exceeded: ${open} ${about}`);
    else if (rateLimit > 0 && rate > rateLimit) log.warn(`Connection rate limit exceeded: ${rate} ${about}`);
    else return true;
    return false;
  }

  #judge(): void {
    if (this.isGone) return;
    const judging = this.judgeClient();
    if (judging === undefined) this.#greet(undefined);
    else {
      this.setDeadline(0);
      void judging.then(
        (refusal) => this.#greet(refusal),
        (error) => this.failed(error),
      );
    }
  }

  #greet(refusal: string | undefined): void {
    if (this.isGone) return;
    this._ready = true;
    this.reply(refusal ?? `220 ${this.settings.config.smtpd_banner}`);
    this.setDeadline(this.timeoutMs);
    this.wire?.release(HOLD_GREETING);
  }

  takeEarly(): void {
    if (this.isGone) return;
    this.station.log.info(`improper command pipelining after CONNECT from ${this.peer}`);
    this.hangUp("554 5.5.0 Error: SMTP protocol synchronization");
  }

  /** Called by smtp-server's constructor, when nothing of ours is there yet, and for the TLS session. */
  override _createParser(): Wire {
    return new Wire(this, this._ready ? 0 : HOLD_GREETING);
  }

  get wire(): Wire | undefined {
    return this._parser instanceof Wire ? this._parser : undefined;
  }

  /** TLS after STARTTLS. What the client sent ahead of it is forgotten (CVE-2011-0411). */
  protected startTls(): void {
    this.wire?.hold(HOLD_WORK);
    this.#flush();
    this.setDeadline(this.settings.config.smtpd_starttls_timeout);
    this.upgrade(
      () => {},
      () => this.setDeadline(this.timeoutMs),
    );
  }

  // ---- Replies

  /** One or more lines, without the last CRLF. They go out when the client's turn comes. */
  reply(text: string): void {
    this.#out += `${text >= "4" ? this.#refusal(text) : text}\r\n`;
    if (text >= "4") this.isRefused = true;
  }

  #refusal(text: string): string {
    const { soft_bounce: isSoft, smtpd_reject_footer: footer, myhostname } = this.settings.config;
    const names = {
      client: this.peer,
      client_address: this.remoteAddress,
      client_name: this.clientName,
      localtime: new Date(this.station.clock.now()).toUTCString(),
      server_name: myhostname,
    };
    return withFooter(isSoft ? softReply(text) : text, footer, names);
  }

  /** A line about the reply that comes next. */
  logFirst(text: string, level: "info" | "warn" = "info"): void {
    this.station.log[level](text);
    this.#owesLog = true;
  }

  turnEnded(): void {
    if (!this.settings.config.smtpd_per_request_deadline && this.#deadline > 0) this.setDeadline(this.timeoutMs);
    if (this.wire?.isHeld(HOLD_PAUSE) !== true) this.#flush();
  }

  #flush(): void {
    if (this.#out === "") return;
    if (this.#owesLog) this.station.log.flush();
    this.#owesLog = false;
    const text = this.#out;
    this.#out = "";
    const socket = this._socket;
    // During a handshake the socket below would carry it in the clear.
    if (this._upgrading || socket.destroyed || !socket.writable || socket.write(text)) return;
    // The client does not read: it gets no more to read, for as long as its deadline allows.
    const { wire } = this;
    wire?.hold(HOLD_DRAIN);
    socket.once("drain", () => wire?.release(HOLD_DRAIN));
  }

  /** smtp-server's own replies. All that are left are last words. */
  override send(code: number, data?: string | string[] | null): void {
    this.hangUp(`${code} ${Array.isArray(data) ? data.join(" ") : (data ?? "")}`);
  }

  // ---- Deadlines

  /** smtp-server would count idle time, which every byte resets. */
  override _armTimeout(socket: Socket = this._socket): void {
    this.#top = socket;
  }

  get timeoutMs(): number {
    return this.settings.config.smtpd_timeout;
  }

  /** The client has so long from now on; 0: it owes us nothing. */
  protected setDeadline(ms: number): void {
    this.#waitingSince = this.station.clock.monotonic();
    this.#deadline = ms === 0 ? 0 : this.#waitingSince + ms;
  }

  /** So much more time, within what a new request would get. */
  protected extendDeadline(ms: number): void {
    this.#waitingSince = this.station.clock.monotonic();
    this.#deadline = Math.min(this.#deadline + ms, this.#waitingSince + this.timeoutMs);
  }

  /** To be called often. */
  checkDeadline(now: number): void {
    if (this.#deadline === 0) return;
    const { smtpd_stress_timeout: stressMs, myhostname } = this.settings.config;
    const isLate = now >= this.#deadline || (this.station.load.isStressed && now >= this.#waitingSince + stressMs);
    if (!isLate) return;
    const isDeaf = this._upgrading || this.wire?.isHeld(HOLD_DRAIN) === true;
    this.hangUp(`421 4.4.2 ${myhostname} Error: timeout exceeded`, "timeout");
    if (isDeaf) this.#top.destroy();
  }

  /** Called between transactions: changed settings hold for this client too. */
  refreshSettings(): void {
    const { settings } = this.station;
    if (this.settings === settings) return;
    this.settings = settings;
    this.isTrusted = settings.isTrusted(this.remoteAddress);
    this.isUnlimited = settings.isUnlimited(this.remoteAddress);
  }

  /** Who it is that we talk to, from the start or from XCLIENT on. */
  takePlace(address: string, names: PeerName): void {
    this.remoteAddress = address;
    this.names = names;
    this.clientName = names.name;
    this.peer = `${names.name}[${address}]`;
    this.key = clientKey(address);
    this.isTrusted = this.settings.isTrusted(address);
    this.isUnlimited = this.settings.isUnlimited(address);
  }

  // ---- The end

  /** Closed, or about to be: nothing more is said. */
  get isGone(): boolean {
    return this._closing || this._closed;
  }

  get stoppingReply(): string {
    return `421 4.3.2 ${this.settings.config.myhostname} Error: service is stopping`;
  }

  /** Our last word. `reason`: for the log. */
  hangUp(reply: string, reason = ""): void {
    if (this.isGone) return;
    if (reason !== "") this.logFirst(`${reason} after ${this.where}${this.progress()} from ${this.peer}`);
    this.reply(reply);
    this.#flush();
    this.close();
    // Who said QUIT sends no more (RFC 2920 3.1: it ends a group), so there is nothing to wait for. Anybody else may be
    // sending, and a socket that is closed on that would be reset, and our last word lost.
    if (reply.startsWith("221")) this._socket.destroySoon();
  }

  override close(): void {
    this.#finish();
    super.close();
  }

  /** The service stops: an idle client is told at once, another when it is done. */
  leave(): void {
    if (!this.isGone && !this.isBusy) this.hangUp(this.stoppingReply);
  }

  /** The service cannot wait for clients any longer. Whose message is being committed still gets the answer. */
  abandon(): void {
    if (this.isCommitting) return;
    this.hangUp(this.stoppingReply);
    this.#top.destroy();
  }

  override _onError(error: Error): void {
    if (this._upgrading) this.station.log.info(`TLS handshake failed from ${this.peer}: ${clean(error.message, 200)}`);
    this.clientEnded();
  }

  override _onClose(): void {
    this.clientEnded();
    this.station.sessions.delete(this);
    super._onClose();
  }

  /** An error of ours that this client brought out must not end the sessions of all others, again and again. */
  failed(error: unknown): void {
    const cause = error instanceof Error ? error.stack : String(error);
    this.station.log.error(`internal error after ${this.where} from ${this.peer}: ${cause}`);
    this.hangUp(`421 4.3.0 ${this.settings.config.myhostname} Error: internal error`);
  }

  clientEnded(): void {
    if (!this.#isOver) this.station.log.info(`lost connection after ${this.where}${this.progress()} from ${this.peer}`);
    this.close();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#deadline = 0;
    if (this.#countedAs !== undefined) this.station.clients.disconnected(this.#countedAs);
    this.station.log.info(`disconnect from ${this.peer}${this.ended()}`);
  }
}
