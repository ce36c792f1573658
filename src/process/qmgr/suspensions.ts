/** Destinations whose mail is put off untried: what stands in line there, and when that is over. */
import type { Destination, Entry } from "./destination.ts";
import { SLICE } from "./sliced.ts";

/** Of the runtime; longer ones would end at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

export interface SuspensionEvents {
  /** The entry is not to be tried. */
  onSuspended(entry: Entry, why: string, until: number): void; // ms since 1970
  /** Its time is over. */
  onOver(destination: Destination): void;
}

export class Suspensions {
  readonly #events: SuspensionEvents;
  readonly #draining = new Set<Destination>(); // with entries to be put off

  constructor(events: SuspensionEvents) {
    this.#events = events;
  }

  /** Once for each suspension: its beginning and its end. */
  begin(destination: Destination): void {
    this.drain(destination);
    const until = destination.suspendedUntilMs;
    const forMs = Math.min(LONGEST_TIMER_MS, Math.max(1, until - performance.now()));
    setTimeout(() => {
      if (destination.suspendedUntilMs !== until) return; // ended before
      if (until > performance.now() + 1) this.begin(destination);
      else this.#events.onOver(destination);
    }, forMs).unref();
  }

  end(destination: Destination): void {
    this.#draining.delete(destination);
    destination.resume();
  }

  /** What stands in its line is put off, in slices. */
  drain(destination: Destination): void {
    if (this.#draining.has(destination)) return;
    this.#draining.add(destination);
    const until = destination.suspendedUntilMs;
    const slice = () => {
      if (!this.#draining.has(destination) || destination.suspendedUntilMs !== until) return;
      for (let count = 0; count < SLICE; count += 1) {
        const entry = destination.line.take();
        if (entry === undefined) {
          this.#draining.delete(destination);
          return;
        }
        entry.message.inLine.delete(entry);
        this.#events.onSuspended(entry, destination.suspendedWhy, Math.ceil(Date.now() + until - performance.now()));
      }
      setImmediate(slice);
    };
    setImmediate(slice);
  }
}
