/**
 * A whole sces of its own for one test: its own config and spool under the temp folder, its own port, started as a
 * user starts it. Nothing here imports the program: what a test sees is what an administrator sees.
 *
 *   test("delivers", async (t) => {
 *     await using sces = await instance({ relayhost: `[127.0.0.1]:${sink.port}` }, { test: t });
 *     await sendMail(sces.smtpPort, { ... });
 *     await sces.waitForLog(/status=sent/);
 *   });
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { freePort } from "./free-port.ts";
import { type LinePattern, LogFile } from "./log-file.ts";
import { descendants, isAlive, processTable, processTitle, startTicks, workingDirectory } from "./process-table.ts";
import { SmtpClient } from "./smtp-client.ts";
import { until } from "./until.ts";

/** The repository's root. */
export const ROOT: string = dirname(dirname(import.meta.dirname));

/** The directories in which a message can be, in the order of its life. */
export const QUEUES = ["incoming", "active", "deferred", "hold", "bounce", "corrupt"] as const;
export type QueueName = (typeof QUEUES)[number] | "drop" | "results" | "run" | "state";

export type Parameters = Readonly<Record<string, string | number>>;

export interface InstanceOptions {
  readonly test?: { onTestFailed(handler: () => void): void }; // vitest's context: prints the log if the test fails
  readonly spool?: string; // an existing directory that is not removed at the end; default: a new one
  readonly overrides?: Parameters; // given as -o name=value
  readonly environment?: Readonly<Record<string, string>>;
  readonly start?: false; // do not start it yet
  readonly wrapper?: readonly string[]; // a command that ends by executing its arguments, e.g. to join a cgroup
  readonly startTimeoutMs?: number;
}

export interface Finished {
  readonly code: number; // exit status; 128 + n for signal n
  readonly stdout: string;
  readonly stderr: string;
}

export interface NamedProcess {
  readonly name: string; // without "sces/"
  readonly pid: number;
}

/** Makes the folders and main.cf, starts sces and waits until it greets. */
export async function instance(parameters: Parameters = {}, options: InstanceOptions = {}): Promise<Instance> {
  const made = new Instance(await freePort(), parameters, options);
  if (options.start === false) return made;
  try {
    await made.start();
  } catch (error) {
    await made[Symbol.asyncDispose]();
    throw error;
  }
  return made;
}

export class Instance implements AsyncDisposable {
  readonly directory: string; // holds all the rest
  readonly configDir: string;
  readonly spool: string;
  readonly smtpPort: number;
  readonly maillog: LogFile;
  keep: boolean = Boolean(process.env["SCES_TEST_KEEP"]); // the folder stays at the end
  readonly #options: InstanceOptions;
  readonly #output: string[] = [];
  #parameters: Parameters;
  #child: ChildProcess | undefined;
  #exited: Promise<number> | undefined;

  constructor(smtpPort: number, parameters: Parameters, options: InstanceOptions) {
    this.directory = realpathSync(mkdtempSync(join(tmpdir(), "sces-test-"))); // as /proc names it
    this.configDir = join(this.directory, "etc");
    this.spool = options.spool ?? join(this.directory, "spool");
    this.smtpPort = smtpPort;
    this.maillog = new LogFile(join(this.directory, "maillog"));
    this.#options = options;
    this.#parameters = {
      queue_directory: this.spool,
      maillog_file: this.maillog.path,
      smtpd_listen: `127.0.0.1:${smtpPort}`,
      myhostname: "sces.test",
      mynetworks: "127.0.0.0/8",
      mydestination: "",
      mail_spool_directory: join(this.directory, "mail"),
      ...parameters,
    };
    mkdirSync(this.configDir);
    this.#writeConfig();
    // At the end, since by then the instance and its log are gone.
    options.test?.onTestFailed(() => console.error(this.report()));
  }

  get masterPid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error("not started");
    return pid;
  }

  /** Starts master and waits for the greeting. Also to be used after `stop` or after killing master. */
  async start(): Promise<void> {
    const overrides = Object.entries(this.#options.overrides ?? {}).flatMap(([name, value]) => [
      "-o",
      `${name}=${value}`,
    ]);
    const command = [...(this.#options.wrapper ?? []), join(ROOT, "bin/sces"), "start", "--foreground"];
    const child = spawn(command[0] as string, [...command.slice(1), "-c", this.configDir, ...overrides], {
      cwd: this.directory,
      env: this.#environment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    let ended: number | undefined;
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      const finish = (code: number): void => {
        ended = code;
        resolve(code);
      };
      child.once("error", (error) => {
        this.#output.push(`could not be started: ${error.message}`);
        finish(127);
      });
      child.once("exit", (code, signal) => finish(code ?? 128 + signalNumber(signal)));
    });
    // Both must be read, or the program stalls on a full pipe. Only the end is kept: the maillog has it all.
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8");
      stream?.on("data", (text: string) => {
        this.#output.push(text);
        if (this.#output.length > 2000) this.#output.splice(0, 1000);
      });
    }
    const timeoutMs = this.#options.startTimeoutMs ?? 30_000;
    const logged = this.log().length;
    await until(
      () => `a greeting on port ${this.smtpPort}\n${this.report()}`,
      async () => {
        if (ended !== undefined) throw new Error(`sces start ended with status ${ended}\n${this.report()}`);
        return this.#greets(timeoutMs);
      },
      timeoutMs,
    );
    await this.waitForLog(/sces\/master\[\d+\]: ready: /, timeoutMs, logged); // the other processes too
  }

  /** SIGTERM to master; the exit status. Kills what is left after `timeoutMs`, and then throws. */
  async stop(timeoutMs = 30_000): Promise<number> {
    const child = this.#child;
    if (!child || !this.#exited) return 0;
    child.kill("SIGTERM");
    const code = await Promise.race([this.#exited, rejectAfter(timeoutMs, "sces did not stop")]).catch((error) => {
      this.killAll();
      throw new Error(`${error.message} within ${timeoutMs} ms\n${this.report()}`);
    });
    await until("all processes to end", () => this.pids().length === 0, 5_000);
    this.#child = undefined;
    return code;
  }

  /** The exit status of the master now running. */
  exited(): Promise<number> {
    if (!this.#exited) throw new Error("not started");
    return this.#exited;
  }

  /** Other values in main.cf; whoever runs needs a reload, or a start. */
  configure(parameters: Parameters): void {
    this.#parameters = { ...this.#parameters, ...parameters };
    this.#writeConfig();
  }

  /** All processes with our titles that belong to this spool, orphans of a killed master too. */
  pids(): NamedProcess[] {
    const ours = new Set(this.#child?.pid === undefined ? [] : descendants([this.#child.pid]));
    const found: NamedProcess[] = [];
    for (const { pid, state } of processTable()) {
      if (state === "Z") continue;
      const title = processTitle(pid);
      if (!title.startsWith("sces/")) continue;
      if (ours.has(pid) || workingDirectory(pid) === this.spool) {
        found.push({ name: title.slice("sces/".length).split(" ")[0] as string, pid });
      }
    }
    return found;
  }

  /** Sends the signal to every process of that name; their pids. */
  kill(name: string, signal: NodeJS.Signals = "SIGKILL"): number[] {
    const targets = this.pids().filter((process) => process.name === name);
    return targets.flatMap(({ pid }) => (sendSignal(pid, signal) ? [pid] : []));
  }

  /** kill -9 of the process of that name that has lived longest; its pid, and all that had the name. */
  killOne(name: string): { readonly pid: number; readonly all: readonly number[] } | undefined {
    const all = this.pids().flatMap((process) => (process.name === name ? [process.pid] : []));
    const pid = all.sort((a, b) => startTicks(a) - startTicks(b))[0];
    return pid !== undefined && sendSignal(pid, "SIGKILL") ? { pid, all } : undefined;
  }

  /** kill -9 of everything at once. */
  killAll(): void {
    const pids = new Set(this.pids().map(({ pid }) => pid));
    if (this.#child?.pid !== undefined) for (const pid of descendants([this.#child.pid])) pids.add(pid);
    for (const pid of pids) sendSignal(pid, "SIGKILL");
  }

  /** Waits for a process of that name other than those in `not`. */
  async waitForProcess(name: string, not: readonly number[] = [], timeoutMs = 15_000): Promise<number> {
    const isNew = (process: NamedProcess): boolean => process.name === name && !not.includes(process.pid);
    const found = await until(`a new process sces/${name}`, () => this.pids().find(isNew), timeoutMs);
    return found.pid;
  }

  /** All lines of the maillog. */
  log(): readonly string[] {
    return this.maillog.lines();
  }

  waitForLog(pattern: LinePattern, timeoutMs?: number, from?: number): Promise<string> {
    return this.maillog.waitFor(pattern, timeoutMs, from);
  }

  /** The names in a queue directory that are messages: private names, with a leading dot, are left out. */
  queue(name: QueueName): string[] {
    return this.names(name).filter((entry) => !entry.startsWith("."));
  }

  /** Every name in a directory of the spool. */
  names(name: QueueName): string[] {
    try {
      return readdirSync(join(this.spool, name)).sort();
    } catch {
      return [];
    }
  }

  /** Waits until nothing is on its way any more. Held and quarantined mail may stay. */
  async drained(timeoutMs = 30_000): Promise<void> {
    const waiting = ["incoming", "active", "deferred", "bounce", "drop"] as const;
    await until(
      () => `empty queues; ${waiting.map((queue) => `${queue}: ${this.queue(queue).length}`).join(", ")}`,
      // Both ways: what moves from one to another between two looks is seen in neither.
      () => [...waiting, ...waiting.toReversed()].every((queue) => this.queue(queue).length === 0),
      timeoutMs,
    );
  }

  /** Waits until a queue holds exactly so many messages; their ids. */
  waitForQueue(name: QueueName, count: number, timeoutMs?: number): Promise<string[]> {
    return until(
      () => `${count} in ${name}, where ${this.queue(name).length} are`,
      () => {
        const ids = this.queue(name);
        return ids.length === count && ids;
      },
      timeoutMs,
    );
  }

  /** Runs a command against this instance: run("queue", "list"), run("sendmail", "-t"), run("sces", "status"). */
  run(program: "sces" | "queue" | "sendmail", ...args: string[]): Promise<Finished> {
    return this.runWithInput("", program, ...args);
  }

  runWithInput(input: string | Buffer, program: "sces" | "queue" | "sendmail", ...args: string[]): Promise<Finished> {
    const command = join(ROOT, "bin", program === "sces" ? "sces" : `sces-${program}`);
    return runCommand(command, args, { cwd: this.directory, env: this.#environment(), input });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#child && this.#child.exitCode === null && this.#child.signalCode === null) await this.stop();
    } finally {
      this.killAll();
      await until("all processes to end", () => this.pids().every(({ pid }) => !isAlive(pid)), 5_000);
      this.maillog.lines(); // kept for the report
      if (!this.keep) rmSync(this.directory, { recursive: true, force: true });
    }
  }

  async #greets(timeoutMs: number): Promise<boolean> {
    try {
      const client = await SmtpClient.connect(this.smtpPort, { timeoutMs });
      await client.quit();
      return true;
    } catch {
      return false; // nobody listens yet
    }
  }

  #environment(): NodeJS.ProcessEnv {
    const env = { ...process.env, ...this.#options.environment };
    env["SCES_CONFIG_DIRECTORY"] = this.configDir;
    env["PATH"] = `${dirname(process.execPath)}${delimiter}${env["PATH"] ?? ""}`; // the Node that runs the tests
    delete env["NODE_OPTIONS"]; // vitest's are not the program's
    if (this.#options.environment?.["NODE_OPTIONS"]) env["NODE_OPTIONS"] = this.#options.environment["NODE_OPTIONS"];
    return env;
  }

  #writeConfig(): void {
    const lines = Object.entries(this.#parameters).map(([name, value]) => `${name} = ${value}`);
    // As a whole: whoever reloads at this moment must not find half of it.
    const file = join(this.configDir, "main.cf");
    writeFileSync(`${file}.new`, `${lines.join("\n")}\n`);
    renameSync(`${file}.new`, file);
  }

  /** The end of output and log, for whoever wonders why a test failed. */
  report(): string {
    return `--- output\n${this.#output.join("").slice(-4000)}\n--- maillog\n${this.maillog.tail(100)}\n---`;
  }
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string | Buffer;
  readonly uid?: number; // as another user; both, and only for root
  readonly gid?: number;
}

/** Runs a program to its end. */
export function runCommand(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const { cwd, env = process.env, uid, gid } = options;
    const who = uid === undefined || gid === undefined ? {} : { uid, gid };
    const child = spawn(command, args, { cwd, env, stdio: "pipe", ...who });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    child.stdin.on("error", () => {}); // it need not read its input
    child.once("error", reject);
    child.once("close", (code, signal) =>
      resolve({
        code: code ?? 128 + signalNumber(signal),
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      }),
    );
    child.stdin.end(options.input ?? "");
  });
}

function signalNumber(signal: NodeJS.Signals | null): number {
  return signal === "SIGKILL" ? 9 : signal === "SIGTERM" ? 15 : signal === "SIGINT" ? 2 : 1;
}

function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false; // gone
  }
}

function rejectAfter(ms: number, why: string): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(why)), ms).unref();
  });
}
