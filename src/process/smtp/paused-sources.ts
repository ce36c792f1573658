/** The source addresses that an administrator paused, as qmgr told: agents only obey. */
import type { SourcePauses } from "../../ipc/messages.ts";
import { type Pause, pauseValue } from "../../mail/pause.ts";

export class PausedSources {
  #pauses = new Map<string, Pause>(); // by address, as pauseValue has it

  /** These and no others, from now on; qmgr also says when one is over. */
  learn({ paused }: SourcePauses): void {
    this.#pauses = new Map(paused.map((pause) => [pause.value, pause]));
  }

  /** Undefined: mail may leave from there. */
  find(address: string | undefined): Pause | undefined {
    if (this.#pauses.size === 0 || address === undefined) return undefined;
    const value = pauseValue("source", address);
    return value === undefined ? undefined : this.#pauses.get(value);
  }
}
