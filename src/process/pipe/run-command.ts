/**
 * Runs a command of the administrator's and gives it a message on standard input. The command has a process group of
 * its own, so that its end is the end of all that it has started:
 *
 *   running   the message is handed over, what it says is kept    -> ended by itself, or killed at the deadline
 *   ended     its exit was seen                                   -> over, when its output is closed, or a moment later
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { once } from "node:events";
import { errnoOf, messageOf } from "../../base/errors.ts";
import { killGroup } from "../../base/kill-group.ts";
import { asRoot } from "../../base/rights.ts";
import type { User } from "../../base/user.ts";

export interface CommandOptions {
  readonly args: readonly string[]; // the program first
  readonly user: User | undefined; // undefined: as whom we run
  readonly timeoutMs: number;
  /** What it is given. If this throws, the command is killed before it can take what it has for a whole message. */
  readonly input: AsyncIterable<Buffer>;
}

export type Ended =
  | { readonly kind: "exit"; readonly status: number; readonly output: Buffer }
  | { readonly kind: "signal"; readonly signal: string; readonly output: Buffer }
  | { readonly kind: "timeout"; readonly output: Buffer }
  | { readonly kind: "unstarted"; readonly why: string }
  | { readonly kind: "unreadable"; readonly error: unknown }; // what `input` threw

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

const MAX_OUTPUT = 4096; // bytes that are kept
/** A program that was left running in the background may hold the output open for as long as it likes. */
const OUTPUT_GRACE_MS = 1000;
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export async function runCommand({ args, user, timeoutMs, input }: CommandOptions): Promise<Ended> {
  const [program = "", ...rest] = args;
  let child: Child;
  try {
    const options = {
      cwd: "/",
      env: environment(),
      detached: true, // a session and a process group of its own
      ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
    };
    child = asRoot(() => spawn(program, rest, { ...options, stdio: ["pipe", "pipe", "pipe"] }));
  } catch (error) {
    return { kind: "unstarted", why: messageOf(error) }; // a NUL in an argument
  }
  const output = new Output(child);
  let killedFor: Ended | undefined;
  const kill = (why: Ended) => {
    killedFor ??= why;
    killGroup(child);
  };
  const timer = setTimeout(() => kill({ kind: "timeout", output: output.bytes }), timeoutMs);
  const exited = once(child, "exit").then(
    ([status, signal]: (number | string | null)[]): Ended =>
      typeof status === "number"
        ? { kind: "exit", status, output: output.bytes }
        : { kind: "signal", signal: String(signal), output: output.bytes },
    (error: unknown): Ended => ({ kind: "unstarted", why: errnoOf(error) || messageOf(error) }),
  );
  void feed(child.stdin, input).catch((error: unknown) => kill({ kind: "unreadable", error }));
  const ended = await exited;
  clearTimeout(timer);
  child.stdin.destroy();
  if (ended.kind !== "unstarted") await output.close();
  const last = killedFor ?? ended;
  return "output" in last ? { ...last, output: output.bytes } : last;
}

/** Hands over what the command wants to have; one that reads no more is content with what it got. */
async function feed(stdin: Writable, input: AsyncIterable<Buffer>): Promise<void> {
  let isOpen = true;
  const closed = new Promise<void>((resolve) => {
    const close = () => {
      isOpen = false;
      resolve();
    };
    stdin.once("close", close);
    stdin.on("error", close); // EPIPE
  });
  for await (const chunk of input) {
    if (!isOpen) return;
    if (!stdin.write(chunk)) await Promise.race([new Promise((resolve) => stdin.once("drain", resolve)), closed]);
  }
  if (isOpen) stdin.end();
}

class Output {
  readonly #chunks: Buffer[] = [];
  readonly #streams: readonly Readable[];
  readonly #ended: Promise<unknown>;
  #size = 0;

  constructor(child: Child) {
    this.#streams = [child.stdout, child.stderr];
    for (const stream of this.#streams) {
      stream.on("error", () => {});
      stream.on("data", (chunk: Buffer) => {
        if (this.#size >= MAX_OUTPUT) return; // read, so that the command does not wait for us
        this.#size += chunk.length;
        this.#chunks.push(chunk);
      });
    }
    this.#ended = Promise.all(this.#streams.map((stream) => new Promise((resolve) => stream.once("close", resolve))));
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks).subarray(0, MAX_OUTPUT);
  }

  async close(): Promise<void> {
    const grace = setTimeout(() => {
      for (const stream of this.#streams) stream.destroy();
    }, OUTPUT_GRACE_MS);
    await this.#ended;
    clearTimeout(grace);
  }
}

/** Nothing of ours but what says how to find programs, and in what language and time to talk. */
function environment(): NodeJS.ProcessEnv {
  const { LANG, TZ } = process.env;
  return { PATH, ...(LANG === undefined ? {} : { LANG }), ...(TZ === undefined ? {} : { TZ }) };
}
