/** A bounded map whose entries go when their time is over, and the one longest unused when there are too many. */

interface Entry<V> {
  readonly value: V;
  readonly until: number; // on the monotonic clock, ms
}

export class TtlCache<V> {
  readonly #entries = new Map<string, Entry<V>>(); // longest unused first
  readonly #limit: number;
  readonly #monotonic: () => number;

  constructor(limit: number, monotonic: () => number) {
    this.#limit = limit;
    this.#monotonic = monotonic;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (entry.until <= this.#monotonic()) return undefined;
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** Keeps it for `ttlMs`; not at all if that is 0 or less. */
  set(key: string, value: V, ttlMs: number): void {
    this.#entries.delete(key);
    if (ttlMs <= 0) return;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size < this.#limit) break;
      this.#entries.delete(oldest);
    }
    this.#entries.set(key, { value, until: this.#monotonic() + ttlMs });
  }

  clear(): void {
    this.#entries.clear();
  }
}
