/** Who carries out a change: the running system, asked through qmgr, or we ourselves when it is stopped. */
import { ScesError } from "../../base/errors.ts";
import { createLog, type Log } from "../../base/log.ts";
import type { Config } from "../../config/config.ts";
import type { Concluded, Reply, Target, Verb } from "../../ipc/messages.ts";
import { Asker } from "../../service/ask.ts";
import { logOptions } from "../../service/log-options.ts";
import { reach, told } from "./reach.ts";

export interface Outcome {
  readonly affected: readonly string[];
  readonly later: readonly string[]; // of these: done after the current attempt
  readonly missing: readonly string[];
  readonly trouble?: string; // why some of these could not be changed now
}

export interface Executor {
  readonly isRunning: boolean; // the mail system is
  run(verb: Verb, targets: readonly Target[], reason: string, wait: boolean): Promise<Outcome>;
  /** Everything that is deferred. */
  flushAll(): Promise<Outcome>;
  close(): void;
}

export interface Listeners {
  onConcluded(concluded: Concluded): void;
  onGone(): void;
}

/**
 * Throws NO_ANSWER when the system runs and its queue manager does not answer within command_timeout: then nothing was
 * changed.
 */
export async function openExecutor(config: Config, listeners: Listeners): Promise<Executor> {
  return await reach<Executor>(config, {
    async online(timeoutMs) {
      return new OnlineExecutor(await Asker.open("qmgr", { timeoutMs, ...listeners }), config.command_timeout);
    },
    async offline() {
      // Loaded only here: SQLite costs a running system's commands their quick start.
      const { OfflineExecutor } = await import("./offline.ts");
      return new OfflineExecutor(commandLog(config));
    },
  });
}

class OnlineExecutor implements Executor {
  readonly isRunning = true;
  readonly #asker: Asker;

  constructor(asker: Asker, answerMs: number) {
    this.#asker = asker;
    asker.timeoutMs = answerMs;
  }

  async run(verb: Verb, targets: readonly Target[], reason: string, wait: boolean): Promise<Outcome> {
    const why = reason === "" ? {} : { reason };
    return await this.#ask({ verb, targets, ...why, ...(wait ? { wait: true as const } : {}) });
  }

  async flushAll(): Promise<Outcome> {
    return await this.#ask({ verb: "flush", targets: [] });
  }

  async #ask(command: Parameters<Asker["ask"]>[0]): Promise<Outcome> {
    let reply: Reply;
    try {
      reply = await this.#asker.ask(command);
    } catch (error) {
      throw told(error, "what it was asked for last may be done or not: look, and ask again");
    }
    if (reply.error !== undefined) throw new ScesError("NO_ANSWER", reply.error);
    return reply;
  }

  close(): void {
    this.#asker.close();
  }
}

/** What a command does to the mail of a stopped system is logged as the system itself would log it. */
function commandLog(config: Config): Log {
  const options = logOptions("queue", config);
  const targets = options.targets.filter((target) => target !== "stdout");
  if (targets.length > 0) return createLog({ ...options, targets });
  return { info() {}, warn() {}, error() {}, fatal() {}, flush() {} };
}
