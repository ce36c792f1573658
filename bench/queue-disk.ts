/**
 * A disk of its own for a spool with very many messages: a file with an ext4 filesystem (journal, as everybody has it),
 * mounted. In the end it is unmounted and its file removed, which takes a moment; to remove a million files takes
 * minutes and makes the machine's own filesystem slow for longer. Without root: a folder.
 */
import { execFileSync, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  opendirSync,
  realpathSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unmount } from "../test/harness/small-disk.ts";

/** A queue file takes a block of 4 KB and an inode of 256 bytes, with something to spare. */
const BYTES_EACH = 6000;
const SPARE_BYTES = 1024 ** 3;
/** Processes that write files at once. */
const WRITERS = 2;

export class QueueDisk implements AsyncDisposable {
  readonly spool: string;
  readonly kind: string;
  readonly #directory: string;
  readonly #mount: string | undefined;
  readonly #isKept: boolean;

  private constructor(directory: string, mount: string | undefined, isKept = false) {
    this.#directory = directory;
    this.#mount = mount;
    this.#isKept = isKept;
    this.kind = mount === undefined ? "a folder" : "ext4 with a journal, in a file";
    this.spool = join(mount ?? directory, "spool");
    mkdirSync(join(this.spool, "deferred"), { recursive: true, mode: 0o700 });
  }

  /** `image`: a file that stays, with all that is in it, and is used again when it is there; or a folder. */
  static make(messages: number, image: string | undefined): QueueDisk {
    if (image !== undefined && statSync(image, { throwIfNoEntry: false })?.isDirectory()) {
      return new QueueDisk(image, undefined, true);
    }
    const directory = realpathSync(mkdtempSync(join(tmpdir(), "sces-queue-")));
    if (process.getuid?.() !== 0) return new QueueDisk(directory, undefined);
    const file = image ?? join(directory, "image");
    const mount = join(directory, "mount");
    mkdirSync(mount);
    try {
      if (!existsSync(file)) {
        writeFileSync(file, "");
        truncateSync(file, messages * BYTES_EACH + SPARE_BYTES);
        const inodes = String(messages + Math.floor(messages / 5) + 100_000);
        const options = "lazy_itable_init=1,nodiscard";
        execFileSync("mkfs.ext4", ["-q", "-F", "-O", "has_journal", "-m", "0", "-N", inodes, "-E", options, file]);
      }
      execFileSync("mount", ["-o", "loop,noatime,noinit_itable", file, mount]);
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
    return new QueueDisk(directory, mount);
  }

  count(): number {
    let count = 0;
    const directory = opendirSync(join(this.spool, "deferred"), { bufferSize: 1024 });
    while (directory.readSync() !== null) count += 1;
    directory.closeSync();
    return count;
  }

  /** Makes messages until so many are there, and waits until they are on the disk. */
  async fill(messages: number, signal: AbortSignal): Promise<void> {
    const first = this.count();
    const share = Math.ceil(Math.max(0, messages - first) / WRITERS);
    const script = join(import.meta.dirname, "deferred-files.ts");
    const writers = Array.from({ length: WRITERS }, (_, number) => {
      const from = first + number * share;
      const count = Math.max(0, Math.min(share, messages - from));
      return run(process.execPath, [script, join(this.spool, "deferred"), String(from), String(count)], signal);
    });
    await Promise.all(writers);
    await run("sync", ["-f", this.spool], signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#mount !== undefined) await unmount(this.#mount);
    if (!this.#isKept) rmSync(this.#directory, { recursive: true, force: true });
  }
}

async function run(command: string, args: readonly string[], signal: AbortSignal): Promise<void> {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "inherit"], signal });
  const code = await new Promise((resolve, reject) => child.once("error", reject).once("exit", resolve));
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}: exit status ${String(code)}`);
}
