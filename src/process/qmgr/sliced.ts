/** Work that is done a slice at a time, so that thousands of pieces of it do not hold up other mail. */
import { Fifo } from "../../base/fifo.ts";

export const SLICE = 100;

export class Sliced<T> {
  readonly #items = new Fifo<T>();
  readonly #each: (item: T) => void;

  constructor(each: (item: T) => void) {
    this.#each = each;
  }

  push(item: T): void {
    this.#items.push(item);
    if (this.#items.size === 1) setImmediate(() => this.#slice());
  }

  #slice(): void {
    for (let count = 0; count < SLICE; count += 1) {
      const item = this.#items.take();
      if (item === undefined) return;
      this.#each(item);
    }
    if (this.#items.size > 0) setImmediate(() => this.#slice());
  }
}
