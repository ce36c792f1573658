/** A queue in which owners take turns: each owner's items keep their order, and nobody waits for all of another's. */
import { Fifo } from "../../base/fifo.ts";

/** Adding and taking cost the same however many items and owners there are. */
export class Turns<T> {
  readonly #items = new Map<string, Fifo<T>>(); // by owner; those without items are not here
  readonly #round = new Fifo<string>(); // every owner who has items, once
  #size = 0;

  get size(): number {
    return this.#size;
  }

  sizeOf(owner: string): number {
    return this.#items.get(owner)?.size ?? 0;
  }

  push(owner: string, item: T): void {
    let items = this.#items.get(owner);
    if (items === undefined) {
      items = new Fifo();
      this.#items.set(owner, items);
      this.#round.push(owner);
    }
    items.push(item);
    this.#size += 1;
  }

  take(): T | undefined {
    const owner = this.#round.take();
    const items = owner === undefined ? undefined : this.#items.get(owner);
    if (owner === undefined || items === undefined) return undefined;
    const item = items.take();
    this.#size -= 1;
    if (items.size === 0) this.#items.delete(owner);
    else this.#round.push(owner);
    return item;
  }
}
