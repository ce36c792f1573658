/**
 * Messages that wait in incoming/ because an alias table cannot be read, or says what cannot be followed. Each cause
 * is logged once, and one of its messages tried again every second: when that one gets through, so will the others.
 */
import type { Log } from "../../base/log.ts";

const RETRY_MS = 1000;
/** So many causes are remembered; mail with others waits for the next scan. */
const MAX_CAUSES = 100;

export interface StuckEvents {
  /** Try this one again; what is still in its way is added anew. Returns false if it cannot be tried now. */
  retry(id: string): boolean;
  /** A cause is gone: look for what waits. */
  onMended(): void;
}

export class Stuck {
  readonly #log: Log;
  readonly #events: StuckEvents;
  readonly #causes = new Map<string, string>(); // what is wrong -> a message that waits for it
  readonly #again = new Set<string>(); // causes met since the last retry
  #timer: NodeJS.Timeout | undefined;

  constructor(log: Log, events: StuckEvents) {
    this.#log = log;
    this.#events = events;
  }

  add(id: string, cause: string): void {
    this.#again.add(cause);
    if (this.#causes.has(cause)) return;
    this.#log.warn(`${id}: stays in incoming until this is mended: ${cause}`);
    if (this.#causes.size >= MAX_CAUSES) return;
    this.#causes.set(cause, id);
    this.#timer ??= setTimeout(() => this.#retry(), RETRY_MS);
  }

  #retry(): void {
    this.#timer = undefined;
    this.#again.clear();
    for (const [cause, id] of [...this.#causes]) if (!this.#events.retry(id)) this.#again.add(cause);
    const mended = [...this.#causes.keys()].filter((cause) => !this.#again.has(cause));
    for (const cause of mended) this.#causes.delete(cause);
    if (this.#causes.size > 0) this.#timer ??= setTimeout(() => this.#retry(), RETRY_MS);
    if (mended.length > 0) this.#events.onMended();
  }
}
