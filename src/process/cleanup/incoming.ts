/**
 * The owner of incoming/. A message there is in one of these states:
 *
 *   hinted    a door has just told of it                      -> admitted at once if there is room, else waiting
 *   waiting   in the backlog, or only on disk if that is full -> admitted, held, or changed by an order
 *   rewriting what aliases make of it is being written -> admitted, as qmgr reads it from the file
 *   stuck     an alias table is unreadable or absurd   -> as waiting, when that is mended
 *   unknown   on disk, no hint came (crash, lost hint)        -> waiting, by the next scan
 */
import { lstatSync } from "node:fs";
import { messageOf, ScesError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { clean } from "../../base/text.ts";
import type { Config } from "../../config/config.ts";
import { Tables } from "../../config/tables.ts";
import type { Admission, Verb } from "../../ipc/messages.ts";
import type { Envelope } from "../../mail/envelope.ts";
import type { JournalRecord } from "../../mail/journal.ts";
import { deliveryLine } from "../../mail/log-line.ts";
import { rewrite, withRewritten } from "../../mail/rewritten.ts";
import { Aliases } from "../../service/aliases.ts";
import type { Room } from "../../service/feeder.ts";
import { setApartSoon } from "../../service/set-apart.ts";
import { readMessage } from "../../spool/file.ts";
import { foreignInIncoming, moveToDrop } from "../../spool/foreign.ts";
import { appendIfThere, appendSynced } from "../../spool/journal.ts";
import { moveMessage, removeMessage } from "../../spool/moves.ts";
import { queuePath } from "../../spool/queues.ts";
import { Scan } from "../../spool/scan.ts";
import { sweepTemps } from "../../spool/temp.ts";
import { Backlog, type Waiting } from "./backlog.ts";
import { matchHoldRules } from "./hold-rules.ts";
import { Stuck } from "./stuck.ts";

/** So many waiting messages are remembered; more are found again on disk. */
export const BACKLOG_LIMIT = 10_000;
/** More than this many in one turn would keep new hints waiting. */
const TURN = 200;

const NONE: readonly JournalRecord[] = [];

/** A message as its door or its file has it. */
interface Known {
  readonly envelope: Envelope;
  readonly offset: number;
  readonly length: number;
  readonly records: readonly JournalRecord[];
  readonly isNew: boolean; // no journal yet, not even one that cannot be read
}

export class Incoming {
  readonly #log: Log;
  readonly #wake: (process: string) => void;
  readonly #backlog = new Backlog(BACKLOG_LIMIT);
  readonly #tables: Tables;
  readonly #stuck: Stuck;
  #aliases: Aliases;
  #config: Config;
  #room: Room = { room: 0, admitted() {} };
  #scan: Scan | undefined;
  readonly #rewriting = new Set<string>(); // their aliases are being written down
  #again = false; // asked for while a scan was under way
  #pumping = false;

  constructor(config: Config, log: Log, wake: (process: string) => void) {
    this.#config = config;
    this.#log = log;
    this.#wake = wake;
    this.#tables = new Tables({ warn: (text) => log.warn(text) });
    this.#aliases = new Aliases(config, this.#tables);
    this.#stuck = new Stuck(log, { retry: (id) => this.#tryAgain(id), onMended: () => this.rescan() });
  }

  set room(room: Room) {
    this.#room = room;
  }

  set config(config: Config) {
    this.#config = config;
    this.#aliases = new Aliases(config, this.#tables);
  }

  /** How many messages wait, as far as is known here. */
  get waiting(): number {
    return this.#backlog.size;
  }

  /** How many more may be brought to active/: those on their way have their place. */
  get #free(): number {
    return this.#room.room - this.#rewriting.size;
  }

  /** A door wrote a message. */
  appeared(waiting: Waiting): void {
    if (this.#backlog.size === 0 && this.#free > 0) this.#admit(waiting);
    else this.#backlog.add(waiting);
  }

  /** Brings to active/ what there is room for. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    let turn = TURN;
    while (this.#free > 0 && turn > 0) {
      const waiting = this.#backlog.take();
      if (waiting === undefined) break;
      this.#admit(waiting);
      turn -= 1;
    }
    this.#pumping = false;
    if (turn === 0) setImmediate(() => this.pump());
    else if (this.#backlog.isIncomplete && this.#backlog.size < BACKLOG_LIMIT / 2) this.rescan();
  }

  /** Looks for messages that nobody told of. Goes on in slices. */
  rescan(): void {
    if (this.#scan !== undefined) {
      this.#again = true; // what came since may stand where this one has been
      return;
    }
    this.#backlog.isIncomplete = false;
    this.#scan = new Scan("incoming");
    this.#continueScan();
  }

  /** Temp files of dead processes, which were never acknowledged. */
  sweep(): void {
    const swept = sweepTemps("incoming");
    if (swept > 0)
      this.#log.info(`removed ${swept} unfinished file${swept === 1 ? "" : "s"} of processes that are gone`);
  }

  /** Files that somebody put straight into this directory: pickup takes them; anything but a plain file is kept apart. */
  moveForeign(): void {
    const names = foreignInIncoming();
    for (const name of names) {
      const unfit = moveToDrop(name);
      if (unfit !== undefined) this.#quarantine(name, unfit);
    }
    if (names.length > 0) this.#wake("pickup");
  }

  /** An order of qmgr for a message here. */
  async execute(verb: Verb, id: string, reason: string): Promise<boolean> {
    const path = queuePath("incoming", id);
    switch (verb) {
      case "flush":
      case "requeue":
        return lstatSync(path, { throwIfNoEntry: false }) !== undefined; // first in line as it is
      case "release":
        return false;
      case "hold":
        this.#backlog.forget(id);
        return this.#hold(id, reason);
      case "delete": {
        this.#backlog.forget(id);
        const isRemoved = removeMessage(id, "incoming");
        if (isRemoved) this.#log.info(`${id}: removed`);
        return isRemoved;
      }
      case "expire":
        this.#backlog.forget(id);
        if (!(await appendIfThere(path, [{ kind: "expire", time: Date.now() }]))) return false;
        this.appeared({ id });
        return true;
    }
  }

  #continueScan(): void {
    const scan = this.#scan;
    if (scan === undefined) return;
    try {
      for (const { id } of scan.next(1000)) this.#backlog.add({ id });
    } catch (error) {
      this.#log.warn(`scan of incoming ended early: ${messageOf(error)}`); // the next one begins anew
    }
    this.pump();
    // A full backlog ends the scan; what is left is found by the next.
    if (scan.ended || this.#backlog.isIncomplete) {
      scan.close();
      this.#scan = undefined;
      if (this.#again && !this.#backlog.isIncomplete) this.rescan();
      this.#again = false;
    } else {
      setImmediate(() => this.#continueScan());
    }
  }

  #admit(waiting: Waiting): void {
    const { id } = waiting;
    if (this.#rewriting.has(id)) return; // on its way already
    try {
      const { envelope, offset, length, records, isNew } =
        waiting.envelope === undefined
          ? this.#read(id)
          : { ...(waiting as Required<Waiting>), records: NONE, isNew: true };
      if (isNew && this.#holdByRule(envelope)) return;
      const rewritten = this.#aliases.isIdle ? [] : rewrite(envelope, records, this.#expand, Date.now());
      if (isNew) this.#log.info(`${id}: message-id=${envelope.messageId ?? "<>"}`);
      if (rewritten.length > 0)
        void this.#rewrite(envelope, rewritten); // never rejects
      else this.#pass(id, isNew ? { envelope, offset, length, fresh: true } : {});
    } catch (error) {
      this.#failed(id, error);
    }
  }

  #tryAgain(id: string): boolean {
    if (this.#free <= 0) return false;
    this.#admit({ id });
    return true;
  }

  readonly #expand = (address: string) => this.#aliases.expand(address);

  /** `known`: what qmgr need not read from the file. */
  #pass(id: string, known: Omit<Admission, "id">): void {
    if (moveMessage(id, "incoming", "active")) this.#room.admitted({ id, ...known });
  }

  /** What aliases make of the recipients is on disk before anything is delivered. qmgr then reads it from the file. */
  async #rewrite(envelope: Envelope, records: readonly JournalRecord[]): Promise<void> {
    const { id } = envelope;
    this.#rewriting.add(id);
    try {
      await appendSynced(queuePath("incoming", id), records);
      logFailures(envelope, records, this.#log);
      this.#pass(id, {});
    } catch (error) {
      this.#failed(id, error);
    } finally {
      this.#rewriting.delete(id);
      this.pump(); // its room may not have been needed
    }
  }

  #failed(id: string, error: unknown): void {
    if (!(error instanceof ScesError)) {
      this.#log.warn(`${id}: stays in incoming for now: ${messageOf(error)}`);
      return;
    }
    if (error.code === "FILE_GONE") return;
    if (error.code === "FILE_DAMAGED") this.#quarantine(id, error.message);
    else if (error.code === "TABLE_UNREADABLE" || error.code === "ALIAS_UNUSABLE") this.#stuck.add(id, error.message);
    else this.#log.warn(`${id}: stays in incoming for now: ${messageOf(error)}`);
  }

  /** Rules are for new mail: what has a history was released, or has passed them. */
  #holdByRule(envelope: Envelope): boolean {
    const { id } = envelope;
    const match = matchHoldRules(this.#config, envelope);
    if (match === undefined) return false;
    const words = match.reason === "" ? "held by a rule" : match.reason;
    this.#log.info(`${id}: hold: ${clean(match.about, 200)} ${whence(envelope)}: ${words}`);
    this.#hold(id, `${words} (${clean(match.about, 200)})`).catch((error) => {
      this.#log.warn(`${id}: cannot be held now, and waits in this queue: ${messageOf(error)}`);
    });
    return true;
  }

  /** A message that no hint described. */
  #read(id: string): Known {
    const { envelope, offset, length, records, unreadable } = readMessage("incoming", id);
    return { envelope, offset, length, records, isNew: records.length === 0 && unreadable === 0 };
  }

  async #hold(id: string, reason: string): Promise<boolean> {
    const record = { kind: "hold", time: Date.now(), reason: clean(reason, 500) } as const;
    if (!(await appendIfThere(queuePath("incoming", id), [record]))) return false;
    const isHeld = moveMessage(id, "incoming", "hold");
    if (isHeld) this.#log.info(`${id}: placed on hold`);
    return isHeld;
  }

  #quarantine(name: string | Buffer, reason: string): void {
    setApartSoon("incoming", name, reason, { log: this.#log, quarantined: () => this.#wake("corrupt") });
  }
}

/** Recipients that come to nothing before anybody has tried them. */
function logFailures(envelope: Envelope, records: readonly JournalRecord[], log: Log): void {
  const { id, recipients } = withRewritten(envelope, records);
  for (const record of records) {
    const recipient = record.kind === "attempt" ? recipients[record.recipient] : undefined;
    if (record.kind === "attempt" && recipient !== undefined) log.info(deliveryLine(id, recipient, record));
  }
}

/** Where held mail came from, as Postfix's cleanup has it. */
function whence({ client, origin, sender, recipients }: Envelope): string {
  const from = client === undefined ? origin : `${client.name}[${client.address}]`;
  const session = client === undefined ? "" : ` proto=${client.proto} helo=<${client.helo}>`;
  return `from ${from}; from=<${sender}> to=<${recipients[0]?.address ?? ""}>${session}`;
}
