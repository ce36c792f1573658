/**
 * A log file that somebody else writes, read as it grows. Nothing is read until someone asks; waiting is by
 * fs.watch with a short timer beside it, since inotify may be out of watches.
 */
import { closeSync, fstatSync, openSync, readSync, watch } from "node:fs";
import { dirname } from "node:path";

export type LinePattern = RegExp | string | ((line: string) => boolean);

export class LogFile {
  readonly path: string;
  #lines: string[] = [];
  #offset = 0;
  #inode = 0;
  #partial: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    this.path = path;
  }

  /** All whole lines so far. */
  lines(): readonly string[] {
    this.#read();
    return this.#lines;
  }

  /** The first line at or behind `from` that matches. Throws with the end of the log after `timeoutMs`. */
  async waitFor(pattern: LinePattern, timeoutMs = 10_000, from = 0): Promise<string> {
    let next = from;
    const look = (): string | undefined => {
      const lines = this.lines();
      for (; next < lines.length; next++) {
        const line = lines[next] as string;
        if (matches(line, pattern)) return line;
      }
      return undefined;
    };
    const deadline = performance.now() + timeoutMs;
    let wake: () => void = () => {};
    const watcher = tryWatch(dirname(this.path), () => wake());
    try {
      for (;;) {
        const line = look();
        if (line !== undefined) return line;
        const left = deadline - performance.now();
        if (left <= 0) break;
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, Math.min(left, 100));
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    } finally {
      watcher?.close();
    }
    throw new Error(`no log line matched ${pattern} within ${timeoutMs} ms; the log ends:\n${this.tail(40)}`);
  }

  tail(count: number): string {
    return this.lines().slice(-count).join("\n");
  }

  #read(): void {
    let fd: number;
    try {
      fd = openSync(this.path, "r");
    } catch {
      return; // not there yet, or being rotated
    }
    try {
      const { ino, size } = fstatSync(fd);
      if (ino !== this.#inode || size < this.#offset) this.#offset = 0; // rotated: a new file under the old name
      this.#inode = ino;
      while (this.#offset < size) {
        const chunk = Buffer.allocUnsafe(Math.min(1 << 20, size - this.#offset));
        const got = readSync(fd, chunk, 0, chunk.length, this.#offset);
        if (got === 0) break;
        this.#offset += got;
        this.#take(chunk.subarray(0, got));
      }
    } finally {
      closeSync(fd);
    }
  }

  #take(chunk: Buffer): void {
    const data = this.#partial.length > 0 ? Buffer.concat([this.#partial, chunk]) : chunk;
    const end = data.lastIndexOf(10) + 1;
    this.#partial = Buffer.from(data.subarray(end));
    if (end > 0) for (const line of data.toString("utf8", 0, end - 1).split("\n")) this.#lines.push(line);
  }
}

function matches(line: string, pattern: LinePattern): boolean {
  if (typeof pattern === "string") return line.includes(pattern);
  return typeof pattern === "function" ? pattern(line) : pattern.test(line);
}

function tryWatch(directory: string, onChange: () => void): { close(): void } | undefined {
  try {
    const watcher = watch(directory, onChange);
    watcher.on("error", () => {}); // the timer goes on
    return watcher;
  } catch {
    return undefined;
  }
}
