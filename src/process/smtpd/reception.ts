/**
 * One message on its way from DATA into the spool. States:
 *
 *   gathering  its content is in memory            -> committing, at the final dot; streaming, when it is too large
 *   streaming  its content is written as it comes  -> committing, at the final dot
 *   refusing   the rest is read and forgotten      -> the refusal, at the final dot
 *   committing what is left is written and synced  -> the queue id, or a refusal
 *
 * When the client goes before the final dot, nothing is left of it.
 */
import { pause } from "../../base/clock.ts";
import { messageOf, ScesError } from "../../base/errors.ts";
import type { Client, Envelope, EnvelopeDraft, Recipient } from "../../mail/envelope.ts";
import { findField, type Header } from "../../mail/header.ts";
import type { Entry } from "../../spool/intake.ts";
import { Content } from "./content.ts";
import { dress, type Examined, examineHeader, noteHeader } from "./letterhead.ts";
import type { Station } from "./station.ts";

/** What the conversation before DATA has settled. */
export interface Order {
  readonly sender: string;
  readonly recipients: readonly Recipient[];
  readonly client: Client;
  readonly receivedStart: string; // our Received field up to the id
  readonly addsMissing: boolean; // Message-ID and Date, for our own users and hosts (RFC 6409 8)
  readonly hold: string | undefined; // why it goes on hold at once; undefined: it does not
  readonly rewritesHeader: boolean; // addresses in it, see service/canonical.ts
  readonly ret: EnvelopeDraft["ret"] | undefined;
  readonly envid: string | undefined;
  readonly smtputf8: boolean;
  readonly is8bit: boolean;
}

/** `isLogged`: there is a line about the refusal already. */
export type Outcome = { readonly id: string } | { readonly refusal: string; readonly isLogged?: true };

// Many small pieces (a client that sends a byte at a time) cost more than the bytes in them.
const MAX_PIECES = 200;
const EMPTY = Buffer.alloc(0);

export class Reception {
  readonly content = new Content();
  readonly #station: Station;
  readonly #order: Order;
  #refusal = "";
  #isDropped = false;
  #entry: Entry | undefined;
  #envelope: Envelope | undefined;
  #writing: Promise<void> | undefined;

  constructor(station: Station, order: Order) {
    this.#station = station;
    this.#order = order;
  }

  /** It will not be taken, and why has been said. */
  get isRefused(): boolean {
    return this.#refusal !== "";
  }

  /** What comes is forgotten, and the client hears that it was taken. */
  drop(): void {
    this.#isDropped = true;
    this.content.discard();
  }

  /** After each chunk that was fed to `content`. A promise: the client has to wait for it. It never rejects. */
  arrived(): Promise<void> | undefined {
    const { content } = this;
    const { config, memoryLimit } = this.#station.settings;
    if (content.isDiscarding) return undefined;
    if (config.message_size_limit > 0 && content.size > config.message_size_limit) {
      this.#refuse("552 5.3.4 Error: message file too big");
    } else if (content.hasNul) {
      this.#refuse("550 5.6.0 Error: message content contains a NUL character");
    } else if (content.hasBareLf && config.smtpd_forbid_bare_newline === "reject") {
      this.#refuse(`550 5.5.2 ${config.myhostname} Error: bare <LF> received`);
    } else if (content.held > memoryLimit) {
      this.#writing = this.#stream();
      return this.#writing;
    } else if (content.pieces.length > MAX_PIECES) {
      content.pieces = [Buffer.concat(content.pieces)];
    }
    return undefined;
  }

  /** After the final dot. Never rejects. */
  async finish(): Promise<Outcome> {
    const { door } = this.#station;
    const { delayMs } = door.flow;
    if (delayMs > 0) await pause(delayMs);
    if (this.#refusal === "") {
      try {
        if (this.#isDropped) return await this.#pretend();
        if (this.#entry === undefined) await this.#commit();
        else await this.#complete(this.#entry);
      } catch (error) {
        this.fail(error);
      }
    }
    const entry = this.#entry;
    const envelope = this.#envelope;
    if (this.#refusal !== "" || entry === undefined || envelope === undefined) {
      await this.abort();
      return { refusal: this.#refusal };
    }
    this.#entry = undefined;
    door.accepted(envelope, entry.offset, entry.length);
    return { id: entry.id };
  }

  /** Forgets the message: the client is gone, or it is refused. */
  async abort(): Promise<void> {
    this.content.discard();
    await this.#writing; // or the file would be closed under a write
    try {
      this.#entry?.abort();
    } catch (error) {
      this.#station.log.warn(`cannot remove an unfinished message: ${messageOf(error)}`);
    }
    this.#entry = undefined;
  }

  /** An id as any other, of a file that is not kept. */
  async #pretend(): Promise<Outcome> {
    this.#entry ??= this.#station.intake.open();
    const { id } = this.#entry;
    await this.abort();
    return { id };
  }

  /** A message that is in memory as a whole. */
  async #commit(): Promise<void> {
    const pieces = this.content.take();
    let rest = pieces.slice(1);
    let examined = this.#examine(pieces[0] ?? EMPTY, rest.length === 0);
    if (examined === "incomplete") {
      examined = this.#examine(Buffer.concat(pieces), true);
      rest = [];
    }
    if (typeof examined === "string") return this.#refuse(examined);
    this.#entry = this.#station.intake.open();
    const dressed = this.#dress(this.#entry, examined);
    this.#envelope = await this.#entry.commit(
      this.#draft(this.#entry, examined),
      rest.length === 0 ? dressed : [...dressed, ...rest],
    );
  }

  async #stream(): Promise<void> {
    try {
      let pieces = this.content.take();
      if (this.#entry === undefined) {
        const bytes = Buffer.concat(pieces);
        const examined = this.#examine(bytes, false);
        if (examined === "incomplete") return this.content.putBack(bytes);
        if (typeof examined === "string") return this.#refuse(examined);
        this.#entry = this.#station.intake.open();
        this.#envelope = this.#entry.begin(this.#draft(this.#entry, examined));
        pieces = this.#dress(this.#entry, examined);
      }
      for (const piece of pieces) await this.#entry.write(piece);
    } catch (error) {
      this.fail(error);
    }
  }

  /** A message that was streamed. */
  async #complete(entry: Entry): Promise<void> {
    for (const piece of this.content.take()) await entry.write(piece);
    await entry.finish();
  }

  /** As examineHeader, whose addresses are then as they are to be sent. */
  #examine(bytes: Buffer, isWhole: boolean): Examined | string {
    const { config, canonical } = this.#station.settings;
    const examined = examineHeader(bytes, isWhole, config);
    return typeof examined === "string" || !this.#order.rewritesHeader ? examined : canonical.header(examined);
  }

  #draft(entry: Entry, { header }: Examined): EnvelopeDraft {
    const order = this.#order;
    const ownId = this.#ownMessageId(entry, header);
    return this.#station.settings.canonical.envelope({
      sender: order.sender,
      recipients: order.recipients,
      origin: "smtpd",
      client: order.client,
      ...(order.hold === undefined ? {} : { hold: order.hold }),
      ...(order.ret === undefined ? {} : { ret: order.ret }),
      ...(order.envid === undefined ? {} : { envid: order.envid }),
      ...(order.smtputf8 ? { smtputf8: true as const } : {}),
      ...(order.is8bit ? { body: "8BITMIME" as const } : {}),
      ...noteHeader(header),
      ...(ownId === undefined ? {} : { messageId: ownId }),
    });
  }

  /** The Message-ID that we give a message; undefined where it has one, or need not have ours. */
  #ownMessageId({ id }: Entry, header: Header): string | undefined {
    if (!this.#order.addsMissing || findField(header, "message-id") !== undefined) return undefined;
    return `<${id}@${this.#station.settings.config.myhostname}>`;
  }

  #dress(entry: Entry, examined: Examined): Buffer[] {
    const { ownHeader } = this.#station;
    const { recipients, receivedStart, addsMissing } = this.#order;
    const only = recipients.length === 1 ? recipients[0]?.address : undefined;
    const received = ownHeader.received(receivedStart, entry.id, only, entry.arrival);
    let added = "";
    const ownId = this.#ownMessageId(entry, examined.header);
    if (ownId !== undefined) added += `Message-Id: ${ownId}\r\n`;
    if (addsMissing && findField(examined.header, "date") === undefined) added += ownHeader.dateField(entry.arrival);
    return dress(examined, received, added);
  }

  #refuse(reply: string): void {
    this.#refusal = reply;
    this.content.discard();
  }

  /** What the client hears is short and bland; the cause is for the log. */
  fail(error: unknown): void {
    const { log } = this.#station;
    if (error instanceof ScesError) {
      log.warn(`cannot take a message: ${error.message}`);
      const isFull = error.code === "SPOOL_FULL";
      this.#refuse(isFull ? "452 4.3.1 Insufficient system storage" : "451 4.3.0 Error: queue file write error");
    } else {
      // An error of ours that one message brings out must not end the sessions of all others, again and again.
      log.error(`internal error while taking a message: ${error instanceof Error ? error.stack : String(error)}`);
      this.#refuse("451 4.3.0 Error: internal error");
    }
  }
}
