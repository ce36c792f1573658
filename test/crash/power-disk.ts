/** A loop-mounted ext4 or xfs whose power can be cut. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { unmount, whyNoSmallDisk } from "../harness/small-disk.ts";
import { until } from "../harness/until.ts";

const IMAGE_BYTES = 400_000_000; // sparse

export type FileSystem = "ext4" | "xfs";

/** `commit=600` keeps ext4 from syncing by itself; xfs does so every 30 s. */
const MOUNT_OPTIONS: Readonly<Record<FileSystem, string>> = { ext4: "loop,commit=600,errors=remount-ro", xfs: "loop" };
const MAKE_OPTIONS: Readonly<Record<FileSystem, readonly string[]>> = { ext4: ["-q", "-F"], xfs: ["-q", "-f"] };

/** Why the power cannot be cut here; undefined if it can. */
export function whyNoPowerDisk(fileSystem: FileSystem): string | undefined {
  for (const program of ["cc", `mkfs.${fileSystem}`, "losetup"]) {
    try {
      execFileSync("/bin/sh", ["-c", `command -v ${program}`], { stdio: "pipe" });
    } catch {
      return `there is no ${program}`;
    }
  }
  spawnSync("modprobe", [fileSystem]); // where it is built in or loaded already there is nothing to do
  if (!readFileSync("/proc/filesystems", "utf8").includes(`\t${fileSystem}\n`))
    return `the kernel has no ${fileSystem}`;
  return whyNoSmallDisk();
}

export class PowerDisk implements AsyncDisposable {
  readonly path: string; // the mount point
  readonly #directory = realpathSync(mkdtempSync(join(tmpdir(), "sces-power-")));
  readonly #image: string;
  readonly #cutter: string;
  readonly #fileSystem: FileSystem;
  #isMounted = false;

  constructor(fileSystem: FileSystem) {
    this.#fileSystem = fileSystem;
    this.path = join(this.#directory, "mount");
    this.#image = join(this.#directory, "image");
    this.#cutter = join(this.#directory, "going-down");
    execFileSync("cc", ["-o", this.#cutter, join(import.meta.dirname, "going-down.c")]);
    mkdirSync(this.path);
    writeFileSync(this.#image, "");
    truncateSync(this.#image, IMAGE_BYTES);
    execFileSync(`mkfs.${fileSystem}`, [...MAKE_OPTIONS[fileSystem], this.#image], { stdio: "pipe" });
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

  /** ext4 only: an error that makes it read-only under those who have files open there. */
  becomeReadOnly(): void {
    const device = basename(this.#loops().split(":")[0] ?? "");
    writeFileSync(`/sys/fs/ext4/${device}/trigger_fs_error`, "1");
  }

  /** Power is back: the journal is replayed. Everybody who had files open there must be dead. */
  async restore(): Promise<void> {
    await unmount(this.path);
    this.#isMounted = false;
    await until("the loop device to go", () => this.#loops() === "", 20_000);
    this.#mount();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isMounted) await unmount(this.path);
    rmSync(this.#directory, { recursive: true });
  }

  #loops(): string {
    return execFileSync("losetup", ["-j", this.#image], { encoding: "utf8" });
  }

  #mount(): void {
    execFileSync("mount", ["-o", MOUNT_OPTIONS[this.#fileSystem], this.#image, this.path]);
    this.#isMounted = true;
  }
}
