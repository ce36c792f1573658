/** The remote addresses that qmgr has marked offline, as an agent knows them: agents only obey. */
import type { Offline, Remotes } from "../../ipc/messages.ts";

export interface OfflineMark extends Offline {
  readonly untilMs: number; // monotonic clock of this process
}

export class OfflineList {
  readonly #marks = new Map<string, OfflineMark>();

  /** qmgr's word: what is offline from now on, and what is not any more. */
  learn({ offline, online, all }: Remotes): void {
    if (all) this.#marks.clear();
    const now = performance.now();
    for (const [key, { untilMs }] of this.#marks) {
      if (untilMs > now) break;
      this.#marks.delete(key);
    }
    for (const mark of offline) this.#marks.set(keyOf(mark), { ...mark, untilMs: now + mark.forMs });
    for (const remote of online ?? []) this.#marks.delete(keyOf(remote));
  }

  /** Why this address is not to be tried now; undefined if it may be. */
  find(address: string, port: number): OfflineMark | undefined {
    if (this.#marks.size === 0) return undefined;
    const key = keyOf({ address, port });
    const mark = this.#marks.get(key);
    if (mark === undefined || mark.untilMs > performance.now()) return mark;
    this.#marks.delete(key);
    return undefined;
  }
}

function keyOf({ address, port }: { readonly address: string; readonly port: number }): string {
  return `${address} ${port}`;
}
