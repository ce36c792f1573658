/**
 * Says when something happens in drop/, so that a dropped file need not wait for the timed scan. Only a wake-up: no
 * name is taken from it, and whatever it misses the scan finds. A watch is good for one event: chokidar reads each file
 * that it announces, which costs more than taking it, reads the directory at most once a second, and falls silent when
 * files go as fast as they come. So each watch ends with its first event, and a fresh one starts when the directory
 * has been worked off; what came in between is seen when that is ready.
 *
 *   resting  no watch                                          -> starting, by `arm`
 *   starting chokidar reads the directory                      -> watching; failed
 *   watching the first event wakes                             -> resting; failed
 *   failed   an error, or it never got ready                   -> resting, after a while
 */
import { type FSWatcher, watch } from "chokidar";
import { messageOf } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { clean } from "../../base/text.ts";
import { DROP } from "../../spool/queues.ts";

const READY_WITHIN_MS = 30_000;
const REST_AFTER_FAILURE_MS = 60_000;

export class DropWatch {
  readonly #log: Log;
  readonly #onWake: () => void;
  readonly #told = new Set<string>(); // errors that were logged: each is logged once
  #watcher: FSWatcher | undefined;
  #isReady = false;
  #ending: Promise<void> | undefined; // two watches of one directory would share, and end, what is below them
  #started = 0; // monotonic ms
  #restUntil = 0; // monotonic ms
  #isClosed = false;

  constructor(log: Log, onWake: () => void) {
    this.#log = log;
    this.#onWake = onWake;
  }

  /** drop/ holds little now: watch it, if it isn't watched. */
  arm(): void {
    const now = performance.now();
    if (this.#watcher !== undefined && !this.#isReady && now - this.#started > READY_WITHIN_MS) {
      this.#fail("it did not get ready"); // as chokidar 5 when it met a link through a file
    }
    if (this.#watcher !== undefined || this.#ending !== undefined || this.#isClosed || now < this.#restUntil) return;
    this.#started = now;
    this.#isReady = false;
    try {
      this.#watcher = this.#start();
    } catch (error) {
      this.#fail(messageOf(error));
    }
  }

  /** A scan found what the watch should have announced: it may be deaf. */
  distrust(): void {
    if (this.#isReady) void this.#end();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#end();
  }

  #start(): FSWatcher {
    const watcher = watch(DROP, {
      ignoreInitial: true,
      depth: 0,
      followSymlinks: false,
      atomic: false,
      ignored: (path: string) => /(?:^|\/)\.[^/]*$|\.tmp$/i.test(path),
    });
    const isCurrent = () => this.#watcher === watcher;
    watcher.on("all", (event) => {
      if (!isCurrent() || event === "unlink" || event === "unlinkDir") return; // that is us
      void this.#end();
      this.#onWake();
    });
    watcher.on("ready", () => {
      if (!isCurrent()) return;
      this.#isReady = true;
      this.#onWake(); // for what came while it started
    });
    watcher.on("error", (error) => {
      if (isCurrent()) this.#fail(messageOf(error));
    });
    return watcher;
  }

  #fail(why: string): void {
    this.#restUntil = performance.now() + REST_AFTER_FAILURE_MS;
    void this.#end();
    const text = clean(why, 200);
    if (this.#told.has(text) || this.#told.size > 20) return;
    this.#told.add(text);
    this.#log.warn(`cannot watch ${DROP}/: ${text}; dropped files wait for the scan meanwhile`);
  }

  /** Never rejects: nothing waits for it but the end of the process. */
  async #end(): Promise<void> {
    const watcher = this.#watcher;
    this.#watcher = undefined;
    this.#isReady = false;
    if (watcher === undefined) return this.#ending;
    // An error while closing says nothing that matters any more.
    this.#ending = watcher.close().catch(() => {});
    await this.#ending;
    this.#ending = undefined;
    if (!this.#isClosed) this.#onWake(); // to be armed again
  }
}
