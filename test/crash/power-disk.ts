/** A loop-mounted ext4 whose power can be cut. `commit=600` keeps the kernel from syncing by itself meanwhile. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unmount, whyNoSmallDisk } from "../harness/small-disk.ts";
import { until } from "../harness/until.ts";

const IMAGE_BYTES = 400_000_000; // sparse

/** Why the power cannot be cut here; undefined if it can. */
export function whyNoPowerDisk(): string | undefined {
  for (const program of ["cc", "mkfs.ext4", "losetup"]) {
    try {
      execFileSync("/bin/sh", ["-c", `command -v ${program}`], { stdio: "pipe" });
    } catch {
      return `there is no ${program}`;
    }
  }
  return whyNoSmallDisk();
}

export class PowerDisk implements AsyncDisposable {
  readonly path: string; // the mount point
  readonly #directory = realpathSync(mkdtempSync(join(tmpdir(), "sces-power-")));
  readonly #image: string;
  readonly #cutter: string;
  #isMounted = false;

  constructor() {
    this.path = join(this.#directory, "mount");
    this.#image = join(this.#directory, "image");
    this.#cutter = join(this.#directory, "going-down");
    execFileSync("cc", ["-o", this.#cutter, join(import.meta.dirname, "going-down.c")]);
    mkdirSync(this.path);
    writeFileSync(this.#image, "");
    truncateSync(this.#image, IMAGE_BYTES);
    execFileSync("mkfs.ext4", ["-q", "-F", this.#image], { stdio: "pipe" });
    this.#mount();
  }

  /** Made ready before, so that the cut itself takes microseconds. */
  async arm(): Promise<() => Promise<void>> {
    const child: ChildProcess = spawn(this.#cutter, [this.path], { stdio: ["pipe", "pipe", "inherit"] });
    const exited = once(child, "exit");
    if (child.stdout) await once(child.stdout, "data");
    return async () => {
      child.stdin?.write("!");
      const [code] = await exited;
      if (code !== 0) throw new Error(`going-down ended with status ${code}`);
    };
  }

  /** Power is back: the journal is replayed. Everybody who had files open there must be dead. */
  async restore(): Promise<void> {
    await unmount(this.path);
    this.#isMounted = false;
    const loops = (): string => execFileSync("losetup", ["-j", this.#image], { encoding: "utf8" });
    await until("the loop device to go", () => loops() === "", 20_000);
    this.#mount();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isMounted) await unmount(this.path);
    rmSync(this.#directory, { recursive: true });
  }

  #mount(): void {
    execFileSync("mount", ["-o", "loop,commit=600", this.#image, this.path]);
    this.#isMounted = true;
  }
}
