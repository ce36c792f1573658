/**
 * The owner of drop/. It works in rounds: a look at every name, which leaves each file
 *
 *   ignored   private, or still being written aside
 *   settling  may still be being written        -> the next round, after drop_stable_time
 *   refused   to corrupt/, with the reason
 *   taken     see drop-once.ts
 *   waiting   no room, a spool that fails, or an incoming/ that is far behind: the round ends, the next one is soon
 */
import { lstatSync, type Stats } from "node:fs";
import { type Clock, pause, systemClock } from "../../base/clock.ts";
import { messageOf, ScesError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { clean, cleanBytes } from "../../base/text.ts";
import type { Config } from "../../config/config.ts";
import { Tables } from "../../config/tables.ts";
import type { Flow } from "../../ipc/messages.ts";
import { Canonical } from "../../service/canonical.ts";
import type { Entry, Intake } from "../../spool/intake.ts";
import { quarantine } from "../../spool/quarantine.ts";
import { DROP } from "../../spool/queues.ts";
import { freeSpace } from "../../spool/space.ts";
import { type Accepted, DropOnce } from "./drop-once.ts";
import { DropWatch } from "./drop-watch.ts";
import { DroppedFile, objection, signature } from "./dropped-file.ts";
import { dropPath, kindOf, listDrop, nameBytes } from "./names.ts";
import type { Passage } from "./outgoing-header.ts";
import { isRefusal, type Refusal, refuse } from "./refusal.ts";
import { Rounds } from "./rounds.ts";
import { Settling } from "./settling.ts";
import { compose, readSubmission } from "./submission.ts";
import { writeMessage } from "./write-message.ts";

/** Messages under way at once: so many share a sync of a directory. */
const SLOTS = 16;
/** Of these, such as are not small. */
const LARGE_SLOTS = 2;
/** After a round that was cut short. */
const RETRY_MS = 1000;
/** With more than this left in drop/, a watch would cost more than it tells. */
const WATCHABLE = 100;
/** Names about which something was logged once. */
const MAX_TOLD = 1000;

export interface PickupOptions {
  readonly config: Config;
  readonly log: Log;
  readonly intake: Intake;
  readonly accepted: Accepted;
  readonly clock?: Clock;
  /** How clients are to be treated for now. */
  flow(): Flow;
  /** There is something new in quarantine. */
  quarantined(): void;
}

export class Pickup {
  readonly #options: PickupOptions;
  readonly #log: Log;
  readonly #once: DropOnce;
  readonly #watch: DropWatch;
  readonly #rounds: Rounds;
  readonly #settling: Settling;
  readonly #underWay = new Set<Promise<void>>();
  readonly #told = new Set<string>();
  readonly #tables: Tables;
  #canonical: Canonical;
  #config: Config;
  #large = 0; // of those under way
  #obstacle: string | undefined; // why nothing can be taken now
  #toldObstacle = "";
  #isStopping = false;

  constructor(options: PickupOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#log = options.log;
    this.#tables = new Tables({ warn: (text) => options.log.warn(text) });
    this.#canonical = new Canonical(options.config, this.#tables);
    this.#once = new DropOnce(options.intake, options.log, options.accepted);
    this.#watch = new DropWatch(options.log, () => this.wake());
    this.#rounds = new Rounds((wasWoken) => this.#round(wasWoken));
    this.#settling = new Settling(options.clock ?? systemClock);
  }

  set config(config: Config) {
    this.#config = config;
    this.#canonical = new Canonical(config, this.#tables);
    this.wake();
  }

  /** Takes up what a crash left, then works until `stop`. Throws SPOOL_IO if the spool cannot be read. */
  start(): void {
    this.#once.recover();
    this.#rounds.wake();
  }

  /** There may be something in drop/. */
  wake(): void {
    this.#rounds.wake();
  }

  /** What is under way is finished; the rest stays in drop/. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#watch.close();
    await this.#rounds.stop();
  }

  async #round(wasWoken: boolean): Promise<number> {
    this.#obstacle = undefined;
    let nextMs = this.#config.drop_scan_interval;
    try {
      await this.#once.resume();
      const { waitMs, left, isNews } = await this.#look();
      nextMs = Math.min(nextMs, waitMs);
      if (isNews && !wasWoken) this.#watch.distrust();
      if (left < WATCHABLE) this.#watch.arm();
    } catch (error) {
      this.#blockedBy(error);
    }
    await Promise.all(this.#underWay);
    this.#tellObstacle();
    return this.#obstacle === undefined ? nextMs : Math.min(nextMs, RETRY_MS);
  }

  /** waitMs: until a file may have settled. left: how many stay. isNews: one of them was never seen before. */
  async #look(): Promise<{ waitMs: number; left: number; isNews: boolean }> {
    const stableMs = this.#config.drop_stable_time;
    let waitMs = Number.POSITIVE_INFINITY;
    let left = 0;
    let isNews = false;
    this.#settling.beginRound();
    for await (const name of listDrop()) {
      const kind = kindOf(name);
      if (kind === "ignored") continue;
      const stat = lstatSync(dropPath(name), { throwIfNoEntry: false });
      if (stat === undefined) continue;
      const why = kind === "other" ? "is neither .eml nor .json: only these are taken" : objection(stat);
      const settlesInMs = this.#settling.wait(name, stat, stableMs, why === undefined);
      if (settlesInMs > 0) {
        left += 1;
        isNews ||= settlesInMs === stableMs;
        waitMs = Math.min(waitMs, settlesInMs);
      } else if (why !== undefined || kind === "other") {
        if (!this.#refuse(name, stat, why ?? "")) left += 1;
        await new Promise((resolve) => setImmediate(resolve)); // a reason is written and synced in one turn
      } else {
        await this.#turn(stat);
        if (this.#obstacle !== undefined || this.#isStopping) break;
        this.#begin(name, kind, stat);
      }
    }
    return { waitMs, left, isNews };
  }

  /** Resolves when a file may be taken, or there is an obstacle. */
  async #turn(stat: Stats): Promise<void> {
    const isLarge = !this.#isSmall(stat);
    while (this.#underWay.size >= SLOTS || (isLarge && this.#large >= LARGE_SLOTS)) {
      await Promise.race(this.#underWay);
    }
    const { delayMs } = this.#options.flow();
    if (delayMs > 0) await pause(delayMs);
    this.#obstacle ??= this.#findObstacle(stat.size);
  }

  #findObstacle(sizeBytes: number): string | undefined {
    if (this.#options.flow().stop) return "incoming is too far behind";
    const { queue_minfree, queue_minfree_inodes, message_size_limit } = this.#config;
    const { bytes, inodes } = freeSpace();
    const needed = Math.max(queue_minfree || message_size_limit * 1.5, sizeBytes);
    return bytes < needed || inodes < queue_minfree_inodes ? "not enough free space in the spool" : undefined;
  }

  #blockedBy(error: unknown): void {
    if (!(error instanceof ScesError)) throw error;
    this.#obstacle ??= error.code === "SPOOL_FULL" ? "not enough free space in the spool" : messageOf(error);
  }

  /** Once when it begins, once when it is over: the retries between say nothing new. */
  #tellObstacle(): void {
    const text = this.#obstacle ?? "";
    if (text !== "" && this.#toldObstacle === "") this.#log.warn(`dropped files wait: ${text}`);
    if (text === "" && this.#toldObstacle !== "") this.#log.info("dropped files are taken again");
    this.#toldObstacle = text;
  }

  #begin(name: string, kind: "eml" | "json", stat: Stats): void {
    const isLarge = !this.#isSmall(stat);
    if (isLarge) this.#large += 1;
    const task: Promise<void> = this.#take(name, kind, stat)
      .catch((error) => this.#blockedBy(error))
      .finally(() => {
        if (isLarge) this.#large -= 1;
        this.#underWay.delete(task);
      });
    this.#underWay.add(task);
  }

  async #take(name: string, kind: "eml" | "json", stat: Stats): Promise<void> {
    const file = this.#open(name, stat);
    if (file === undefined) return;
    try {
      const submission = await this.#guarded(name, () => readSubmission(file, kind, this.#config));
      if (submission === undefined) return;
      if (isRefusal(submission)) return this.#refuseIfUnchanged(name, stat, file, submission);
      const entry = this.#options.intake.open();
      const composed = await this.#guarded(name, () =>
        compose(submission, this.#passage(entry, file), this.#canonical),
      );
      if (composed === undefined || isRefusal(composed)) {
        entry.abort();
        if (composed !== undefined) this.#refuseIfUnchanged(name, stat, file, composed);
        return;
      }
      const write = (sealedAs: string) => writeMessage(entry, composed, submission.content, sealedAs);
      if (!(await this.#once.take(name, file, entry, write))) this.#settling.forget(name);
    } finally {
      file.close();
    }
  }

  /** Undefined if there is nothing to be done with it now. */
  #open(name: string, stat: Stats): DroppedFile | undefined {
    try {
      const file = DroppedFile.open(dropPath(name), stat);
      if (file instanceof DroppedFile) return file;
      if (file === undefined) this.#settling.forget(name);
      else this.#refuse(name, stat, file.refused);
    } catch (error) {
      this.#tellOnce(name, error);
    }
    return undefined;
  }

  /** Undefined if it cannot be read now. An error of ours that one file provokes must not keep the others. */
  async #guarded<T>(name: string, work: () => T | Promise<T>): Promise<T | Refusal | undefined> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof ScesError) {
        this.#tellOnce(name, error);
        return undefined;
      }
      this.#log.error(`${shown(name)}: internal error: ${error instanceof Error ? error.stack : String(error)}`);
      return refuse(`provokes an internal error: ${messageOf(error)}`);
    }
  }

  #passage(entry: Entry, file: DroppedFile): Passage {
    const { myhostname, mail_name } = this.#config;
    return { id: entry.id, time: entry.arrival, uid: file.uid, hostname: myhostname, mailName: mail_name };
  }

  #isSmall(stat: Stats): boolean {
    return stat.size <= this.#config.spool_memory_limit;
  }

  #refuseIfUnchanged(name: string, stat: Stats, file: DroppedFile, refusal: Refusal): void {
    if (file.isUnchanged()) this.#refuse(name, stat, refusal.refused);
    else this.#settling.forget(name);
  }

  /** Moves it to quarantine if the name is still that of what was judged. Returns whether it is gone from drop/. */
  #refuse(name: string, judged: Stats, reason: string): boolean {
    this.#settling.forget(name);
    try {
      const stat = lstatSync(dropPath(name), { throwIfNoEntry: false });
      if (stat === undefined || signature(stat) !== signature(judged)) return false;
      const kept = quarantine(DROP, nameBytes(name), "pickup", reason);
      if (kept === undefined) return true;
      this.#log.warn(
        `saving corrupt file "${shown(name)}" from queue "${DROP}" to queue "corrupt" as "${kept}": ${clean(reason, 300)}`,
      );
      this.#options.quarantined();
      return true;
    } catch (error) {
      this.#tellOnce(name, error); // a directory of somebody else's, a mount point
      return false;
    }
  }

  #tellOnce(name: string, error: unknown): void {
    if (this.#told.has(name)) return;
    if (this.#told.size >= MAX_TOLD) this.#told.clear();
    this.#told.add(name);
    this.#log.warn(`${DROP}/${shown(name)} stays where it is: ${messageOf(error)}`);
  }
}

function shown(latin1: string): string {
  return cleanBytes(Buffer.from(latin1, "latin1"), 255);
}
