/**
 * The verbs that change something: flush, hold, release, delete, requeue, expire. Nothing is done before the whole
 * command line, ids on standard input included, was found to be right. Then messages go to whoever carries it out in
 * batches, as they are found; what was missed because it was moved meanwhile is looked for once more.
 */
import { lstatSync } from "node:fs";
import { clean } from "../../base/text.ts";
import { EX_OK, EX_TEMPFAIL } from "../../base/exit.ts";
import { ScesError } from "../../base/errors.ts";
import type { Config } from "../../config/config.ts";
import type { Target, Verb } from "../../ipc/messages.ts";
import type { Queue } from "../../spool/queues.ts";
import { complain } from "../entry.ts";
import type { CommandIo } from "../io.ts";
import type { Request } from "./arguments.ts";
import { type Executor, openExecutor } from "./executor.ts";
import { jsonLine } from "./json-line.ts";
import { namedIds, queuesOf, select } from "./selection.ts";
import { find, pathOf, type Sighting, walk } from "./sighting.ts";
import { isUnreadable, openRecipients, read } from "./view.ts";
import { Fates } from "./fates.ts";

/** Targets in one question. qmgr syncs a record for each; an answer must come within command_timeout. */
const BATCH = 500;
const MAX_NOTES = 10;

export async function change(request: Request & { verb: Verb }, config: Config, io: CommandIo): Promise<number> {
  const ids = await namedIds(request, io);
  const work = new Change(request, config, io, ids);
  return request.dryRun ? await work.tell() : await work.carryOut();
}

class Change {
  readonly #request: Request & { verb: Verb };
  readonly #config: Config;
  readonly #io: CommandIo;
  readonly #ids: readonly string[] | undefined;
  readonly #queues: readonly Queue[];
  readonly #fates: Fates;
  readonly #affected = new Set<string>();
  readonly #later = new Set<string>();
  #notes = 0;
  #trouble: string | undefined; // why something could not be changed now
  #executor: Executor | undefined;

  constructor(request: Request & { verb: Verb }, config: Config, io: CommandIo, ids: readonly string[] | undefined) {
    this.#request = request;
    this.#config = config;
    this.#io = io;
    this.#ids = ids;
    this.#queues = queuesOf(request, ids !== undefined);
    this.#fates = new Fates(io, request.json);
  }

  /** --dry-run: which messages it would be. */
  async tell(): Promise<number> {
    let count = 0;
    for await (const sighting of this.#targets()) {
      count += 1;
      await this.#tellOne(sighting);
    }
    if (this.#request.json) this.#print(jsonLine({ affected: count, dry_run: true }));
    else this.#print(`${messages(count)} would be affected\n`);
    return EX_OK;
  }

  async carryOut(): Promise<number> {
    try {
      if (this.#isFlushOfAll()) return await this.#flushAll();
      let batch: Sighting[] = [];
      for await (const sighting of this.#targets()) {
        batch.push(sighting);
        if (batch.length === BATCH) {
          await this.#run(batch);
          batch = [];
        }
      }
      if (batch.length > 0) await this.#run(batch);
      const isComplete = !this.#request.wait || (await this.#fates.all(this.#affected, this.#request.timeoutMs));
      this.#conclude(this.#affected.size);
      return isComplete && this.#trouble === undefined ? EX_OK : EX_TEMPFAIL;
    } catch (error) {
      // What earlier batches did is done, and said.
      if (this.#affected.size > 0) this.#conclude(this.#affected.size);
      throw error;
    } finally {
      this.#executor?.close();
    }
  }

  #isFlushOfAll(): boolean {
    const { verb, filter, wait } = this.#request;
    return verb === "flush" && this.#ids === undefined && filter.isAny && filter.queues === undefined && !wait;
  }

  /** qmgr need not be told a million ids. */
  async #flushAll(): Promise<number> {
    const executor = await this.#open();
    let count = 0;
    if (executor.isRunning) for await (const sighting of walk(this.#queues)) if (sighting.generation === 0) count += 1;
    const { affected } = await executor.flushAll();
    this.#conclude(Math.max(count, affected.length));
    return EX_OK;
  }

  /** Each message once: one that came back into a queue that we are still reading is not taken again. */
  async *#targets(): AsyncGenerator<Sighting, void> {
    const taken = new Set<string>();
    const found = select(this.#request, {
      ids: this.#ids,
      queues: this.#queues,
      reading: false,
      onMissing: (id, where) => this.#note(id, where),
    });
    for await (const { sighting, view } of found) {
      if (taken.has(sighting.id)) continue;
      taken.add(sighting.id);
      yield view === undefined ? sighting : { ...sighting, queue: view.queue };
    }
  }

  async #run(batch: readonly Sighting[]): Promise<void> {
    const missing = await this.#askFor(batch);
    const again: Sighting[] = [];
    const sentTo = new Map(batch.map(({ id, queue }) => [id, queue]));
    const lost: [string, Sighting | undefined][] = [];
    for (const id of missing) {
      if (this.#affected.has(id)) continue;
      const now = await find(id);
      if (now !== undefined && now.queue !== sentTo.get(id) && this.#queues.includes(now.queue)) {
        again.push(now);
      } else {
        lost.push([id, now]);
      }
    }
    if (again.length > 0) {
      for (const id of await this.#askFor(again)) if (!this.#affected.has(id)) lost.push([id, await find(id)]);
    }
    for (const [id, where] of lost) this.#note(id, where);
  }

  /** Deleting takes the reports that are owed with it, the file's second name in bounce/, and takes them first. */
  async #askFor(sightings: readonly Sighting[]): Promise<readonly string[]> {
    if (this.#request.verb === "delete") {
      const reported = sightings.filter(hasSecondName).map(({ id }) => ({ id, queue: "bounce" }));
      if (reported.length > 0) await this.#ask(reported);
    }
    return await this.#ask(sightings.map(({ id, queue }) => ({ id, queue })));
  }

  /** Returns the ids for which nothing was done. */
  async #ask(targets: readonly Target[]): Promise<readonly string[]> {
    const executor = await this.#open();
    const { verb, reasonText, wait } = this.#request;
    const outcome = await executor.run(verb, targets, reasonText, wait);
    for (const id of outcome.affected) {
      if (this.#affected.has(id)) continue;
      this.#affected.add(id);
      if (this.#request.json && !wait) this.#print(jsonLine({ queue_id: id, later: outcome.later.includes(id) }));
    }
    for (const id of outcome.later) this.#later.add(id);
    if (outcome.trouble !== undefined && this.#trouble === undefined) {
      this.#trouble = outcome.trouble;
      complain("sces-queue", this.#io, `not everything could be changed now: ${clean(outcome.trouble)}`);
    }
    return [...new Set(outcome.missing)];
  }

  async #open(): Promise<Executor> {
    this.#executor ??= await openExecutor(this.#config, this.#fates);
    if (this.#request.wait && !this.#executor.isRunning) {
      throw new ScesError(
        "NOT_RUNNING",
        "flush --wait needs the running mail system: start it, or flush without --wait",
      );
    }
    return this.#executor;
  }

  #conclude(count: number): void {
    const { json } = this.#request;
    if (json) this.#print(jsonLine({ affected: count, later: this.#later.size, dry_run: false }));
    else
      this.#print(
        `${messages(count)} affected${this.#later.size > 0 ? ` (${this.#later.size} after the current attempt)` : ""}\n`,
      );
  }

  async #tellOne(sighting: Sighting): Promise<void> {
    const view = await read(sighting);
    const queue = view?.queue ?? sighting.queue;
    if (this.#request.json) {
      this.#print(jsonLine({ queue_id: sighting.id, queue_name: queue }));
      return;
    }
    let whose = "";
    if (view !== undefined && !isUnreadable(view)) {
      const open = openRecipients(view);
      const more = open.length > 1 ? ` and ${open.length - 1} more` : "";
      whose = ` from <${clean(view.envelope.sender)}> to <${clean(open[0]?.recipient.address ?? "")}>${more}`;
    }
    this.#print(`${sighting.id} (${queue})${whose}\n`);
  }

  /** A named message for which there is nothing to do is no error, but worth a word. */
  #note(id: string, where: Sighting | undefined): void {
    if (this.#ids === undefined) return;
    this.#notes += 1;
    if (this.#notes > MAX_NOTES) return;
    const { verb } = this.#request;
    const text = where === undefined ? "there is no such message" : `nothing to ${verb}: it is in ${where.queue}`;
    complain("sces-queue", this.#io, this.#notes === MAX_NOTES ? "and so on" : `${id}: ${text}`);
  }

  #print(text: string): void {
    this.#io.stdout.write(text);
  }
}

function hasSecondName(sighting: Sighting): boolean {
  const { queue } = sighting;
  if (queue === "bounce" || queue === "corrupt") return false;
  return (lstatSync(pathOf(sighting), { throwIfNoEntry: false })?.nlink ?? 1) > 1;
}

function messages(count: number): string {
  return count === 1 ? "1 message" : `${count} messages`;
}
