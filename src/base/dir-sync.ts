/**
 * Directory syncs shared by all who ask at the same time. A name made by rename or link is durable once its directory
 * has been synced after that; a request that arrives while a sync is under way waits for the next one, because the
 * running one may have begun before the name was made.
 */
import { closeSync, fsync, openSync } from "node:fs";

export class DirSync {
  readonly #path: string;
  #fd = -1;
  #waiting: Array<{ resolve: () => void; reject: (error: unknown) => void }> = [];
  #running = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** Resolves when every name made in the directory before this call is durable. Rejects with the system's error. */
  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (!this.#running) this.#run();
    });
  }

  close(): void {
    if (this.#fd >= 0 && !this.#running) closeSync(this.#fd);
    this.#fd = -1;
  }

  #run(): void {
    const batch = this.#waiting;
    this.#waiting = [];
    this.#running = true;
    const finish = (error: NodeJS.ErrnoException | null) => {
      this.#running = false;
      // After a failed fsync the descriptor has forgotten the error: a second one could lie. Take a new descriptor.
      if (error && this.#fd >= 0) {
        closeSync(this.#fd);
        this.#fd = -1;
      }
      for (const waiter of batch) error ? waiter.reject(error) : waiter.resolve();
      if (this.#waiting.length > 0 && !this.#running) this.#run();
    };
    try {
      if (this.#fd < 0) this.#fd = openSync(this.#path, "r");
    } catch (error) {
      finish(error as NodeJS.ErrnoException);
      return;
    }
    fsync(this.#fd, finish);
  }
}
