/** `flush --wait`: what became of each message, as qmgr tells it, until all have been tried. */
import { clean } from "../../base/text.ts";
import type { Concluded } from "../../ipc/messages.ts";
import { complain } from "../entry.ts";
import type { CommandIo } from "../io.ts";
import { jsonLine } from "./json-line.ts";

export class Fates {
  readonly #io: CommandIo;
  readonly #json: boolean;
  readonly #known = new Set<string>();
  readonly #open = new Set<string>(); // waited for
  #isGone = false;
  #changed: () => void = () => {};

  constructor(io: CommandIo, json: boolean) {
    this.#io = io;
    this.#json = json;
  }

  /** qmgr's word, which may come before its answer to the question. */
  readonly onConcluded = ({ id, fate, text }: Concluded): void => {
    if (this.#known.has(id)) return;
    this.#known.add(id);
    this.#open.delete(id);
    const why = text === "" ? "" : ` (${clean(text, 4096)})`;
    this.#io.stdout.write(this.#json ? jsonLine({ queue_id: id, fate, text }) : `${id}: ${fate}${why}\n`);
    this.#changed();
  };

  readonly onGone = (): void => {
    this.#isGone = true;
    this.#changed();
  };

  /** Waits until the fate of all these is known. Returns false, with a word on stderr, when it stays open. */
  async all(ids: ReadonlySet<string>, timeoutMs: number): Promise<boolean> {
    for (const id of ids) if (!this.#known.has(id)) this.#open.add(id);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#changed = () => {
        if (this.#open.size > 0 && !this.#isGone) return;
        clearTimeout(timer);
        resolve();
      };
      this.#changed();
    });
    if (this.#open.size === 0) return true;
    const why = this.#isGone ? "the queue manager went away" : `no word within ${timeoutMs / 1000} s`;
    const text = `${why}; of ${this.#open.size} of ${ids.size} it is not known what became (sces-queue list shows them)`;
    complain("sces-queue", this.#io, text);
    return false;
  }
}
