/** A mail system of the demo's own: settings, spool and ports that nobody else has, started as a user starts it. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DROP } from "../../spool/queues.ts";

const BIN = join(import.meta.dirname, "../../../bin");
const LOOK_MS = 25;
const STOP_MS = 15_000;

/** Short times, so that an hour of retries fits into seconds. */
const TIMES = {
  queue_run_delay: "1s",
  minimal_backoff_time: "2s",
  maximal_backoff_time: "4s",
  drop_scan_interval: "1s",
  drop_stable_time: "0",
};

export interface Finished {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What the demo shows did not happen. */
export class DidNotHappen extends Error {
  override readonly name = "DidNotHappen";
}

/** One that nobody listens on now. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address !== "object") throw new Error("a TCP server without a port");
  return address.port;
}

export class DemoSystem {
  readonly directory = realpathSync(mkdtempSync(join(tmpdir(), "sces-demo-")));
  readonly #etc = join(this.directory, "etc");
  readonly #maillog = join(this.directory, "maillog");
  #master: ChildProcess | undefined;
  #output = "";
  #ended: number | undefined;
  port = 0; // of SMTP

  /** Starts it and waits until it is ready; its log line. Everything goes to the destination's port. */
  async start(destinationPort: number): Promise<string> {
    mkdirSync(this.#etc);
    this.port = await freePort();
    const settings = {
      myhostname: "demo.example",
      mydestination: "",
      queue_directory: "../spool",
      maillog_file: "../maillog",
      log_to: "file",
      mail_spool_directory: "../mail",
      smtpd_listen: `127.0.0.1:${this.port}`,
      relayhost: `[127.0.0.1]:${destinationPort}`,
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`);
    writeFileSync(join(this.#etc, "main.cf"), lines.join(""));
    const times = Object.entries(TIMES).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
    const master = spawn(join(BIN, "sces"), ["start", "--foreground", "-c", this.#etc, ...times], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [master.stdout, master.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text: string) => {
        this.#output = (this.#output + text).slice(-4000);
      });
    }
    master.once("error", (error) => {
      this.#output += error.message;
      this.#ended = -1;
    });
    master.once("exit", (code) => {
      this.#ended = code ?? -1;
    });
    this.#master = master;
    process.once("exit", this.#leave);
    return await this.logLine(/master\[\d+\]: ready: /);
  }

  /** The first line of the log that matches, behind line `from`. Throws DidNotHappen. */
  async logLine(pattern: RegExp, timeoutMs = 20_000, from = 0): Promise<string> {
    const until = performance.now() + timeoutMs;
    for (;;) {
      const line = this.lines()
        .slice(from)
        .find((text) => pattern.test(text));
      if (line !== undefined) return line;
      if (this.#ended !== undefined)
        throw new DidNotHappen(`the mail system has ended (${this.#ended}): ${this.#output}`);
      if (performance.now() > until) throw new DidNotHappen(`no such line in the log: ${pattern.source}`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  lines(): string[] {
    try {
      return readFileSync(this.#maillog, "utf8").split("\n").slice(0, -1);
    } catch {
      return []; // not there yet
    }
  }

  /** Puts a file into drop/ as programs should: written aside, then renamed. */
  drop(name: string, content: string): void {
    const aside = join(this.directory, name);
    writeFileSync(aside, content);
    renameSync(aside, join(this.directory, "spool", DROP, name));
  }

  queue(...args: string[]): Promise<Finished> {
    return this.#run("sces-queue", [...args, "-c", this.#etc], "");
  }

  sendmail(args: readonly string[], message: string): Promise<Finished> {
    return this.#run("sces-sendmail", ["-C", this.#etc, ...args], message);
  }

  /** Ends it and leaves nothing behind. */
  async stop(): Promise<void> {
    const master = this.#master;
    if (master !== undefined && this.#ended === undefined) {
      const ended = new Promise((resolve) => master.once("exit", resolve));
      master.kill("SIGTERM");
      const timer = setTimeout(() => master.kill("SIGKILL"), STOP_MS);
      await ended;
      clearTimeout(timer);
    }
    rmSync(this.directory, { recursive: true, force: true });
    process.removeListener("exit", this.#leave);
  }

  /** The same where there is no time to wait, e.g. when nobody reads us any more (`| head`). */
  readonly #leave = (): void => {
    this.#master?.kill("SIGKILL"); // the others end with it, and may write until then
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  };

  #run(program: string, args: readonly string[], input: string): Promise<Finished> {
    return new Promise((resolve, reject) => {
      const child = spawn(join(BIN, program), args, { stdio: "pipe" });
      let stdout = "";
      let stderr = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
      child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
      child.stdin.on("error", () => {}); // it need not read its input
      child.once("error", reject);
      child.once("close", (code) => resolve({ status: code ?? -1, stdout, stderr }));
      child.stdin.end(input);
    });
  }
}
