/** Work that is done again and again, never twice at the same time: when woken, and after as long as it said itself. */

/** Between two rounds, at the least. */
const BREATH_MS = 10;

export class Rounds {
  readonly #work: (wasWoken: boolean) => Promise<number>;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #isWoken = false;
  #isStopped = false;
  #earliest = 0; // of the next round, monotonic ms

  /** `work` resolves with the ms until the next round. What it throws is nobody's to catch: it ends the process. */
  constructor(work: (wasWoken: boolean) => Promise<number>) {
    this.#work = work;
  }

  /** There may be something to do. */
  wake(): void {
    if (this.#isWoken || this.#isStopped) return;
    this.#isWoken = true;
    if (this.#running === undefined) this.#runAfter(Math.max(BREATH_MS, this.#earliest - performance.now()));
  }

  /** Resolves when the round that is under way has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #runAfter(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      this.#running = this.#run();
    }, ms);
  }

  async #run(): Promise<void> {
    const wasWoken = this.#isWoken;
    this.#isWoken = false;
    const began = performance.now();
    const nextMs = await this.#work(wasWoken);
    this.#running = undefined;
    // A look at a full directory takes its time: it must not follow itself at once for each new file.
    const breathMs = Math.max(BREATH_MS, performance.now() - began);
    this.#earliest = performance.now() + breathMs;
    this.#runAfter(this.#isWoken ? breathMs : Math.max(breathMs, nextMs));
  }
}
