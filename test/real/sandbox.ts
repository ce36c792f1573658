/**
 * A program with a view of the machine of its own: the files of its packages and its settings lie over what is there,
 * what it writes stays in a folder for temporary files, and it shares only the network and `/shared`. Killing one
 * process ends all that it started.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { chownSync, cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { descendants } from "../harness/process-table.ts";
import { until } from "../harness/until.ts";
import { greets } from "../harness/smtp-client.ts";
import { unpacked } from "./debian.ts";

export interface SandboxOptions {
  readonly packages: readonly string[];
  readonly users?: readonly string[]; // made if they are not there, each with its group
  readonly files?: Readonly<Record<string, string>>; // by absolute path
  readonly folders?: Readonly<Record<string, string>>; // by absolute path, whose they are
  readonly ownedBy?: Readonly<Record<string, string>>; // files that are not root's
  readonly wrapper?: readonly string[]; // a command that ends by executing its arguments, e.g. to join a cgroup
}

const FIRST_ID = 64_100; // Debian gives none of 60000 to 64999 to anybody without asking
const MOUNTS = `set -e
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/written,workdir=$1/work" "$1/root"
mount --rbind /dev "$1/root/dev"
mount -t proc proc "$1/root/proc"
mount --bind "$1/shared" "$1/root/shared"
root=$1/root
shift
exec chroot "$root" "$@"
`;

export class Sandbox implements AsyncDisposable {
  readonly directory: string;
  readonly #ids: ReadonlyMap<string, number>;
  readonly #wrapper: readonly string[];
  readonly #output: string[] = [];
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor({ packages, users = [], files = {}, folders = {}, ownedBy = {}, wrapper = [] }: SandboxOptions) {
    this.#wrapper = wrapper;
    this.directory = realpathSync(mkdtempSync(join(tmpdir(), "sces-real-")));
    for (const name of ["root", "work", "shared", "written/shared"]) {
      mkdirSync(join(this.directory, name), { recursive: true });
    }
    cpSync(unpacked(packages), this.path("/"), { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    this.#ids = this.#addUsers(users);
    for (const [path, text] of Object.entries(files)) this.write(path, text, path.endsWith("key.pem") ? 0o600 : 0o644);
    for (const [path, owner] of Object.entries(folders)) {
      mkdirSync(this.path(path), { recursive: true, mode: 0o711 });
      this.#giveTo(path, owner);
    }
    for (const [path, owner] of Object.entries(ownedBy)) this.#giveTo(path, owner);
  }

  /** Where outside is what the program wrote there. */
  path(inside: string): string {
    return join(this.directory, inside.startsWith("/shared/") ? "" : "written", inside);
  }

  write(inside: string, text: string, mode = 0o644): void {
    mkdirSync(dirname(this.path(inside)), { recursive: true });
    writeFileSync(this.path(inside), text, { mode });
  }

  /** Starts what stays in the foreground; the pid of the first process, from which the others descend. */
  start(...command: string[]): number {
    this.#child = this.#spawn(command);
    return this.#child.pid ?? 0;
  }

  /** Runs a program to its end; throws if it fails. */
  async run(...command: string[]): Promise<void> {
    const child = this.#spawn(command);
    const status = await new Promise((resolve) => child.once("exit", resolve));
    if (status !== 0) throw new Error(`${command.join(" ")}: exit status ${status}\n${this.output()}`);
  }

  /** Waits until an SMTP server greets on the port. */
  async greets(port: number, report = () => this.output()): Promise<void> {
    await until(
      () => `a greeting on port ${port}\n${report()}`,
      async () => {
        if (await greets(port)) return true;
        if (this.#child?.exitCode !== null) throw new Error(`it ended\n${report()}`);
        return false;
      },
      20_000,
    );
  }

  output(): string {
    return this.#output.join("").slice(-4000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The first process of its world takes all others along; unshare only waits for it.
    const pid = this.#child?.pid;
    for (const one of pid === undefined ? [] : descendants([pid])) kill(one);
    await this.#ended;
    rmSync(this.directory, { recursive: true, force: true });
  }

  #spawn(command: readonly string[]): ChildProcess {
    const apart = ["--mount", "--propagation", "private", "--pid", "--fork"];
    const shell = ["sh", "-c", MOUNTS, "sh", this.directory, ...command];
    const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };
    const [program = "", ...args] = [...this.#wrapper, "unshare", ...apart, ...shell];
    const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    this.#ended = new Promise((resolve) => child.once("close", () => resolve()));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => this.#output.push(text));
    }
    return child;
  }

  /** Users of this sandbox alone. */
  #addUsers(users: readonly string[]): Map<string, number> {
    const [passwd, group] = [readFileSync("/etc/passwd", "utf8"), readFileSync("/etc/group", "utf8")];
    const ids = new Map<string, number>();
    let [users_, groups] = [passwd, group];
    users.forEach((name, index) => {
      const known = new RegExp(`^${name}:[^:]*:(\\d+):`, "m").exec(passwd)?.[1];
      const id = known === undefined ? FIRST_ID + index : Number(known);
      ids.set(name, id);
      if (known === undefined) users_ += `${name}:x:${id}:${id}::/nonexistent:/usr/sbin/nologin\n`;
      if (!new RegExp(`^${name}:`, "m").test(group)) groups += `${name}:x:${id}:\n`;
    });
    this.write("/etc/passwd", users_);
    this.write("/etc/group", groups);
    this.write("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
    return ids;
  }

  #giveTo(path: string, owner: string): void {
    const id = owner === "root" ? 0 : this.#ids.get(owner);
    if (id === undefined) throw new Error(`no user ${owner}`);
    chownSync(this.path(path), id, id);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has ended
  }
}
