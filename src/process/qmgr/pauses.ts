/**
 * What an administrator paused. Its mail is put off untried, as for a suspended destination: no attempt is counted,
 * the lifetime counts. The file in state/ is written before anything else happens, so a pause outlives qmgr.
 */
import type { SourcePauses } from "../../ipc/messages.ts";
import { domainOf } from "../../mail/address.ts";
import { type Pause, pauseKey, pauseText } from "../../mail/pause.ts";
import { readPauses, writePauses } from "../../spool/pauses.ts";
import type { Ending } from "./own-delivery.ts";

/** Ids of one pause that are called back when it ends; what is not remembered comes when it is due. */
const MOST_IDS = 50_000;
/** Of the runtime; longer timers would end at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export interface PauseEvents {
  /** Something is paused or resumed. */
  onChanged(): void;
  /** It is over: these messages can be tried. */
  onResumed(ids: readonly string[]): void;
}

export class Pauses {
  readonly #events: PauseEvents;
  #pauses = new Map<string, Pause>(); // by pauseKey
  readonly #held = new Map<string, Set<string>>(); // message ids, by pauseKey
  #timer: NodeJS.Timeout | undefined;

  /** Throws SPOOL_IO. */
  constructor(events: PauseEvents) {
    this.#events = events;
    for (const pause of readPauses(Date.now())) this.#pauses.set(pauseKey(pause), pause);
    this.#watch();
  }

  get all(): readonly Pause[] {
    return [...this.#pauses.values()];
  }

  /** How a recipient of message `id` ends because of a pause, if there is one. The message is called back afterwards. */
  bar(address: string, sender: string, id: string): Ending | undefined {
    if (this.#pauses.size === 0) return undefined;
    const lower = sender.toLowerCase();
    const keys = [`domain ${domainOf(address)}`, `sender ${lower}`, `sender @${domainOf(lower)}`];
    const key = keys.find((one) => this.#pauses.has(one));
    const pause = key === undefined ? undefined : this.#pauses.get(key);
    if (key === undefined || pause === undefined) return undefined;
    this.hold(key, id);
    const why = pauseText(pause);
    return {
      type: "connect",
      outcome: "deferred",
      dsn: "4.3.2",
      text: `delivery temporarily suspended: ${why}`,
      description: why,
      suspended: true,
      ...(pause.until === undefined ? {} : { until: pause.until }),
    };
  }

  /** For the agents, who choose the source address of each delivery. */
  get sources(): SourcePauses {
    return { type: "sources", paused: this.all.filter(({ kind }) => kind === "source") };
  }

  /** The message waits for the end of this pause, and is called back then. */
  hold(key: string, id: string): void {
    if (!this.#pauses.has(key)) return;
    const ids = this.#held.get(key) ?? new Set();
    this.#held.set(key, ids);
    if (ids.size < MOST_IDS) ids.add(id);
  }

  /** Throws SPOOL_FULL, SPOOL_IO: then nothing has changed. */
  pause(pause: Pause): void {
    this.#replace([...this.all.filter((one) => pauseKey(one) !== pauseKey(pause)), pause]);
  }

  /** Ends those that match; returns which. Throws as `pause` does. */
  resume(matches: (pause: Pause) => boolean): readonly Pause[] {
    const over = this.all.filter(matches);
    if (over.length > 0) this.#replace(this.all.filter((pause) => !over.includes(pause)));
    return over;
  }

  #replace(pauses: readonly Pause[]): void {
    writePauses(pauses);
    this.#pauses = new Map(pauses.map((pause) => [pauseKey(pause), pause]));
    this.#watch();
    this.#events.onChanged();
    for (const [key, ids] of this.#held) {
      if (this.#pauses.has(key)) continue;
      this.#held.delete(key);
      this.#events.onResumed([...ids]);
    }
  }

  /** Waits for the first that ends by itself. */
  #watch(): void {
    clearTimeout(this.#timer);
    const ends = this.all.flatMap(({ until }) => until ?? []);
    if (ends.length === 0) return;
    const forMs = Math.min(LONGEST_TIMER_MS, Math.max(0, Math.min(...ends) - Date.now()) + 1);
    this.#timer = setTimeout(() => this.#expire(), forMs).unref();
  }

  #expire(): void {
    const now = Date.now();
    const left = this.all.filter(({ until }) => until === undefined || until > now);
    try {
      if (left.length === this.#pauses.size) this.#watch();
      else this.#replace(left);
    } catch {
      // A full disk: what is over is over, and is left out when the file is read.
      this.#timer = setTimeout(() => this.#expire(), 60_000).unref();
    }
  }
}
