/**
 * Commands of administrators: what concerns active/ is done here, the rest is ordered from the owner of the directory
 * in which the message is. Owners that are not running are started.
 */
import { lstatSync } from "node:fs";
import { clean } from "../../base/text.ts";
import type { Link } from "../../ipc/link.ts";
import type { Command, Done, Reply, Target, Verb } from "../../ipc/messages.ts";
import { isQueueId } from "../../mail/queue-id.ts";
import { isForeignName } from "../../spool/quarantined.ts";
import { isQueue, OWNERS, type Queue, queuePath } from "../../spool/queues.ts";
import type { Active } from "./active.ts";
import type { Fate } from "./conclude.ts";
import { type Controls, isControl } from "./controls.ts";
import type { ActiveMessage } from "./message.ts";

const SEARCHED: readonly Queue[] = ["deferred", "hold", "incoming", "active", "bounce", "corrupt"];
/** A message that moves while it is looked for is looked for again so often. */
const LOOKS = 4;
/** A file in active/ that nobody has told of for so long will not be told of. */
const WORD_MS = 1000;
/** Of command_timeout: an owner that has not begun by then must not begin, for the asker hears that nothing was done. */
const ORDER_SHARE = 0.5;

interface Pending {
  readonly resolve: (done: Done | "lost") => void; // lost: the owner ended without a word
  readonly owner: string;
}

export interface CommandsOptions {
  readonly active: Active;
  wake(process: string): void;
  /** Look at all deferred mail, and forget suspensions. */
  flushAll(): void;
  readonly controls: Controls;
  readonly status: () => unknown;
  readonly timeoutMs: () => number;
}

export class Commands {
  readonly #options: CommandsOptions;
  readonly #owners = new Map<string, Link>();
  readonly #waiting = new Map<string, Array<(link: Link) => void>>(); // for an owner to come
  readonly #pending = new Map<number, Pending>();
  readonly #watched = new Map<string, Array<{ link: Link; request: number }>>();
  #lastRequest = 0;

  constructor(options: CommandsOptions) {
    this.#options = options;
  }

  ownerConnected(name: string, link: Link): void {
    this.#owners.set(name, link);
    const waiting = this.#waiting.get(name) ?? [];
    this.#waiting.delete(name);
    for (const resolve of waiting) resolve(link);
  }

  ownerDisconnected(name: string, link: Link): void {
    if (this.#owners.get(name) === link) this.#owners.delete(name);
    for (const [request, pending] of this.#pending) {
      if (pending.owner !== name) continue;
      this.#pending.delete(request);
      pending.resolve("lost");
    }
  }

  done(message: Done): void {
    const pending = this.#pending.get(message.request);
    this.#pending.delete(message.request);
    pending?.resolve(message);
  }

  /** Tells those who wait for this message what became of it. */
  concluded(message: ActiveMessage, fate: Fate): void {
    const watchers = this.#watched.get(message.id);
    if (watchers === undefined || fate === "again" || fate === "gone") return;
    this.#watched.delete(message.id);
    const lasts = message.recipients.map((recipient) => recipient.last).filter((last) => last !== undefined);
    const told = lasts.find((last) => last.outcome !== "sent") ?? lasts[0];
    for (const { link, request } of watchers) {
      link.send({ type: "concluded", request, id: message.id, fate, text: clean(told?.text ?? "") });
    }
  }

  async command(link: Link, command: Command): Promise<void> {
    const base = { type: "reply", request: command.request, affected: [], later: [], missing: [] } as const;
    const { verb, targets } = command;
    if (verb === "ping") return link.send(base);
    if (verb === "status") return link.send({ ...base, status: this.#options.status() });
    if (isControl(verb)) return await this.#options.controls.answer(link, command);
    if (verb === "reload" || verb === "stop") return link.send({ ...base, error: `${verb} is for master` });
    // "At once" means also to a destination that is suspended.
    if (verb === "flush" || verb === "release" || verb === "requeue") this.#options.controls.resumeAll();
    if (verb === "flush" && targets.length === 0) {
      this.#options.flushAll();
      return link.send(base);
    }
    const wrong = targets.find(({ id, queue }) => !isQueueId(id) && !(queue === "corrupt" && isForeignName(id)));
    if (wrong !== undefined) return link.send({ ...base, error: `not a queue id: ${clean(String(wrong.id), 80)}` });
    if (verb === "flush" && command.wait) for (const { id } of targets) this.#watch(id, link, command.request);
    const reply = await this.#carryOut(command, verb, targets);
    for (const id of reply.missing) this.#watched.delete(id);
    link.send(reply);
  }

  #watch(id: string, link: Link, request: number): void {
    const watchers = this.#watched.get(id);
    if (watchers === undefined) this.#watched.set(id, [{ link, request }]);
    else watchers.push({ link, request });
  }

  async #carryOut(command: Command, verb: Verb, targets: readonly Target[]): Promise<Reply> {
    const affected: string[] = [];
    const later: string[] = [];
    let trouble: string | undefined;
    let open: readonly string[] = targets.map((target) => target.id);
    const seen = new Map(targets.map((target) => [target.id, target.queue]));
    const reason = command.reason ?? "";
    const untilMs = performance.now() + this.#options.timeoutMs() / 2;
    for (let look = 0; look < LOOKS && open.length > 0; look += 1) {
      const byQueue = new Map<Queue, string[]>();
      for (const id of open) {
        const message = await this.#settled(id, untilMs);
        if (message !== undefined) {
          const isLater = this.#inActive(message, verb, reason);
          if (isLater === undefined) continue;
          affected.push(id);
          if (isLater) later.push(id);
          continue;
        }
        const hint = look === 0 ? seen.get(id) : undefined;
        const queue = hint !== undefined && isQueue(hint) ? hint : find(id);
        if (queue === undefined || queue === "results") continue;
        seen.set(id, queue);
        byQueue.set(queue, [...(byQueue.get(queue) ?? []), id]);
      }
      const missing: string[] = [];
      const unanswered: string[] = [];
      for (const [queue, ids] of byQueue) {
        const done = queue === "active" ? undefined : await this.#order(OWNERS[queue], verb, ids, reason);
        if (done === "lost") {
          unanswered.push(...ids);
          continue;
        }
        affected.push(...(done?.affected ?? []));
        trouble ??= done?.trouble;
        missing.push(...(done === undefined ? ids : ids.filter((id) => !done.affected.includes(id))));
      }
      // What has moved meanwhile is looked for where it is now. An owner that died over an order gets it once more:
      // nobody knows how far it came, and every order can be given twice.
      const moved = missing.filter((id) => this.#options.active.get(id) !== undefined || find(id) !== seen.get(id));
      open = [...unanswered, ...moved];
    }
    const isDone = new Set(affected);
    const missing = targets.map((target) => target.id).filter((id) => !isDone.has(id));
    const reply = { type: "reply", request: command.request, affected, later, missing } as const;
    return trouble === undefined ? reply : { ...reply, trouble };
  }

  /** The message if it is in active/: one on its way in is waited for, one on its way out is looked for where it goes. */
  async #settled(id: string, untilMs: number): Promise<ActiveMessage | undefined> {
    const { active } = this.#options;
    let mayAdopt = true;
    for (;;) {
      const message = active.get(id);
      const sinceMs = message === undefined ? inActiveFor(id) : undefined;
      const isUnderWay = message === undefined ? sinceMs !== undefined : message.isConcluding;
      if (!isUnderWay || performance.now() >= untilMs) return message;
      if (mayAdopt && sinceMs !== undefined && sinceMs >= WORD_MS) {
        mayAdopt = false;
        const adopted = active.adopt(id);
        if (adopted !== undefined) return adopted;
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  /** Returns whether it must wait for a delivery; undefined: the verb means nothing for mail that is being delivered. */
  #inActive(message: ActiveMessage, verb: Verb, reason: string): boolean | undefined {
    if (verb === "release") return undefined;
    if (verb === "flush") return false; // it is being tried
    return this.#options.active.intend(message, verb, clean(reason, 500));
  }

  async #order(owner: string, verb: Verb, ids: readonly string[], reason: string): Promise<Done | "lost"> {
    this.#lastRequest += 1;
    const request = this.#lastRequest;
    const none: Done = { type: "done", request, affected: [], missing: ids };
    const link = await this.#owner(owner);
    if (link === undefined) return none;
    return new Promise((resolve) => {
      this.#pending.set(request, { resolve, owner });
      const until = Date.now() + this.#options.timeoutMs() * ORDER_SHARE;
      link.send({ type: "order", request, verb, ids, until, ...(reason === "" ? {} : { reason }) });
    });
  }

  async #owner(name: string): Promise<Link | undefined> {
    const link = this.#owners.get(name);
    if (link !== undefined) {
      this.#options.wake(name); // it may be about to leave
      return link;
    }
    this.#options.wake(name);
    return new Promise((resolve) => {
      // Given up while there is still time to answer the command.
      const timer = setTimeout(() => resolve(undefined), this.#options.timeoutMs() * 0.75);
      const come = (arrived: Link) => {
        clearTimeout(timer);
        resolve(arrived);
      };
      this.#waiting.set(name, [...(this.#waiting.get(name) ?? []), come]);
    });
  }
}

/** Where a message is now. */
function find(id: string): Queue | undefined {
  if (!isQueueId(id)) return "corrupt"; // foreign objects are nowhere else
  return SEARCHED.find((queue) => lstatSync(queuePath(queue, id), { throwIfNoEntry: false }) !== undefined);
}

/** For how many ms the file has been in active/; undefined: it is not there. */
function inActiveFor(id: string): number | undefined {
  const stat = isQueueId(id) ? lstatSync(queuePath("active", id), { throwIfNoEntry: false }) : undefined;
  return stat === undefined ? undefined : Math.abs(Date.now() - stat.ctimeMs); // clocks are set back
}
