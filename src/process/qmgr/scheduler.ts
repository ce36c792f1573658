/**
 * The destinations, and what of which message waits where. Which delivery goes next is the lane's to say (lane.ts),
 * and within a destination its line's (line.ts).
 */
import type { Config } from "../../config/config.ts";
import { type OwnAgent, ownAgent, processOf } from "../../config/transports.ts";
import type { DestinationStatus, Report, Restraint } from "../../ipc/messages.ts";
import type { Route, Router } from "../../service/router.ts";
import type { Agents } from "./agents.ts";
import { describe } from "./deliver.ts";
import { Destination, type Entry } from "./destination.ts";
import { Lane } from "./lane.ts";
import { limitsOf } from "./limits.ts";
import { firstKind, type Kind } from "./line.ts";
import type { ActiveMessage, ActiveRecipient } from "./message.ts";
import { Sliced } from "./sliced.ts";
import { LONGEST_TIMER_MS, Suspensions, type SuspensionEvents } from "./suspensions.ts";

/** Who brings them. */
const RETRIES = "defer";

export interface SchedulerEvents extends Pick<SuspensionEvents, "onSuspended"> {
  /** An agent process is needed: start it. */
  onWanted(process: string, alone: boolean): void;
  /** The class of a failure asked for it, and it was not so before. */
  onRestrained(destination: Destination, restraint: Restraint): void;
  /** The entry's transport is the queue manager's own: it is concluded here. */
  onOwn(entry: Entry, agent: OwnAgent): void;
  /** Messages that were set aside are wanted again: defer is to bring them. */
  onRecall(ids: readonly string[]): void;
  /** How many more messages may come to active/ by this feeder. */
  freeFor(feeder: string): number;
}

export class Scheduler {
  readonly #agents: Agents;
  readonly #events: SchedulerEvents;
  readonly #destinations = new Map<string, Destination>();
  readonly #lanes = new Map<string, Lane>(); // by agent process
  /** For which more retries were brought than there was place for, until those that were set aside are back. */
  readonly #overfed = new Set<Destination>();
  readonly #suspensions: Suspensions;
  readonly #own = new Sliced<readonly [Entry, OwnAgent]>((each) => this.#concludeOwn(...each));
  readonly #routerFor: (config: Config) => Router;
  #config: Config;
  #route: Router;
  #isStopped = false;
  #pumpQueued = false;

  constructor(config: Config, routerFor: (config: Config) => Router, agents: Agents, events: SchedulerEvents) {
    this.#config = config;
    this.#routerFor = routerFor;
    this.#route = routerFor(config);
    this.#agents = agents;
    this.#events = events;
    this.#suspensions = new Suspensions({
      onSuspended: (entry, why, until) => events.onSuspended(entry, why, until),
      onOver: (destination) => {
        this.#resume(destination);
        this.#forget(destination);
        this.pump();
      },
    });
  }

  set config(config: Config) {
    this.#config = config;
    this.#route = this.#routerFor(config);
    for (const destination of this.#destinations.values()) {
      destination.limits = limitsOf(config, destination);
      if (!this.#isThere(destination)) this.#rerouteLine(destination);
    }
  }

  /** Whether retries are brought faster than some destination takes them: each in vain is moved there and back. */
  get isOverfed(): boolean {
    return this.#overfed.size > 0;
  }

  #isThere({ transport }: Destination): boolean {
    return this.#config.agentOf(transport) !== undefined;
  }

  /** Its transport is no more. */
  #rerouteLine(destination: Destination): void {
    for (let entry = destination.line.take(); entry !== undefined; entry = destination.line.take()) {
      entry.message.inLine.delete(entry);
      entry.message.pending -= 1;
      this.#add(entry);
    }
    this.#forget(destination);
  }

  /**
   * Puts a message's recipients whose turn it is in line, each next hop's in one entry or several. If all are for one
   * destination and that is crowded, they are set aside instead.
   */
  enqueue(message: ActiveMessage): void {
    const groups = this.#grouped(message, message.recipients);
    const [only] = groups;
    if (only !== undefined && groups.size === 1 && this.#isForLater(message, only[0])) {
      setAside(message, ...only);
      if (message.feeder === RETRIES) this.#overfed.add(only[0]);
      return;
    }
    this.#addAll(message, groups, firstKind(message));
  }

  /** The recipients whose turn it is, by destination. */
  #grouped(message: ActiveMessage, recipients: readonly ActiveRecipient[]): Map<Destination, ActiveRecipient[]> {
    const groups = new Map<Destination, ActiveRecipient[]>();
    const { sender } = message.envelope;
    for (const recipient of recipients) {
      if (recipient.status !== "waiting" || recipient.turn !== "due") continue;
      const address = message.envelope.recipients[recipient.index]?.address ?? "";
      const { transport, nexthop } = this.#way(address, sender, message);
      const destination = this.#destination(transport, nexthop);
      const group = groups.get(destination);
      if (group === undefined) groups.set(destination, [recipient]);
      else group.push(recipient);
    }
    return groups;
  }

  #addAll(message: ActiveMessage, groups: ReadonlyMap<Destination, readonly ActiveRecipient[]>, first: Kind): void {
    let kind = first;
    for (const [destination, recipients] of groups) {
      const limit = this.#config.transport(destination.transport, "destination_recipient_limit");
      for (let at = 0; at < recipients.length; at += limit) {
        this.#add({ message, destination, recipients: recipients.slice(at, at + limit), kind });
        kind = "further";
      }
    }
  }

  #way(address: string, sender: string, message: ActiveMessage): Route {
    const route = this.#route(address, sender, message);
    const isDeferred = this.#config.defer_transports.includes(route.transport) && !message.isFlushed;
    return isDeferred ? { transport: "retry", nexthop: "4.3.2 deferred transport" } : route;
  }

  #isForLater(message: ActiveMessage, destination: Destination): boolean {
    if (destination.aside.arrived(message.id) || message.isSuspect || destination.isSuspended) return false;
    const { sender } = message.envelope;
    const isBehindOthers = destination.aside.sizeOf(sender) > 0 && destination.line.size > 0;
    return isBehindOthers || destination.isCrowded(sender, this.#events.freeFor(message.feeder));
  }

  /** Takes a message back if it waits for nothing but destinations that have too much in line. */
  setAside(message: ActiveMessage): void {
    if (message.only !== undefined || message.inLine.size !== message.pending) return;
    const free = this.#events.freeFor(message.feeder);
    for (const { destination } of message.inLine) if (!destination.isFull(free)) return;
    for (const { destination, recipients } of message.inLine) setAside(message, destination, recipients);
    this.withdraw(message);
  }

  /** Takes back what of a message is still in line; what is with an agent goes on. */
  withdraw(message: ActiveMessage): void {
    for (const entry of [...message.inLine]) this.#withdraw(entry);
  }

  /** Some recipients of an entry in line may not be due any more: the others go on. */
  narrow(entry: Entry): void {
    const recipients = entry.recipients.filter(({ status, turn }) => status === "waiting" && turn === "due");
    if (recipients.length === entry.recipients.length) return;
    if (recipients.length > 0) this.#add({ ...entry, recipients }); // first, so that the destination is not forgotten
    this.#withdraw(entry);
  }

  #withdraw(entry: Entry): void {
    const { message, destination } = entry;
    entry.isWithdrawn = true;
    message.inLine.delete(entry);
    message.pending -= 1;
    destination.line.withdrew(entry);
    this.#forget(destination);
  }

  /** An entry that was out comes back: its agent is gone. Who still waits goes to the end of the line, if wanted. */
  returned(entry: Entry, isWanted: boolean): void {
    entry.destination.busy -= 1;
    entry.message.pending -= 1;
    const recipients = isWanted ? entry.recipients.filter((recipient) => recipient.status === "waiting") : [];
    if (recipients.length > 0) this.#add({ ...entry, recipients });
    this.#list(entry.destination);
    this.#forget(entry.destination);
  }

  /** An agent reported: the destination's window moves. */
  reported(entry: Entry, report: Pick<Report, "fault" | "offlineMs" | "restraint" | "results">): void {
    const { fault, offlineMs, restraint, results } = report;
    const { destination } = entry;
    destination.busy -= 1;
    destination.lastError = results.find(({ outcome }) => outcome !== "sent")?.text ?? destination.lastError;
    const { rateDelayMs } = destination.limits;
    if (rateDelayMs > 0) this.#delay(destination, rateDelayMs);
    if (fault === undefined) {
      const isUntried = results.some(({ suspended }) => suspended); // a source is paused: nothing was learned
      if (!isUntried) {
        if (destination.isSuspended && !destination.isPaused) this.#resume(destination); // it lives after all
        destination.succeeded();
      }
    } else {
      const untilMs = performance.now() + (offlineMs ?? this.#config.minimal_backoff_time);
      if (offlineMs === undefined ? destination.failed(fault, untilMs) : destination.suspend(fault, untilMs))
        this.#suspensions.begin(destination);
    }
    if (restraint !== undefined) this.#restrain(destination, restraint);
    this.#list(destination);
    this.#forget(destination);
    this.pump();
  }

  #restrain(destination: Destination, restraint: Restraint): void {
    const { action, forMs, why } = restraint;
    const untilMs = performance.now() + forMs;
    if (action === "slow") {
      if (destination.slow(untilMs)) this.#events.onRestrained(destination, restraint);
      setTimeout(() => this.#forget(destination), Math.min(LONGEST_TIMER_MS, forMs + 1)).unref();
    } else if (destination.pause(why, untilMs)) {
      this.#events.onRestrained(destination, restraint);
      this.#suspensions.begin(destination);
    }
  }

  /** Ends suspensions; returns of which destinations. */
  resume(matches: (destination: Destination) => boolean): string[] {
    const resumed = [...this.#destinations.values()].filter((one) => one.isSuspended && matches(one));
    for (const destination of resumed) {
      this.#resume(destination);
      this.#forget(destination);
    }
    this.pump();
    return resumed.map(({ key }) => `destination ${key}`);
  }

  /** Hand out nothing more. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Hands out what can be, at the end of this turn. */
  pump(): void {
    if (this.#pumpQueued) return;
    this.#pumpQueued = true;
    queueMicrotask(() => {
      this.#pumpQueued = false;
      this.#run();
    });
  }

  /** For status: what is suspended, and why. */
  suspensions(): Array<{ transport: string; nexthop: string; why: string; forMs: number }> {
    const now = performance.now();
    return [...this.#destinations.values()]
      .filter((one) => one.isSuspended)
      .map((one) => {
        const { transport, nexthop, suspendedWhy: why, suspendedUntilMs } = one;
        return { transport, nexthop, why, forMs: Math.max(0, suspendedUntilMs - now) };
      });
  }

  /** What every destination that is remembered is doing. */
  destinations(): DestinationStatus[] {
    const now = performance.now();
    return [...this.#destinations.values()].map((one) => one.status(now));
  }

  #run(): void {
    if (this.#isStopped) return;
    for (const lane of this.#lanes.values()) lane.run();
  }

  #add(added: Pick<Entry, "message" | "destination" | "recipients" | "kind">): void {
    if (!this.#isThere(added.destination)) {
      this.#addAll(added.message, this.#grouped(added.message, added.recipients), added.kind);
      return;
    }
    const entry: Entry = { ...added, isWithdrawn: false, isInLine: false };
    const { message, destination } = entry;
    message.pending += 1;
    message.inLine.add(entry);
    const agent = ownAgent(this.#config.agentOf(destination.transport));
    if (agent !== undefined) {
      this.#own.push([entry, agent]);
      return;
    }
    if (message.isSuspect) {
      this.#lane(destination.transport).suspect(entry);
    } else {
      destination.line.push(entry);
      if (destination.isSuspended) this.#suspensions.drain(destination);
      else this.#list(destination);
    }
    this.pump();
  }

  #list(destination: Destination): void {
    this.#lane(destination.transport).list(destination);
  }

  /** Calls back what was set aside, as far as there is room for it in line. */
  #recall(destination: Destination): void {
    const { aside, line, isSuspended } = destination;
    if (isSuspended || aside.size === 0) {
      if (isSuspended || line.size < (this.#placesOf(destination) * 3) / 4) this.#overfed.delete(destination);
      return;
    }
    const may = this.#placesOf(destination);
    // Not with every delivery: when a quarter of the line has gone.
    const ids = aside.recall(may - line.size, Math.ceil(may / 4), performance.now());
    if (ids.length > 0) this.#events.onRecall(ids);
  }

  #placesOf({ limits }: Destination): number {
    return Math.max(limits.concurrency, Math.floor(this.#events.freeFor(RETRIES) / 2));
  }

  /** What goes nowhere. */
  #concludeOwn(entry: Entry, agent: OwnAgent): void {
    if (!entry.isWithdrawn) {
      entry.message.inLine.delete(entry);
      this.#events.onOwn(entry, agent);
    }
    this.#forget(entry.destination);
  }

  #resume(destination: Destination): void {
    this.#suspensions.end(destination);
    this.#list(destination);
  }

  /** The next delivery not before so long; of two pauses the longer one holds. */
  #delay(destination: Destination, pauseMs: number): void {
    const notBeforeMs = performance.now() + pauseMs;
    if (notBeforeMs <= destination.notBeforeMs) return;
    destination.notBeforeMs = notBeforeMs;
    setTimeout(() => {
      if (destination.notBeforeMs !== notBeforeMs) return;
      destination.notBeforeMs = 0;
      this.#list(destination);
      this.#forget(destination);
      this.pump();
    }, pauseMs);
  }

  /** A destination with nothing to do is not remembered. */
  #forget(destination: Destination): void {
    this.#recall(destination);
    if (!destination.isDone) return;
    // A suspect's destination may have been forgotten before, and be there anew.
    if (this.#destinations.get(destination.key) === destination) this.#destinations.delete(destination.key);
  }

  #destination(transport: string, nexthop: string): Destination {
    const key = `${transport}:${nexthop}`;
    let destination = this.#destinations.get(key);
    if (destination === undefined) {
      destination = new Destination(key, transport, nexthop, limitsOf(this.#config, { transport, nexthop }));
      this.#destinations.set(key, destination);
    }
    return destination;
  }

  #lane(transport: string): Lane {
    const agent = this.#config.agentOf(transport);
    const process = (agent === undefined ? undefined : processOf(agent)) ?? transport;
    let lane = this.#lanes.get(process);
    if (lane === undefined) {
      lane = new Lane(process, this.#agents, {
        onWanted: (name, alone) => this.#events.onWanted(name, alone),
        onHanded: (agent, entry) => {
          const pauseMs = entry.destination.begun(performance.now());
          if (pauseMs > 0) this.#delay(entry.destination, pauseMs);
          entry.message.inLine.delete(entry);
          // With a line behind it, what it has for this destination is all in use, and what is free again waits for this.
          const hasLine = entry.destination.line.size > 0;
          this.#agents.hand(agent, entry, (job) => describe(job, entry), hasLine);
        },
        onTurn: (destination) => this.#forget(destination),
      });
      this.#lanes.set(process, lane);
    }
    return lane;
  }
}

function setAside(message: ActiveMessage, { aside }: Destination, recipients: readonly ActiveRecipient[]): void {
  aside.add(message.envelope.sender, message.id);
  for (const recipient of recipients) recipient.turn = "aside";
}
