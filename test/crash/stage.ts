/** Where crash points are played: one sces with its destination, its ledger and its faults, told what to do by scenes. */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Instance, Parameters, QueueName } from "../harness/instance.ts";
import { SmtpClient } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";
import type { Faults } from "./faults.ts";
import type { Ledger, LedgerEntry } from "./ledger.ts";
import { ALIASES, makeParcel, type ParcelWish, recognize, rubbish, writtenAs } from "./parcel.ts";
import type { Random } from "../harness/random.ts";
import type { Recorder } from "./recorder.ts";

const PATIENCE_MS = 30_000;

export const STAGE_PARAMETERS: Parameters = {
  ...ALIASES,
  smtp_tls_security_level: "none",
  queue_run_delay: "1s",
  minimal_backoff_time: "1s",
  maximal_backoff_time: "2s",
  smtpd_processes: 1, // all of one door, so that its calls come in one order
  max_idle: 0, // all processes stay, so that each can be killed
  service_start_brake: "10ms",
  drop_scan_interval: "1s",
  drop_stable_time: 0,
  spool_memory_limit: "64k", // longer messages are streamed
  hold_recipient_checks: "hold.test by a rule",
  transport_maps: "inline:{wait.test=hold:}",
  command_timeout: "3s",
  smtpd_client_connection_count_limit: 0,
};

export class Stage {
  readonly sces: Instance;
  readonly recorder: Recorder;
  readonly ledger: Ledger;
  readonly faults: Faults;
  readonly random: Random;
  /** False while all is dead: nobody may conclude anything from an empty spool. */
  isUp = true;
  #count = 0;

  constructor(parts: Pick<Stage, "sces" | "recorder" | "ledger" | "faults" | "random">) {
    this.sces = parts.sces;
    this.recorder = parts.recorder;
    this.ledger = parts.ledger;
    this.faults = parts.faults;
    this.random = parts.random;
  }

  /** Sends one message. Its entry is a promise only if the 250 came. */
  async send(wish: ParcelWish): Promise<LedgerEntry> {
    const [entry] = await this.sendMany(1, { bytes: 2000, ...wish });
    if (entry === undefined) throw new Error("nothing was sent");
    return entry;
  }

  /** Sends messages of different lengths over one connection, until it breaks. */
  async sendMany(count: number, wish: ParcelWish): Promise<LedgerEntry[]> {
    const entries: LedgerEntry[] = [];
    let client: SmtpClient | undefined;
    try {
      while (entries.length < count) {
        const bytes = wish.bytes ?? this.random.between(500, 9000);
        const parcel = makeParcel(this.random, ++this.#count, { ...wish, bytes });
        const entry = this.ledger.trying(parcel, "smtp");
        entries.push(entry);
        client ??= await SmtpClient.connect(this.sces.smtpPort);
        if (entries.length === 1) await client.hello();
        const to = parcel.recipients.map(writtenAs);
        const { id } = await client.send({ from: parcel.sender, to, content: parcel.content });
        this.ledger.acknowledged(entry, id);
      }
    } catch {
      // refused, or the connection is gone: no promise
    } finally {
      client?.close();
    }
    return entries;
  }

  drop(wish: ParcelWish): LedgerEntry {
    const parcel = makeParcel(this.random, ++this.#count, { bytes: 2000, ...wish });
    const entry = this.ledger.trying(parcel, "drop");
    const fields = [`X-Sender: ${parcel.sender}`, ...parcel.recipients.map((to) => `X-Receiver: ${writtenAs(to)}`), ""];
    this.#place(`${parcel.token}.eml`, Buffer.concat([Buffer.from(fields.join("\r\n")), parcel.content]));
    this.ledger.acknowledged(entry, "");
    return entry;
  }

  dropRubbish(): string {
    const { token } = makeParcel(this.random, ++this.#count);
    this.ledger.droppedRubbish(token);
    this.#place(`${token}.json`, rubbish(token));
    return token;
  }

  /** A command, again and again until it is carried out: whoever has to may be dead at the moment. */
  async command(...args: string[]): Promise<void> {
    await this.until(args.join(" "), async () => (await this.sces.run("queue", ...args)).code === 0);
  }

  /** Whether a queue holds the message, or anything with that id. */
  holds(queue: QueueName, { id = "" }: LedgerEntry): boolean {
    return this.sces.queue(queue).some((name) => name === id || name.startsWith(`${id}.`));
  }

  /** Flips bits of one byte of a queue file, behind the text; the same again mends it. */
  flip(queue: QueueName, { id = "" }: LedgerEntry, text: string): void {
    const path = join(this.sces.spool, queue, id);
    const at = readFileSync(path).indexOf(text) + text.length;
    const fd = openSync(path, "r+");
    writeSync(fd, Buffer.from([(readFileSync(path)[at] ?? 0) ^ 1]), 0, 1, at);
    closeSync(fd);
  }

  /** As until(), but true only while the system is up. */
  until(what: string, probe: () => boolean | Promise<boolean>): Promise<boolean> {
    return until(what, async () => this.isUp && (await probe()) && this.isUp, PATIENCE_MS);
  }

  /** Every recipient was delivered to, or returned, as its treatment wants. */
  isHome({ token, recipients }: LedgerEntry): boolean {
    const { deliveries, returns } = this.recorder;
    const seen = new Set(deliveries.flatMap((one) => (one.token === token ? [one.recipient] : [])));
    for (const one of returns) if (one.token === token) for (const recipient of one.recipients) seen.add(recipient);
    return recipients.every((recipient) => seen.has(recipient));
  }

  /** Whether any file of the spool, quarantine aside, carries the message. */
  isQueued({ token }: LedgerEntry): boolean {
    const queues = ["incoming", "active", "deferred", "hold", "bounce", "drop"] as const;
    return queues.some((queue) =>
      this.sces.names(queue).some((name) => {
        try {
          return recognize(readFileSync(join(this.sces.spool, queue, name)))?.token === token;
        } catch {
          return false; // a directory, or gone meanwhile
        }
      }),
    );
  }

  /** Durable, since it is promised from then on. */
  #place(name: string, content: Buffer): void {
    const directory = join(this.sces.spool, "drop");
    writeFileSync(join(directory, `.${name}`), content, { flush: true });
    renameSync(join(directory, `.${name}`), join(directory, name));
    const fd = openSync(directory, "r");
    fsyncSync(fd);
    closeSync(fd);
  }
}
