/** A filesystem of our own for a spool: one that is soon full, or one whose power can be cut. Needs root. */
import { execFileSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  realpathSync,
  rmSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./until.ts";

/** Why none can be made here; undefined if one can. */
export function whyNoSmallDisk(): string | undefined {
  if (process.getuid?.() !== 0) return "mounting needs root";
  const directory = mkdtempSync(join(tmpdir(), "sces-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "sces-test", directory], { stdio: "pipe" });
    execFileSync("umount", [directory], { stdio: "pipe" });
    return undefined;
  } catch (error) {
    return `no tmpfs can be mounted: ${(error as Error).message.split("\n")[0]}`;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** In memory, as large as it is told. */
export class SmallDisk implements AsyncDisposable {
  readonly #directory = realpathSync(mkdtempSync(join(tmpdir(), "sces-disk-")));
  readonly path: string; // the mount point
  #isMounted = false;

  constructor(sizeBytes: number, inodes: number) {
    this.path = join(this.#directory, "mount");
    mkdirSync(this.path);
    const options = `size=${sizeBytes},nr_inodes=${inodes},mode=0700`;
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "sces-test", this.path]);
    this.#isMounted = true;
  }

  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** Writes a file of somebody else's that leaves at most `leaveBytes`. */
  fill(leaveBytes = 0): void {
    const fd = openSync(join(this.path, "foreign-file"), "a");
    try {
      for (;;) {
        const size = Math.min(65_536, this.freeBytes() - leaveBytes);
        if (size <= 0) return;
        writeSync(fd, Buffer.alloc(size, "x"));
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    } finally {
      closeSync(fd);
    }
  }

  /** Makes empty files until no inode is left. */
  fillInodes(): void {
    const directory = join(this.path, "foreign-files");
    try {
      mkdirSync(directory);
      for (let number = 0; ; number++) writeFileSync(join(directory, String(number)), "");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    }
  }

  /** Removes what `fill` and `fillInodes` made. */
  free(): void {
    for (const name of ["foreign-file", "foreign-files"])
      rmSync(join(this.path, name), { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isMounted) await unmount(this.path);
    rmSync(this.#directory, { recursive: true });
  }
}

/** Until the last of those who were just killed has let go of it. */
export async function unmount(path: string): Promise<void> {
  let trouble = "";
  await until(
    () => `${path} to be unmounted: ${trouble}`,
    () => {
      try {
        execFileSync("umount", [path], { stdio: "pipe" });
        return true;
      } catch (error) {
        trouble = (error as Error).message;
        return false;
      }
    },
    20_000,
  );
}
