/** Debian's smtp-source and smtp-sink, the load and the destination (package postfix). */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../test/harness/free-port.ts";
import { until } from "../test/harness/until.ts";
import type { Workload } from "./workloads.ts";

/** A destination that accepts everything and counts it. */
export class Sink implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #fd: number;
  #ended = false;
  #isClosed = false;

  private constructor(port: number, delaySeconds: number) {
    this.port = port;
    this.#directory = mkdtempSync(join(tmpdir(), "sces-bench-sink-"));
    // Its counters go to a file, not to a pipe: a pipe would wake us for each message and cost the CPU we measure.
    this.#fd = openSync(join(this.#directory, "counters"), "w+");
    const user = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
    const delay = delaySeconds > 0 ? ["-w", String(delaySeconds)] : [];
    const args = ["-c", "-m", "2000", ...delay, ...user, `127.0.0.1:${port}`, "1000"];
    this.#child = spawn("smtp-sink", args, { stdio: ["ignore", this.#fd, this.#fd] });
    this.#child.once("error", () => {
      this.#ended = true;
    });
    this.#child.once("exit", () => {
      this.#ended = true;
    });
  }

  /** `delaySeconds`: how long it waits with its answer to DATA. `port`: default is any free one. */
  static async start(options: { readonly delaySeconds?: number; readonly port?: number } = {}): Promise<Sink> {
    const sink = new Sink(options.port ?? (await freePort()), options.delaySeconds ?? 0);
    await until(
      () => `smtp-sink to listen: ${sink.#output()}`,
      () => {
        if (sink.#ended)
          throw new Error(`smtp-sink ended: ${sink.#output() || "is Debian's package postfix installed?"}`);
        return listens(sink.port);
      },
    );
    return sink;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Messages received since the start. */
  count(): number {
    if (this.#ended) throw new Error(`smtp-sink ended: ${this.#output()}`);
    const end = Buffer.alloc(200);
    const { size } = fstatSync(this.#fd);
    const got = readSync(this.#fd, end, 0, end.length, Math.max(0, size - end.length));
    const counts = [...end.toString("latin1", 0, got).matchAll(/mesg=(\d+)(?=\s)/g)];
    return Number(counts.at(-1)?.[1] ?? 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#child.kill("SIGKILL");
    await until("smtp-sink to end", () => this.#ended);
    closeSync(this.#fd);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #output(): string {
    return readFileSync(join(this.#directory, "counters"), "latin1").slice(-500);
  }
}

/** Port in LISTEN state, seen without connecting: a connection would count as a session. */
function listens(port: number): boolean {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return readFileSync("/proc/net/tcp", "latin1")
    .split("\n")
    .some((line) => {
      const fields = line.trim().split(/\s+/);
      return fields[1]?.endsWith(wanted) && fields[3] === "0A";
    });
}

export interface Sent {
  readonly code: number; // exit status; 0: every message was accepted
  readonly errors: string;
}

/** Sends a workload; `done` settles as the last message is accepted. */
export function startSource(
  port: number,
  load: Workload,
  messages = load.messages,
  { from = "sender@source.test", to = "recipient@sink.test" } = {},
): SourceRun {
  const args = ["-s", String(load.sessions), "-l", String(load.sizeBytes), "-m", String(messages)];
  if (load.keepsSessions) args.push("-d");
  if (load.recipients > 1) args.push("-r", String(load.recipients));
  args.push("-M", "load.test", "-f", from, "-t", to, `127.0.0.1:${port}`);
  const child = spawn("smtp-source", args, { stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(0, 2000);
  });
  const done = new Promise<Sent>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code: code ?? 1, errors: errors.trim() }));
  });
  return { done, kill: () => child.kill("SIGKILL") };
}

export interface SourceRun {
  readonly done: Promise<Sent>;
  kill(): boolean;
}
