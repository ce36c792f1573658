/**
 * The delivery agents, and the jobs that are with each. An agent is in one of these states:
 *
 *   unheard   lives since before this qmgr, inventory not yet said  -> known, or gone (killed after a time)
 *   known     takes jobs                                            -> cut off
 *   cut off   its link closed with jobs out: dead, or coming back   -> known by a new inventory, or gone by master's word
 *   gone      what it held is handed out again
 */
import type { Link } from "../../ipc/link.ts";
import type { Deliver, Message, Report } from "../../ipc/messages.ts";
import type { Entry } from "./destination.ts";

interface Job {
  readonly number: number;
  readonly entry: Entry;
}

export interface Agent {
  readonly pid: number;
  readonly name: string; // the process: "smtp", "maildir"
  readonly alone: boolean;
  readonly credit: number;
  link: Link | undefined;
  isKnown: boolean;
  goneBy: "order" | "accident" | undefined; // master's word, while its link may still have something to say
  readonly jobs: Map<number, Job>;
}

export interface AgentEvents {
  /** A report of a job that is out. `ack`: to be called once the outcome is on disk; until then the agent keeps it. */
  onReport(entry: Entry, report: Report, ack: () => void): void;
  /** A report of a job that this qmgr did not hand out, from before its time. */
  onOldReport(report: Report, ack: () => void): void;
  /** The agent ended, or came back without it: the entry is in nobody's hands. */
  onReturned(entry: Entry, died: boolean, alone: boolean): void;
  /** An agent can take work. */
  onCredit(): void;
}

/** The share of all places that is kept for destinations with little out (lane.ts). */
const RESERVE = 0.25;
/** So long an agent's first words may lie unread in its socket after its death. */
const LAST_WORDS_MS = 60_000;

export class Agents {
  readonly #byPid = new Map<number, Agent>();
  /** Ended before they were heard of here: by order, and when it was said (monotonic, ms). */
  readonly #departed = new Map<number, { readonly ordered: boolean; readonly atMs: number }>();
  readonly #unheard = new Set<number>();
  readonly #events: AgentEvents;
  // Numbers of another qmgr's life must not come again: agents repeat reports until they are acknowledged.
  #lastJob = Date.now() * 1000;
  #heard: (() => void) | undefined;

  constructor(living: readonly number[], events: AgentEvents) {
    this.#events = events;
    for (const pid of living) this.#unheard.add(pid);
  }

  /** Resolves when every agent from before has told what it holds, or is dead. `kill` is for those that do not in time. */
  async settle(timeoutMs: number, kill: (pid: number) => void): Promise<void> {
    if (this.#unheard.size === 0) return;
    const timer = setInterval(() => {
      for (const pid of this.#unheard) kill(pid);
    }, timeoutMs);
    await new Promise<void>((resolve) => {
      this.#heard = resolve;
    });
    clearInterval(timer);
  }

  /** How many deliveries are out, with agents that can still report. */
  get busy(): number {
    let count = 0;
    for (const agent of this.#byPid.values()) if (agent.link !== undefined) count += agent.jobs.size;
    return count;
  }

  connected(link: Link): void {
    const { name, pid, credit, alone } = link.peer ?? { name: "", pid: 0 };
    let agent = this.#byPid.get(pid);
    if (agent === undefined) {
      const jobs = new Map<number, Job>();
      const goneBy = this.#departure(pid);
      agent = { pid, name, alone: alone === true, credit: credit ?? 1, link, isKnown: false, goneBy, jobs };
      this.#byPid.set(pid, agent);
    }
    agent.link = link;
  }

  /** All that the agent holds; jobs that it does not name are in nobody's hands. */
  inventory(link: Link, reports: readonly Report[]): void {
    const agent = this.#of(link);
    if (agent === undefined) return;
    for (const report of reports) this.report(link, report);
    this.#release(agent, false);
    agent.isKnown = true;
    this.#hear(agent.pid);
    this.#events.onCredit();
  }

  report(link: Link, report: Report): void {
    const ack = () => link.send({ type: "ack", jobs: [report.job] });
    const agent = this.#of(link);
    const job = agent?.jobs.get(report.job);
    if (agent === undefined || job === undefined) {
      this.#events.onOldReport(report, ack);
      return;
    }
    agent.jobs.delete(report.job);
    this.#events.onReport(job.entry, report, ack);
    this.#events.onCredit();
  }

  disconnected(link: Link): void {
    const agent = this.#of(link);
    if (agent === undefined || agent.link !== link) return;
    agent.link = undefined;
    agent.isKnown = false;
    this.#bury(agent);
  }

  /** Master's word: the process ended. `ordered`: master ended it itself. */
  gone(pid: number, ordered: boolean): void {
    const agent = this.#byPid.get(pid);
    this.#hear(pid);
    if (agent === undefined) {
      this.#departed.set(pid, { ordered, atMs: performance.now() });
      return;
    }
    agent.goneBy = ordered ? "order" : "accident";
    this.#bury(agent);
  }

  /** An agent of that process with room for a job; the least busy. */
  free(name: string, alone: boolean): Agent | undefined {
    let best: Agent | undefined;
    for (const agent of this.#byPid.values()) {
      if (agent.name !== name || agent.alone !== alone || !agent.isKnown || agent.link === undefined) continue;
      if (agent.goneBy !== undefined) continue;
      if (agent.jobs.size >= agent.credit) continue;
      if (best === undefined || agent.jobs.size < best.jobs.size) best = agent;
    }
    return best;
  }

  /** Whether what is free of all places in agents of that process is the reserve. */
  isNearlyFull(name: string): boolean {
    let places = 0;
    let taken = 0;
    for (const agent of this.#byPid.values()) {
      if (agent.name !== name || agent.alone || !agent.isKnown) continue;
      places += agent.credit;
      taken += agent.jobs.size;
    }
    return taken >= places * (1 - RESERVE);
  }

  /** Whether an agent of that process is there, busy or not. */
  has(name: string, alone: boolean): boolean {
    for (const agent of this.#byPid.values())
      if (agent.name === name && agent.alone === alone && agent.isKnown && agent.goneBy === undefined) return true;
    return false;
  }

  /** `isWaitedFor`: a connection has nothing to do until it comes. */
  hand(agent: Agent, entry: Entry, describe: (job: number) => Deliver, isWaitedFor = false): void {
    this.#lastJob += 1;
    agent.jobs.set(this.#lastJob, { number: this.#lastJob, entry });
    agent.link?.send(describe(this.#lastJob), isWaitedFor);
  }

  /** Says something to all that are there. */
  tell(message: Message): void {
    for (const agent of this.#byPid.values()) agent.link?.send(message);
  }

  /** How the agent with this pid has ended, if master said so before the agent could say that it was there. */
  #departure(pid: number): Agent["goneBy"] {
    const told = this.#departed.get(pid);
    const since = performance.now() - LAST_WORDS_MS;
    for (const [old, { atMs }] of this.#departed) if (old === pid || atMs < since) this.#departed.delete(old);
    if (told === undefined || told.atMs < since) return undefined; // or another process with the same number
    return told.ordered ? "order" : "accident";
  }

  /** Both must be true: master says that it ended, and its link has said its last. */
  #bury(agent: Agent): void {
    if (agent.goneBy === undefined || agent.link !== undefined) return;
    this.#byPid.delete(agent.pid);
    this.#release(agent, agent.goneBy === "accident");
  }

  #release(agent: Agent, died: boolean): void {
    const jobs = [...agent.jobs.values()];
    agent.jobs.clear();
    for (const job of jobs) this.#events.onReturned(job.entry, died, agent.alone);
  }

  #hear(pid: number): void {
    this.#unheard.delete(pid);
    if (this.#unheard.size === 0) this.#heard?.();
  }

  #of(link: Link): Agent | undefined {
    return link.peer === undefined ? undefined : this.#byPid.get(link.peer.pid);
  }
}
