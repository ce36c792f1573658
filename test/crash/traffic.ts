/**
 * The load of the crash run: SMTP sessions and dropped files, at a steady pace, through every crash. A session whose
 * connection breaks is opened again; what had no 250 by then is not promised, and is never sent again under the same
 * token, so that whatever arrives twice was doubled by the program.
 */
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SmtpClient, SmtpRefusal } from "../harness/smtp-client.ts";
import { pause } from "../harness/until.ts";
import type { Ledger } from "./ledger.ts";
import { makeParcel, type Parcel, rubbish, writtenAs } from "./parcel.ts";
import type { Random } from "../harness/random.ts";

export interface TrafficOptions {
  readonly smtpPort: number;
  readonly dropDirectory?: string; // absent: SMTP only
  readonly ledger: Ledger;
  readonly random: Random;
  readonly sessions: number;
  readonly messagesPerSecond: number; // altogether
}

const DROP_SHARE = 0.1;
const RUBBISH_SHARE = 0.05; // of the dropped files
const MESSAGES_PER_SESSION = 12; // at most; a session ends and begins anew, as clients do

export class Traffic implements AsyncDisposable {
  lastAcknowledged = 0; // ms since 1970
  brokenSessions = 0;
  readonly refusals: Map<string, number> = new Map(); // replies other than 2xx, counted
  readonly #options: TrafficOptions;
  readonly #workers: Promise<void>[];
  readonly #startedAt = performance.now();
  #count = 0;
  #isStopping = false;

  constructor(options: TrafficOptions) {
    this.#options = options;
    this.#workers = Array.from({ length: options.sessions }, () => this.#work());
  }

  /** Ends when every session has its last answer. Rejects if a session failed in a way that is not the program's. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#workers);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #work(): Promise<void> {
    while (!this.#isStopping) {
      const { random } = this.#options;
      if (this.#options.dropDirectory && random.chance(DROP_SHARE)) await this.#drop(await this.#nextParcel());
      else await this.#session(random.between(1, MESSAGES_PER_SESSION));
    }
  }

  async #session(messages: number): Promise<void> {
    let client: SmtpClient | undefined;
    try {
      client = await SmtpClient.connect(this.#options.smtpPort, { timeoutMs: 60_000 });
      await client.hello();
      for (let count = 0; count < messages && !this.#isStopping; count++) await this.#send(client);
      await client.quit();
    } catch (error) {
      if (error instanceof SmtpRefusal) {
        const reply = `${error.reply.code} ${error.reply.text}`.replace(/\b[0-9A-Za-z]{12,}\b/g, "ID").slice(0, 100);
        this.refusals.set(reply, (this.refusals.get(reply) ?? 0) + 1);
      } else this.brokenSessions++;
      await pause(50);
    } finally {
      client?.close();
    }
  }

  async #send(client: SmtpClient): Promise<void> {
    const parcel = await this.#nextParcel();
    const entry = this.#options.ledger.trying(parcel, "smtp");
    const { id } = await client.send({
      from: parcel.sender,
      to: parcel.recipients.map(writtenAs),
      content: parcel.content,
    });
    this.#options.ledger.acknowledged(entry, id);
    this.lastAcknowledged = Date.now();
  }

  async #drop(parcel: Parcel): Promise<void> {
    if (this.#options.ledger.rubbish.size === 0 || this.#options.random.chance(RUBBISH_SHARE)) {
      this.#options.ledger.droppedRubbish(parcel.token);
      this.#place(`${parcel.token}.json`, rubbish(parcel.token));
      return;
    }
    const entry = this.#options.ledger.trying(parcel, "drop");
    const envelope = [
      `X-Sender: ${parcel.sender}`,
      ...parcel.recipients.map((to) => `X-Receiver: ${writtenAs(to)}`),
      "",
    ];
    this.#place(`${parcel.token}.eml`, Buffer.concat([Buffer.from(envelope.join("\r\n")), parcel.content]));
    this.#options.ledger.acknowledged(entry, "");
  }

  /** Written aside and renamed: from the rename on it is the program's to deliver. */
  #place(name: string, content: Buffer): void {
    const directory = this.#options.dropDirectory as string;
    const aside = join(directory, `.${name}`);
    writeFileSync(aside, content);
    renameSync(aside, join(directory, name));
  }

  /** At its moment: the pace is kept over all sessions together, not made up for after a standstill. */
  async #nextParcel(): Promise<Parcel> {
    const number = this.#count++;
    const dueMs = (number * 1000) / this.#options.messagesPerSecond;
    const aheadMs = dueMs - (performance.now() - this.#startedAt);
    if (aheadMs > 0) await pause(aheadMs);
    return makeParcel(this.#options.random, number);
  }
}
