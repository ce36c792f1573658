/**
 * A file whose content is used again and again: read when it is first asked for, and again when it has changed, which
 * is looked at no more than once a second. A change that cannot be read does not undo what is known.
 */
import { statSync } from "node:fs";
import { messageOf } from "../base/errors.ts";

const LOOK_AGAIN_MS = 1000;

export interface WatchedFileOptions<T> {
  readonly path: string;
  /** Reads and understands it. Whatever it throws is what whoever asks gets, if nothing is known of the file yet. */
  read(): T;
  warn(text: string): void; // once for each state of the file that cannot be read
  readonly monotonic?: (() => number) | undefined; // ms
}

export class WatchedFile<T> {
  readonly #options: WatchedFileOptions<T>;
  #known: { readonly value: T } | undefined;
  #stamp = ""; // of the file that was read last, or could not be
  #lookAtMs = 0; // monotonic

  constructor(options: WatchedFileOptions<T>) {
    this.#options = options;
  }

  /** What is in it now. Throws what `read` throws if it could never be read. */
  current(): T {
    const now = (this.#options.monotonic ?? performance.now.bind(performance))();
    if (this.#known !== undefined && now < this.#lookAtMs) return this.#known.value;
    this.#lookAtMs = now + LOOK_AGAIN_MS;
    const stamp = stampOf(this.#options.path);
    if (this.#known !== undefined && stamp === this.#stamp) return this.#known.value;
    const isNews = stamp !== this.#stamp;
    this.#stamp = stamp;
    try {
      this.#known = { value: this.#options.read() };
    } catch (error) {
      if (isNews) this.#options.warn(messageOf(error));
      if (this.#known === undefined) throw error;
    }
    return this.#known.value;
  }
}

/** Changes when the file does. */
function stampOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stat === undefined ? "gone" : `${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`;
}
