/**
 * Which destination is next to have a delivery by one kind of agent. Destinations take turns, one delivery each, those
 * with first entries (line.ts) and those with further ones in separate rounds, also by turns: ten thousand
 * destinations of one message do not delay another message's.
 *
 * The last quarter of the agents' places is a reserve: only first entries get one, and of destinations that have next
 * to nothing out. So destinations that answer slowly, many at a time, leave places for those that answer at once.
 * A destination stands, for each kind of entry that waits there, in one of these places:
 *
 *   nowhere  nothing waits, or nothing may be handed out now     -> in a round
 *   in a round                                                   -> nowhere or in the round again, after its turn; held
 *   held     its turn came when only reserved places were free   -> in the round, when others are, or less of it is out
 */
import { Fifo } from "../../base/fifo.ts";
import type { Agent, Agents } from "./agents.ts";
import type { Destination, Entry } from "./destination.ts";
import type { Kind } from "./line.ts";

/** Deliveries that a destination may have out and still get a reserved place. */
const RESERVED_EACH = 2;

export interface LaneEvents {
  /** An agent process is needed: start it. */
  onWanted(process: string, alone: boolean): void;
  onHanded(agent: Agent, entry: Entry): void;
  /** Its turn is over. */
  onTurn(destination: Destination): void;
}

export class Lane {
  readonly #process: string;
  readonly #agents: Agents;
  readonly #events: LaneEvents;
  readonly #rounds: Readonly<Record<Kind, Fifo<Destination>>> = { first: new Fifo(), further: new Fifo() };
  readonly #held = new Set<Destination>();
  readonly #suspects = new Fifo<Entry>();
  #next: Kind = "first";

  constructor(process: string, agents: Agents, events: LaneEvents) {
    this.#process = process;
    this.#agents = agents;
    this.#events = events;
  }

  /** Something may have changed for the destination. */
  list(destination: Destination): void {
    if (!destination.isReady(performance.now())) return;
    if (this.#held.has(destination)) {
      if (destination.busy >= RESERVED_EACH) return;
      this.#held.delete(destination);
    }
    for (const kind of ["first", "further"] as const) {
      if (destination.listed[kind] || !destination.line.has(kind)) continue;
      destination.listed[kind] = true;
      this.#rounds[kind].push(destination);
    }
  }

  /** A message that a process died with: one at a time, by an agent of its own. */
  suspect(entry: Entry): void {
    this.#suspects.push(entry);
  }

  /** Hands out what can be. */
  run(): void {
    this.#runSuspects();
    const nowMs = performance.now();
    while (this.#rounds.first.size + this.#rounds.further.size + this.#held.size > 0) {
      const agent = this.#agents.free(this.#process, false);
      if (agent === undefined) {
        if (!this.#agents.has(this.#process, false)) this.#events.onWanted(this.#process, false);
        break;
      }
      const isReserve = this.#agents.isNearlyFull(this.#process);
      const destination = isReserve ? this.#nextReserved() : this.#nextOf();
      if (destination === undefined) break;
      const entry = this.#entryOf(destination, nowMs, isReserve ? "first" : undefined);
      if (entry !== undefined) this.#hand(agent, entry);
      this.list(destination);
      this.#events.onTurn(destination);
    }
  }

  #nextOf(): Destination | undefined {
    for (const held of this.#held) {
      this.#held.delete(held);
      this.list(held);
      if (this.#rounds.first.size + this.#rounds.further.size > 0) break; // one for each place
    }
    const kind = this.#rounds[this.#next].size > 0 ? this.#next : other(this.#next);
    this.#next = other(kind);
    return this.#take(kind);
  }

  #nextReserved(): Destination | undefined {
    for (;;) {
      const destination = this.#take("first");
      if (destination === undefined || destination.busy < RESERVED_EACH) return destination;
      this.#held.add(destination);
    }
  }

  #take(kind: Kind): Destination | undefined {
    const destination = this.#rounds[kind].take();
    if (destination !== undefined) destination.listed[kind] = false;
    return destination;
  }

  #entryOf(destination: Destination, nowMs: number, only: Kind | undefined): Entry | undefined {
    while (destination.isReady(nowMs)) {
      const entry = destination.line.take(only);
      if (entry === undefined || !entry.message.isSuspect) return entry;
      this.suspect(entry); // a process died with it since it was put in line
    }
    return undefined;
  }

  #runSuspects(): void {
    while (this.#suspects.size > 0) {
      const agent = this.#agents.free(this.#process, true);
      if (agent === undefined) {
        if (!this.#agents.has(this.#process, true)) this.#events.onWanted(this.#process, true);
        return;
      }
      const entry = this.#suspects.take();
      if (entry !== undefined && !entry.isWithdrawn) this.#hand(agent, entry);
    }
  }

  #hand(agent: Agent, entry: Entry): void {
    this.#events.onHanded(agent, entry);
  }
}

function other(kind: Kind): Kind {
  return kind === "first" ? "further" : "first";
}
