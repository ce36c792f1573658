/**
 * The conversation on one connection: takes command lines apart, counts commands and errors, and carries a message
 * from its 354 to its 250. What each command does is in verbs.ts, the connection itself in connection.ts.
 */
import { softReply } from "../../mail/soft-bounce.ts";
import type { Answering } from "./answers.ts";
import { takeAuthLine } from "./auth-command.ts";
import { Connection } from "./connection.ts";
import { type Origin, originOf } from "./origin.ts";
import { type Outcome, Reception } from "./reception.ts";
import type { SaslExchange } from "./sasl.ts";
import { subjectOf } from "./restrict/ask.ts";
import { type Carried, decideClient, decideEnd } from "./restrict/decisions.ts";
import { type CommandName, Tally } from "./tally.ts";
import type { Transaction } from "./transaction.ts";
import { findVerb, UNKNOWN, type Verb } from "./verbs.ts";
import { HOLD_PAUSE, HOLD_WORK } from "./wire.ts";

// biome-ignore lint/suspicious/noControlCharactersInRegex: no command has them
const CONTROL = /[\u0000-\u001f\u007f]/;
const NOT_ASCII = /[\u0080-\u00ff]/;
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Repeated without end they would cost us and never be an error (Postfix's junk commands). */
const JUNK: ReadonlySet<CommandName> = new Set(["helo", "ehlo", "rset", "noop", "vrfy", "etrn", "help"]);

export class Session extends Connection implements Answering {
  helo = ""; // as said with HELO or EHLO, made harmless; "" before
  isEsmtp = false; // said EHLO
  user = ""; // who has logged in
  saslMethod = "";
  authFailures = 0;
  exchange: SaslExchange | undefined; // in the middle of AUTH
  transaction: Transaction | undefined; // since MAIL
  isAhead = false; // it has sent more behind the current command than it may
  readonly carried: Carried = {}; // from one command's restrictions to the next
  #isDenied = false; // was refused before its first command
  #reception: Reception | undefined; // since DATA
  #isCommitting = false; // the final dot is there: the message may become ours whatever the client does
  #command: CommandName = "unknown"; // that is worked on
  readonly #tally = new Tally();
  #errors = 0;
  #junk = 0;
  #isExcused = false; // the refusal that comes is no error
  #lastWords = ""; // the reply with which this command ends the connection
  #trace: Origin | undefined;

  // ---- Commands

  takeLine(latin1: string, isBare: boolean, isAhead: boolean): void {
    if (isBare && !this.#takesBareLine()) return;
    const decoded = NOT_ASCII.test(latin1) ? decodeUtf8(latin1) : latin1;
    if (this.exchange !== undefined) {
      this.isRefused = false;
      this.#answer(takeAuthLine(this, decoded ?? ""));
      if (!this.#isWorking) this.#settle();
      return;
    }
    const { config } = this.settings;
    const text = (decoded ?? latin1).trim();
    const blank = text.indexOf(" ");
    const verb = findVerb(blank < 0 ? text : text.slice(0, blank));
    this.#begin(verb);
    if (text.length > config.line_length_limit && verb.name !== "auth") {
      this.reply(`500 5.5.2 ${config.myhostname} Error: command too long`);
    } else if (decoded === undefined || CONTROL.test(text)) {
      this.reply(verb.syntaxReply ?? `500 5.5.2 Error: bad ${decoded === undefined ? "UTF-8 " : ""}syntax`);
    } else if (this.settings.requiresTls && !this.secure && !verb.isBeforeTls) {
      this.reply("530 5.7.0 Must issue a STARTTLS command first");
    } else if (this.#isDenied && verb.name !== "quit") {
      this.reply(`503 5.7.0 Error: access denied for ${this.peer}`); // RFC 5321 3.1
    } else if (isAhead && this.#isAheadOfTurn(verb)) {
      return;
    } else {
      this.#answer(verb.run(this, blank < 0 ? "" : text.slice(blank + 1).trimStart(), text));
      if (this.#isWorking || this._upgrading) return;
    }
    this.#settle();
  }

  takeLongLine(): void {
    this.#begin(UNKNOWN);
    if (this.exchange === undefined) this.reply(`500 5.5.2 ${this.settings.config.myhostname} Error: command too long`);
    else this.reply("500 5.5.6 SASL response limit exceeded");
    this.exchange = undefined;
    this.#settle();
  }

  /** A line that ends with LF alone is none (RFC 5321 2.3.8), unless the administrator says otherwise. */
  #takesBareLine(): boolean {
    const { config } = this.settings;
    if (config.smtpd_forbid_bare_newline === "no") return true;
    this.#begin(UNKNOWN);
    this.exchange = undefined;
    if (config.smtpd_forbid_bare_newline === "normalize") this.reply("500 5.5.2 Error: bare <LF> received");
    else this.endWith(`550 5.5.2 ${config.myhostname} Error: bare <LF> received`);
    this.#settle();
    return false;
  }

  /** RFC 2920 3.1: behind some commands nothing may be sent before their reply has come. */
  #isAheadOfTurn(verb: Verb): boolean {
    this.isAhead = !this.isEsmtp || verb.endsGroup === true;
    if (!this.settings.config.smtpd_forbid_unauth_pipelining || !this.isAhead) return false;
    if (verb.name === "quit" || verb.name === "unknown") return false;
    this.station.log.info(`improper command pipelining after ${this.where} from ${this.peer}`);
    this.#tally.count(verb.name, false);
    this.hangUp("554 5.5.0 Error: SMTP protocol synchronization");
    return true;
  }

  #begin(verb: Verb): void {
    this.#command = verb.name;
    this.where = verb.name.toUpperCase();
    this.isRefused = false;
    this.isAhead = false;
  }

  /** The command ends the connection, with this reply. */
  endWith(reply: string): void {
    this.#lastWords = reply;
    if (reply >= "4") this.isRefused = true;
  }

  /** The command goes on after this turn of the loop; `endWork` when it is done. */
  beginWork(): void {
    this.setDeadline(0);
    this.wire?.hold(HOLD_WORK);
  }

  /** The reply to the command comes from `work`. */
  later(work: Promise<string | undefined>): undefined {
    this.beginWork();
    work.then(
      (reply) => {
        if (reply !== undefined && isLastWord(reply)) this.endWith(reply);
        else this.#answer(reply);
        this.endWork();
      },
      (error) => this.failed(error),
    );
  }

  endWork(): void {
    this.#settle();
    this.wire?.release(HOLD_WORK);
  }

  get #isWorking(): boolean {
    return this.wire?.isHeld(HOLD_WORK) === true;
  }

  /** A command has done what it does for now. If it is over, it is counted, and errors have their consequences. */
  #settle(): void {
    if (this.isGone) return;
    this.setDeadline(this.timeoutMs);
    if (this.exchange !== undefined || this.#reception !== undefined) return;
    const { config } = this.settings;
    const hadErrors = this.#errors;
    this.#tally.count(this.#command, !this.isRefused);
    if (this.isRefused) this.#errors++;
    if (JUNK.has(this.#command) && ++this.#junk > config.smtpd_junk_command_limit) this.#errors++;
    const pauseMs = hadErrors >= config.smtpd_soft_error_limit ? config.smtpd_error_sleep_time : 0;
    if (pauseMs === 0) this.#conclude();
    else this.#concludeAfter(pauseMs);
  }

  #concludeAfter(pauseMs: number): void {
    this.setDeadline(0);
    this.wire?.hold(HOLD_PAUSE);
    setTimeout(() => {
      if (this.isGone) return;
      this.setDeadline(this.timeoutMs);
      this.#conclude();
      this.wire?.release(HOLD_PAUSE);
    }, pauseMs);
  }

  #conclude(): void {
    const { config } = this.settings;
    if (this.#lastWords !== "") this.hangUp(this.#lastWords);
    else if (this.#errors >= config.smtpd_hard_error_limit) {
      this.hangUp(`421 4.7.0 ${config.myhostname} Error: too many errors`, "too many errors");
    } else if (this.station.load.isStopping && !this.isBusy) this.hangUp(this.stoppingReply);
  }

  #answer(reply: string | undefined): void {
    if (reply === undefined) return;
    const isExcused = this.#isExcused;
    this.#isExcused = false;
    this.reply(reply);
    if (isExcused) this.isRefused = false;
  }

  /** The line about a refusal or another decision, ahead of its reply. `what`: "reject". */
  note(what: string, where: string, text: string, recipient?: string): void {
    const said = this.settings.config.soft_bounce ? softReply(text) : text;
    this.logFirst(`NOQUEUE: ${what}: ${where} from ${this.peer}: ${said};${this.#context(recipient)}`);
  }

  #context(recipient?: string): string {
    const sender = this.transaction === undefined ? "" : ` from=<${this.transaction.sender}>`;
    const to = recipient === undefined ? "" : ` to=<${recipient}>`;
    const helo = this.helo === "" ? "" : ` helo=<${this.helo}>`;
    const user = this.user === "" ? "" : ` sasl_method=${this.saslMethod} sasl_username=${this.user}`;
    return `${sender}${to} proto=${this.isEsmtp ? "ESMTP" : "SMTP"}${helo}${user}`;
  }

  /** Called by smtp-server when TLS is there: what was said in the clear is forgotten (RFC 3207 4.2). */
  override _resetSession(): void {
    this.introduce("", false);
    this.loggedIn("", "");
    // For smtp-server's own code, which looks into it.
    this.session.envelope = { mailFrom: false, rcptTo: [] };
  }

  /** HELO or EHLO: the transaction is over (RFC 5321 4.1.4). */
  introduce(helo: string, isEsmtp: boolean): void {
    // It goes into logs and Received fields; Postfix replaces the same characters.
    this.helo = helo.slice(0, 255).replace(/[^!-~]|[<>()\\";@]/g, "?");
    this.isEsmtp = isEsmtp;
    this.exchange = undefined;
    this.transaction = undefined;
    this.#trace = undefined;
  }

  loggedIn(user: string, method: string): void {
    this.user = user;
    this.saslMethod = method;
    this.#trace = undefined;
  }

  /** STARTTLS is answered. */
  handshake(): void {
    this.#tally.count("starttls", true);
    this.startTls();
  }

  /** The refusal that comes is no error of the client. */
  excuse(): void {
    this.#isExcused = true;
  }

  get isBusy(): boolean {
    return this.transaction !== undefined;
  }

  get isCommitting(): boolean {
    return this.#isCommitting;
  }

  // ---- The message

  /** DATA was answered with 354. */
  receive(transaction: Transaction): void {
    const { request, recipients } = transaction;
    const { client, receivedStart } = this.#traceFor(request.smtputf8);
    const { effects } = transaction;
    this.#reception = new Reception(this.station, {
      sender: transaction.sender,
      recipients: effects?.recipients(recipients) ?? recipients,
      client,
      receivedStart: `${effects?.header ?? ""}${receivedStart}`,
      hold: effects?.hold,
      addsMissing: this.mayRelay,
      rewritesHeader: this.settings.rewritesHeaderOf(this),
      ret: request.ret,
      envid: request.envid,
      smtputf8: request.smtputf8,
      is8bit: request.is8bit,
    });
    if (effects?.isDiscarded) this.#reception.drop();
    this.wire?.startContent(this.#reception.content);
  }

  /** One of our own: a trusted host, or a user that has logged in. */
  get mayRelay(): boolean {
    return this.isTrusted || this.user !== "";
  }

  takeContent(bytes: number, isEnd: boolean): void {
    const reception = this.#reception;
    if (reception === undefined) throw new Error("content without DATA");
    const { config } = this.settings;
    const waiting = reception.arrived();
    if (isEnd) {
      this.beginWork();
      this.#isCommitting = true;
      this.station.load.committing++;
      void this.#finish(reception, waiting); // never rejects
      return;
    }
    if (config.smtpd_min_data_rate > 0) this.extendDeadline((bytes / config.smtpd_min_data_rate) * 1000);
    if (waiting !== undefined) void this.#waitFor(waiting);
  }

  /** The disk is slower than the client: that costs the client no time. */
  async #waitFor(writing: Promise<void>): Promise<void> {
    this.beginWork();
    await writing;
    if (this.isGone) return;
    this.setDeadline(this.timeoutMs);
    this.wire?.release(HOLD_WORK);
  }

  async #finish(reception: Reception, waiting: Promise<void> | undefined): Promise<void> {
    await waiting;
    const closes = this.settings.config.smtpd_forbid_bare_newline === "reject" && reception.content.hasBareLf;
    const outcome = await this.#judgeEnd(reception);
    this.station.load.committing--;
    this.#isCommitting = false;
    this.#reception = undefined;
    this.where = "END-OF-MESSAGE";
    this.#report(outcome, closes);
    this.transaction = undefined;
    this.station.answers.add(this);
  }

  /** Never rejects. */
  async #judgeEnd(reception: Reception): Promise<Outcome> {
    const { rules } = this.settings;
    if (rules.config.smtpd_end_of_data_restrictions.length === 0 || reception.isRefused) return reception.finish();
    try {
      const refusal = await decideEnd(rules, subjectOf(this, "END-OF-MESSAGE"));
      if (refusal === undefined) {
        if (this.transaction?.effects?.isDiscarded) reception.drop();
        return reception.finish();
      }
      await reception.abort();
      return { refusal, isLogged: true };
    } catch (error) {
      reception.fail(error);
      return reception.finish();
    }
  }

  #report(outcome: Outcome, closes: boolean): void {
    if ("id" in outcome) {
      const sasl = this.user === "" ? "" : `, sasl_method=${this.saslMethod}, sasl_username=${this.user}`;
      this.station.log.info(`${outcome.id}: client=${this.peer}${sasl}`);
      this.reply(`250 2.0.0 Ok: queued as ${outcome.id}`);
      this.#errors = 0;
      this.#junk = 0;
      return;
    }
    if (outcome.isLogged !== true) {
      this.note("reject", "END-OF-MESSAGE", outcome.refusal, this.transaction?.recipients[0]?.address);
    }
    if (closes || isLastWord(outcome.refusal)) this.endWith(outcome.refusal);
    else this.reply(outcome.refusal);
  }

  answer(): void {
    this.endWork();
  }

  #traceFor(smtputf8: boolean): Origin {
    if (this.#trace?.smtputf8 !== smtputf8) this.#trace = originOf(this, smtputf8);
    return this.#trace;
  }

  // ---- For connection.ts

  protected override progress(): string {
    return this.#reception === undefined || this.#isCommitting ? "" : ` (${this.#reception.content.size} bytes)`;
  }

  override judgeClient(): Promise<string | undefined> | undefined {
    const { config, rules } = this.settings;
    if (config.smtpd_delay_reject || config.smtpd_client_restrictions.length === 0) return undefined;
    return decideClient(rules, subjectOf(this, "CONNECT"), this.carried).then((refusal) => {
      this.#isDenied = refusal !== undefined;
      return refusal;
    });
  }

  protected override ended(): string {
    if (!this.#isCommitting) void this.#reception?.abort(); // never rejects
    return this.#tally.toString();
  }
}

/** 421 and 521 promise that the connection ends (RFC 5321 3.8, RFC 7504 3). */
function isLastWord(reply: string): boolean {
  return /^[45]21 /.test(reply);
}

function decodeUtf8(latin1: string): string | undefined {
  try {
    return strictUtf8.decode(Buffer.from(latin1, "latin1"));
  } catch {
    return undefined;
  }
}
