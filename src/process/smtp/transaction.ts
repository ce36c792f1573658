/**
 * One message over one open session: MAIL, RCPT for each recipient, DATA, the content, and what the server says to
 * each. With PIPELINING (RFC 2920) all commands up to DATA go out in one piece, a RSET that is owed in front of them;
 * without it, one after the other. States as in Stage: mail, rcpt, data, body, dot.
 *
 * A recipient's verdict is the first thing that decides on it: its own reply, or what ends the transaction. One that
 * has none in the end was not touched (the connection was found dead, or the delivery was given up). With LMTP (RFC 2033)
 * each accepted recipient gets its own reply to the final dot; that is all that differs here.
 */
import { ScesError } from "../../base/errors.ts";
import type { DeliverRecipient } from "../../ipc/messages.ts";
import { DotStuffer, hasOnlyCrlf, plainEnd } from "./dot-stuffing.ts";
import { type Mail, mailCommand, rcptCommand, unsendable } from "./envelope-commands.ts";
import { explained } from "./login-words.ts";
import type { Session } from "./session.ts";
import { forNow, isConnectionFull } from "./too-many.ts";
import type { Awaited, Reply } from "./wire.ts";
import { accepted, ownVerdict, refused, type Stage, type Trouble, troubled, type Verdict } from "./verdict.ts";

/** Of a large message, read and sent at a time. */
const STREAM_BYTES = 128 * 1024;

/** All in ms. */
export interface TransactionTimeouts {
  readonly mail: number;
  readonly rcpt: number;
  readonly dataInit: number;
  readonly dataXfer: number; // for each block
  readonly dataDone: number;
  readonly rset: number;
}

export interface Outcome {
  readonly verdicts: readonly (Verdict | undefined)[]; // as the recipients; undefined: not touched
  readonly use: number; // how many messages the connection had carried, with this one
  readonly isStale: boolean; // the connection was dead before the message was given: it costs no attempt
  readonly damaged?: string; // the queue file: why it cannot be sent
}

export interface TransactionOptions {
  readonly timeouts: TransactionTimeouts;
  readonly chunkLimit: number; // bytes; larger messages go by DATA
  readonly signal: AbortSignal;
  pastFinalDot(): void; // called before the lone dot goes out
  /** Called as soon as the session is free for the next message, or over. */
  done(verdicts: Outcome["verdicts"]): void;
}

/** Never rejects. Afterwards the session is usable, or over. */
export function transact(session: Session, mail: Mail, options: TransactionOptions): Promise<Outcome> {
  return new Promise((resolve) => new Transaction(session, mail, options, resolve).begin());
}

class Transaction {
  readonly #session: Session;
  readonly #mail: Mail;
  readonly #options: TransactionOptions;
  readonly #resolve: (outcome: Outcome) => void;
  readonly #verdicts: (Verdict | undefined)[];
  readonly #sent: number[] = []; // positions of the recipients that are named to the server
  readonly #use: number;
  readonly #accepted: number[] = []; // positions of the recipients that the server takes
  #answered = 0; // of these, how many have their own reply to the final dot
  #senderRefused = false;
  #pastFinalDot = false;
  #isOver = false;
  #damaged: string | undefined;
  #streaming: Promise<void> | undefined; // reads the queue file
  readonly #abort = () => {
    if (this.#pastFinalDot) return;
    this.#session.destroy();
    this.#finish();
  };

  constructor(session: Session, mail: Mail, options: TransactionOptions, resolve: (outcome: Outcome) => void) {
    this.#session = session;
    this.#mail = mail;
    this.#options = options;
    this.#resolve = resolve;
    this.#verdicts = mail.recipients.map(() => undefined);
    this.#use = session.uses + 1;
  }

  begin(): void {
    const session = this.#session;
    if (this.#options.signal.aborted) {
      this.#finish();
      return;
    }
    this.#mail.recipients.forEach((recipient, position) => {
      const why = unsendable(this.#mail, recipient, session);
      if (why === undefined) this.#sent.push(position);
      else this.#verdicts[position] = why;
    });
    if (this.#sent.length === 0) {
      this.#finish();
      return;
    }
    this.#options.signal.addEventListener("abort", this.#abort, { once: true });
    session.onTrouble = (trouble, stage) => this.#onTrouble(trouble, stage);
    session.uses = this.#use;
    const mailLine = mailCommand(this.#mail, session.features);
    if (session.features.pipelining) this.#pipeline(mailLine);
    else this.#stepByStep(mailLine);
  }

  #pipeline(mailLine: string): void {
    const session = this.#session;
    const { timeouts } = this.#options;
    let batch = "";
    if (session.needsReset) {
      batch = "RSET\r\n";
      session.expect("rset", timeouts.rset, (reply) => this.#onReset(reply));
    }
    batch += mailLine;
    session.needsReset = true;
    session.expect("mail", timeouts.mail, (reply) => this.#onMail(reply));
    for (const position of this.#sent) {
      batch += rcptCommand(this.#recipient(position), session.features);
      session.expect("rcpt", timeouts.rcpt, (reply) => this.#onRcpt(position, reply));
    }
    const chunk = this.#chunk();
    if (chunk === undefined) {
      session.expect("data", timeouts.dataInit, (reply) => this.#onData(reply));
      session.put(`${batch}DATA\r\n`);
      return;
    }
    session.expect("dot", timeouts.dataDone, (reply) => this.#onDot(reply));
    this.#passFinalDot();
    session.putChunk(`${batch}BDAT ${chunk.length} LAST\r\n`, chunk);
  }

  /**
   * With CHUNKING (RFC 3030) a small message goes along with its recipients, before they are answered. Not on a used
   * connection: if that turns out dead, nobody could tell whether the message has arrived.
   */
  #chunk(): Buffer | undefined {
    const { bytes } = this.#mail.content;
    if (!this.#session.features.chunking || this.#use > 1 || bytes === undefined) return undefined;
    return bytes.length <= this.#options.chunkLimit && hasOnlyCrlf(bytes) ? bytes : undefined;
  }

  #stepByStep(mailLine: string): void {
    const session = this.#session;
    const { timeouts } = this.#options;
    const remaining = this.#sent.values();
    const nextRecipient = (): void => {
      const next = remaining.next();
      if (!next.done) {
        session.expect("rcpt", timeouts.rcpt, (reply) => {
          this.#onRcpt(next.value, reply);
          if (!this.#isOver) nextRecipient();
        });
        session.put(rcptCommand(this.#recipient(next.value), session.features));
      } else if (this.#accepted.length === 0) this.#finish();
      else {
        session.expect("data", timeouts.dataInit, (reply) => this.#onData(reply));
        session.put("DATA\r\n");
      }
    };
    const mail = (): void => {
      session.expect("mail", timeouts.mail, (reply) => {
        this.#onMail(reply);
        if (this.#isOver) return;
        if (this.#senderRefused) this.#finish();
        else nextRecipient();
      });
      session.put(mailLine);
    };
    if (!session.needsReset) {
      session.needsReset = true;
      mail();
      return;
    }
    session.expect("rset", timeouts.rset, (reply) => {
      this.#onReset(reply);
      if (!this.#isOver) mail();
    });
    session.put("RSET\r\n");
  }

  #recipient(position: number): DeliverRecipient {
    const recipient = this.#mail.recipients[position];
    if (recipient === undefined) throw new Error(`no recipient ${position}`);
    return recipient;
  }

  /** What it says does not matter, unless it is the end: MAIL is answered next. */
  #onReset(reply: Reply): void {
    if (reply.code === 421) this.#closing(reply, "rset");
  }

  #onMail(reply: Reply): void {
    if (reply.code === 421 || (this.#use > 1 && isConnectionFull(reply.text))) {
      this.#closing(reply, "mail");
      return;
    }
    if (isPositive(reply)) return;
    this.#senderRefused = true;
    this.#decideAll(explained(refused(this.#session.peer, reply.text, "mail")));
  }

  #onRcpt(position: number, reply: Reply): void {
    if (reply.code === 421) {
      this.#closing(reply, "rcpt");
      return;
    }
    if (this.#senderRefused) return;
    if (isPositive(reply)) this.#accepted.push(position);
    else this.#verdicts[position] ??= explained(forNow(refused(this.#session.peer, reply.text, "rcpt")));
  }

  #onData(reply: Reply): void {
    if (reply.code === 421) {
      this.#closing(reply, "data");
      return;
    }
    // An answer to the message that came before the message would be taken for its acceptance.
    const goesAhead = reply.code >= 300 && reply.code <= 399 && !this.#session.hasSpokenAhead;
    if (goesAhead && this.#senderRefused) {
      // A server that wants a message from a sender whom it refused has lost its way.
      this.#session.destroy();
      this.#finish();
      return;
    }
    if (goesAhead && this.#accepted.length === 0) {
      this.#sendNothing();
      return;
    }
    if (goesAhead) {
      this.#sendContent();
      return;
    }
    if (this.#accepted.length > 0) this.#decideAll(refused(this.#session.peer, reply.text, "data"));
    // 2xx: it may be waiting for the message, or for a command.
    if (reply.code < 400) this.#session.destroy();
    this.#finish();
  }

  /** DATA went out with the recipients and all of them were refused: RFC 2920 3.1 has us send a lone dot. */
  #sendNothing(): void {
    this.#session.expect("rset", this.#options.timeouts.dataDone, () => this.#finish());
    this.#session.put(".\r\n");
  }

  #sendContent(): void {
    const session = this.#session;
    const { timeouts } = this.#options;
    const { bytes } = this.#mail.content;
    const end = bytes === undefined ? undefined : plainEnd(bytes);
    if (bytes !== undefined && end !== undefined) {
      session.expect("dot", timeouts.dataDone, (reply) => this.#onDot(reply));
      this.#expectFurtherAnswers();
      this.#passFinalDot();
      session.putTogether(bytes, end);
      return;
    }
    const awaited = session.expect("body", timeouts.dataXfer, (reply) => this.#onDot(reply));
    this.#expectFurtherAnswers();
    this.#streaming = this.#stream(awaited).then(
      () => {
        this.#streaming = undefined;
      },
      (error: unknown) => {
        this.#streaming = undefined;
        this.#onUnreadable(error);
      },
    );
  }

  /** Announced at once: they may come in one piece. */
  #expectFurtherAnswers(): void {
    if (!this.#session.isLmtp) return;
    for (let count = 1; count < this.#accepted.length; count += 1) {
      this.#session.expect("dot", this.#options.timeouts.dataDone, (reply) => this.#onDot(reply));
    }
  }

  /** Before the final dot: whatever is on the wire, it is no message. */
  #onUnreadable(error: unknown): void {
    const session = this.#session;
    session.destroy();
    if (!(error instanceof ScesError)) throw error;
    if (error.code === "FILE_DAMAGED" || error.code === "FILE_GONE") this.#damaged = error.message;
    else {
      const text = `local data error while talking to ${session.peer}`;
      this.#decideAll(ownVerdict("deferred", "nodata", "4.3.0", text, "body"));
    }
    this.#finish();
  }

  /** Flat in memory: the next block is read when the system has taken the one before. */
  async #stream(awaited: Awaited): Promise<void> {
    const session = this.#session;
    const { timeouts } = this.#options;
    const stuffer = new DotStuffer();
    const chunks = this.#mail.content.chunks(STREAM_BYTES, true);
    let taken = Promise.resolve();
    for await (const chunk of chunks) {
      if (this.#isOver) return;
      await taken;
      taken = session.handOver(stuffer.push(chunk));
      session.prolong(awaited, "body", timeouts.dataXfer);
    }
    if (this.#isOver) return;
    session.prolong(awaited, "dot", timeouts.dataDone);
    this.#passFinalDot();
    session.put(stuffer.end().toString("latin1"));
  }

  #passFinalDot(): void {
    this.#pastFinalDot = true;
    this.#options.pastFinalDot();
  }

  #onDot(reply: Reply): void {
    const { peer } = this.#session;
    if (!this.#pastFinalDot) {
      // It could not wait to say no. To say yes to half a message would be nonsense.
      this.#decideAll(refused(peer, reply.text, "body"));
      this.#session.destroy();
      this.#finish();
      return;
    }
    if (isPositive(reply)) this.#session.needsReset = false;
    const verdict = isPositive(reply) ? accepted(reply.text) : refused(peer, reply.text, "dot");
    // Goodbye, or neither yes nor no: nothing is to come that makes sense.
    const isEnd = reply.code === 421 || (reply.code < 400 && !isPositive(reply));
    if (isEnd) this.#session.destroy();
    if (isEnd || !this.#session.isLmtp) this.#decideAll(verdict);
    else if (!this.#isLastAnswer(verdict)) return;
    this.#finish();
  }

  /** LMTP, RFC 2033 4.2: there is a reply for each accepted recipient, in the order of their RCPT. */
  #isLastAnswer(verdict: Verdict): boolean {
    const position = this.#accepted[this.#answered++];
    if (position !== undefined) this.#verdicts[position] = verdict;
    return this.#answered >= this.#accepted.length;
  }

  /** RFC 5321 3.8: the server is going. Right at the start of a message it was only tired of waiting for one. */
  #closing(reply: Reply, stage: Stage): void {
    this.#session.destroy();
    if (this.#use > 1 && (stage === "mail" || stage === "rset")) {
      this.#finish(true);
      return;
    }
    this.#decideAll(refused(this.#session.peer, reply.text, stage));
    this.#finish();
  }

  /**
   * A connection used before that is lost while no byte of the message is on it: others may do better. So may they for
   * one that is silent, or says anything but a reply, at the first command: it was dead or confused already.
   */
  #onTrouble(trouble: Trouble, stage: Stage): void {
    // With a chunk everything has gone out, whatever reply comes next.
    const at = this.#pastFinalDot ? "dot" : stage;
    const isFirst = at === "rset" || at === "mail";
    const isBeforeContent = isFirst || at === "rcpt" || at === "data";
    if (this.#use > 1 && (isFirst || (trouble.type === "lost" && isBeforeContent))) {
      this.#finish(true);
      return;
    }
    this.#decideAll(troubled(this.#session.peer, this.#session.remote.port, trouble, at));
    this.#finish();
  }

  #decideAll(verdict: Verdict): void {
    for (const position of this.#sent) this.#verdicts[position] ??= verdict;
  }

  #finish(isStale = false): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#session.onTrouble = undefined;
    this.#options.signal.removeEventListener("abort", this.#abort);
    // RFC 3030 4.2: behind a chunk that was refused there must be one.
    if (this.#senderRefused && !this.#pastFinalDot) this.#session.needsReset = false;
    this.#options.done(this.#verdicts);
    const outcome = {
      verdicts: this.#verdicts,
      use: this.#use,
      isStale,
      ...(this.#damaged === undefined ? {} : { damaged: this.#damaged }),
    };
    // The file is not closed under a read.
    if (this.#streaming === undefined) this.#resolve(outcome);
    else void this.#streaming.then(() => this.#resolve(outcome));
  }
}

function isPositive(reply: Reply): boolean {
  return reply.code >= 200 && reply.code <= 299;
}
