/**
 * One child process: started, watched, started again with a brake, ended.
 *
 *   idle      not running, nothing asks for it           -> starting
 *   starting  forked, not yet ready                      -> running, ended
 *   running   ready; pinged                              -> leaving, stopping, ended
 *   leaving   on-demand and without work for max_idle    -> ended, running when there is work after all
 *   stopping  told to end                                -> ended (killed if it takes too long)
 *   ended     its exit was seen                          -> starting at once, after the brake, or idle
 */
import { type ChildProcess, fork } from "node:child_process";
import { extname } from "node:path";
import type { Log } from "../../base/log.ts";
import { asRoot } from "../../base/rights.ts";
import type { User } from "../../base/user.ts";
import type { Config } from "../../config/config.ts";
import { rawValues } from "../../config/load.ts";
import type { FromChild, FromMaster } from "../../service/channel.ts";
import type { BoundListener } from "./listeners.ts";
import { NODE_FLAGS } from "./node-flags.ts";
import { keepsRights } from "./owner.ts";

export interface Spec {
  readonly name: string; // process name and folder
  readonly isOnDemand: boolean;
  readonly isAlone: boolean; // an agent for suspect messages
}

export interface Surroundings {
  readonly log: Log;
  readonly config: () => Config;
  readonly configDir: string;
  readonly listeners: () => readonly BoundListener[];
  /** Pids of agents that live, for a new qmgr. */
  readonly agents: () => readonly number[];
  readonly owner: User | undefined; // mail_owner
  onMessage(child: Child, message: FromChild): void;
  onExit(child: Child, pid: number, ordered: boolean): void;
  onStart(): void;
}

/** A process that ran so long has earned a fresh start. */
const SETTLED_MS = 10_000;
const MAX_BRAKE_MS = 60_000;

export type ChildState = "idle" | "starting" | "running" | "leaving" | "stopping" | "braked";

export class Child {
  readonly spec: Spec;
  state: ChildState = "idle";
  restarts = 0;
  startedMs = 0; // wall time
  #process: ChildProcess | undefined;
  #ordered = false; // its end is our doing
  #wanted = false; // again, once it has ended
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #heardMs = 0; // monotonic; last sign of life
  readonly #around: Surroundings;

  constructor(spec: Spec, around: Surroundings) {
    this.spec = spec;
    this.#around = around;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Starts it, or tells it that there may be work. */
  wake(): void {
    if (this.state === "idle") this.start();
    else if (this.state === "running") this.send({ type: "wake" });
    else if (this.state !== "braked") this.#wanted = true;
  }

  start(): void {
    clearTimeout(this.#timer);
    const { config, configDir, listeners, agents, owner, log } = this.#around;
    const { name, isAlone, isOnDemand } = this.spec;
    this.#ordered = false;
    this.#wanted = false;
    this.state = "starting";
    this.startedMs = Date.now();
    this.#heardMs = performance.now();
    const isRoot = owner !== undefined && keepsRights(name, config());
    const child = asRoot(() =>
      fork(`${import.meta.dirname}/../${name}/main${extname(import.meta.filename)}`, [], {
        execArgv: [...nodeArguments(), ...profileArguments(), ...NODE_FLAGS],
        stdio: ["ignore", "inherit", "inherit", "ipc"],
        cwd: "/",
        ...(owner === undefined || isRoot ? {} : { uid: owner.uid, gid: owner.gid }),
      }),
    );
    this.#process = child;
    child.on("message", (message: FromChild) => this.#receive(message));
    child.on("error", (error) => {
      log.error(`cannot start sces/${name}: ${error.message}`);
      if (child.pid === undefined) this.#exited(null, null);
    });
    child.on("exit", (code, signal) => this.#exited(code, signal));
    const bound = name === "smtpd" ? listeners() : [];
    this.send({
      type: "init",
      values: rawValues(config()),
      configDir,
      ...(isRoot ? { owner } : {}),
      listeners: bound.length,
      onDemand: isOnDemand,
      alone: isAlone,
      agents: name === "qmgr" ? agents() : [],
    });
    for (const listener of bound) this.listen(listener);
    this.#around.onStart();
  }

  /** smtpd: hands over a bound listener. Master keeps it too. */
  listen({ service, address, handle }: BoundListener): void {
    if (!this.#process?.connected) return; // gets it when it is started again
    this.#process.send({ type: "listener", service, address }, handle as never, { keepOpen: true }, () => {});
  }

  send(message: FromMaster): void {
    if (this.#process?.connected) this.#process.send(message, () => {}); // gone meanwhile: its exit tells
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#ordered = true;
    this.#wanted = false;
    if (this.#process === undefined) this.state = "idle";
    else if (this.state !== "stopping") {
      this.state = "stopping";
      this.send({ type: "stop" });
    }
  }

  /** kill -9: it does not answer, or its time is over. Counts as an accident unless `ordered`. */
  kill(ordered: boolean): void {
    if (ordered) this.#ordered = true;
    this.#process?.kill("SIGKILL");
  }

  /** Asks for a sign of life; returns how long there has been none, in ms. */
  ping(): number {
    if (this.state === "idle" || this.state === "braked") return 0;
    this.send({ type: "ping" });
    return performance.now() - this.#heardMs;
  }

  #receive(message: FromChild): void {
    this.#heardMs = performance.now();
    if (message.type === "ready" && this.state === "starting") {
      this.state = "running";
      if (this.#wanted) {
        this.#wanted = false;
        this.send({ type: "wake" });
      }
    } else if (message.type === "leaving" && this.state === "running") {
      this.state = "leaving";
      this.#ordered = true;
      this.send({ type: "leave" });
    } else if (message.type === "working" && this.state === "leaving") {
      this.state = "running";
      this.#ordered = false;
      if (this.#wanted) this.send({ type: "wake" });
      this.#wanted = false;
    }
    this.#around.onMessage(this, message);
  }

  #exited(code: number | null, signal: string | null): void {
    const pid = this.#process?.pid ?? 0;
    const { log, config } = this.#around;
    const ordered = this.#ordered;
    const isStopping = this.state === "stopping";
    this.#process = undefined;
    this.state = "idle";
    if (!ordered) {
      const how = signal === null ? `exit status ${code}` : `killed by ${signal}`;
      log.warn(`process sces/${this.spec.name} pid ${pid} ended: ${how}`);
    }
    this.#around.onExit(this, pid, ordered);
    if (isStopping || (ordered && !this.#wanted)) return;
    if (ordered || performance.now() - this.#heardMs > SETTLED_MS || Date.now() - this.startedMs > SETTLED_MS) {
      this.#failures = 0;
    }
    this.restarts += 1;
    if (this.spec.isOnDemand && !ordered && !this.#wanted) this.#wanted = true;
    // The first time at once: a process that was killed from outside is not at fault.
    // Killed from outside (an administrator, the kernel short of memory): a short brake, not a growing one.
    const failures = signal === "SIGKILL" ? Math.min(this.#failures, 1) : this.#failures;
    const brakeMs = ordered || failures === 0 ? 0 : brake(config().service_start_brake, failures);
    if (!ordered) this.#failures += 1;
    if (brakeMs === 0) {
      this.start();
      return;
    }
    this.state = "braked";
    log.warn(`sces/${this.spec.name} ends again and again: started again in ${Math.round(brakeMs / 100) / 10} s`);
    this.#timer = setTimeout(() => this.start(), brakeMs);
  }
}

function brake(firstMs: number, failures: number): number {
  return Math.min(firstMs * 2 ** Math.min(failures - 1, 16), MAX_BRAKE_MS);
}

/** Our own flags, without those that are for one process only. */
function nodeArguments(): string[] {
  return process.execArgv.filter((argument) => !/^--(inspect|cpu-prof|heap-prof|eval|print)/.test(argument));
}

/** SCES_PROFILE_DIRECTORY: where each process leaves a CPU profile when it ends (npm run profile). */
function profileArguments(): string[] {
  const directory = process.env["SCES_PROFILE_DIRECTORY"];
  return directory === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${directory}`];
}
