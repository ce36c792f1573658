/**
 * The bare file work of one message in Node, with nothing else: what no mail system with our promises, written in
 * Node, can beat in one process. Ten at once, as ten sessions would: create, write, fsync, rename into incoming,
 * fsync of the directory (concurrent ones share it), rename into active, remove.
 *
 *   node bench/file-floor.ts DIRECTORY MESSAGES BYTES      prints {"seconds":...,"cpuSeconds":...}
 */
import { close, closeSync, fsync, mkdirSync, open, openSync, rename, rmSync, unlink, write } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const CONCURRENCY = 10;

const files = {
  open: promisify(open),
  write: promisify(write),
  fsync: promisify(fsync),
  close: promisify(close),
  rename: promisify(rename),
  unlink: promisify(unlink),
};

/** fsync of a directory. Whoever asks while one is running waits for the next: the running one may have missed him. */
class SharedSync {
  readonly #fd: number;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(fd: number) {
    this.#fd = fd;
  }

  sync(): Promise<void> {
    if (!this.#running) {
      this.#running = files.fsync(this.#fd).finally(() => {
        this.#running = undefined;
      });
      return this.#running;
    }
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      return this.sync();
    });
    return this.#next;
  }
}

async function main(directory: string, messages: number, bytes: number): Promise<void> {
  const incoming = join(directory, "incoming");
  const active = join(directory, "active");
  for (const path of [incoming, active]) mkdirSync(path, { recursive: true });
  const content = Buffer.alloc(bytes, "x");
  const fd = openSync(incoming, "r");
  const directorySync = new SharedSync(fd);
  let next = 0;
  const work = async (): Promise<void> => {
    for (let number = next++; number < messages; number = next++) {
      const temporary = join(incoming, `.tmp.${number}`);
      const file = await files.open(temporary, "wx", 0o600);
      await files.write(file, content);
      await files.fsync(file);
      await files.close(file);
      await files.rename(temporary, join(incoming, String(number)));
      await directorySync.sync();
      await files.rename(join(incoming, String(number)), join(active, String(number)));
      await files.unlink(join(active, String(number)));
    }
  };
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  closeSync(fd);
  rmSync(directory, { recursive: true });
  console.log(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6 }));
}

const [directory, messages, bytes] = process.argv.slice(2);
if (!directory || !messages || !bytes) throw new Error("usage: file-floor.ts DIRECTORY MESSAGES BYTES");
await main(directory, Number(messages), Number(bytes));
