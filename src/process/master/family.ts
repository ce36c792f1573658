/** All child processes: which there are, in what order they stop, who wakes whom. */
import { readFileSync } from "node:fs";
import { messageOf } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { asRoot } from "../../base/rights.ts";
import type { User } from "../../base/user.ts";
import type { Config } from "../../config/config.ts";
import { rawValues } from "../../config/load.ts";
import type { FromChild, FromMaster, ListenerName } from "../../service/channel.ts";
import type { Queue } from "../../spool/queues.ts";
import { isQueueEmpty } from "../../spool/scan.ts";
import { daysToReport } from "../../spool/tls-tallies.ts";
import { Child, type Spec, type Surroundings } from "./children.ts";
import { recordProcesses } from "./leftovers.ts";
import { type BoundListener, bindListener, wantedListeners } from "./listeners.ts";

export interface FamilyOptions {
  readonly log: Log;
  readonly config: Config;
  readonly configDir: string;
  readonly listeners: readonly BoundListener[];
  readonly owner: User | undefined;
}

const RESIDENT = ["qmgr", "cleanup", "defer", "smtp", "pickup", "smtpd"] as const;
const ON_DEMAND = ["hold", "bounce", "corrupt", "tlsrpt", "maildir", "pipe"] as const;
/** These queues have an owner that runs by need: it is started when there is something in them. */
const NEEDED: ReadonlyArray<readonly [Queue, string]> = [
  ["hold", "hold"],
  ["bounce", "bounce"],
  ["corrupt", "corrupt"],
];
const AGENTS = new Set(["smtp", "maildir", "pipe"]);
/** Processes that each take one suspect message at a time: bystanders of a death must not wait long for each other. */
const ALONE = 3;
/** Doors first, so that nothing new comes; then what feeds; then qmgr, which waits for the agents; then they. */
const STOP_ORDER = [
  ["smtpd", "pickup"],
  ["cleanup", "defer"],
  ["qmgr"],
  ["smtp", "maildir", "pipe", "hold", "bounce", "corrupt", "tlsrpt"],
];
const PINGS = 10; // in daemon_timeout

export class Family {
  readonly version = (
    JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as { version: string }
  ).version;
  /** Resolves when every resident process has said once that it is ready. */
  readonly ready: Promise<void>;
  #markReady: () => void = () => {};
  readonly #log: Log;
  #config: Config;
  #children: Child[] = [];
  #listeners: readonly BoundListener[];
  readonly #around: Surroundings;
  readonly #startedMs = Date.now();
  #watch: NodeJS.Timeout | undefined;
  #run: NodeJS.Timeout | undefined;
  #exitListener: (() => void) | undefined;
  #isStopping = false;
  #isReady = false;

  constructor(options: FamilyOptions) {
    this.#log = options.log;
    this.#config = options.config;
    this.#listeners = options.listeners;
    this.ready = new Promise((resolve) => {
      this.#markReady = resolve;
    });
    this.#around = {
      log: options.log,
      config: () => this.#config,
      configDir: options.configDir,
      listeners: () => this.#listeners,
      agents: () => this.#pids((child) => AGENTS.has(child.spec.name)),
      owner: options.owner,
      onMessage: (child, message) => this.#receive(child, message),
      onExit: (child, pid, ordered) => {
        if (AGENTS.has(child.spec.name)) {
          for (const qmgr of this.#named("qmgr")) qmgr.send({ type: "agent-gone", pid, ordered });
        }
        this.#toOtherSmtpds(child, { type: "smtpd-gone", pid });
        if (ordered && !child.spec.isOnDemand) this.#children = this.#children.filter((one) => one !== child);
        this.#record();
        this.#exitListener?.();
      },
      onStart: () => this.#record(),
    };
  }

  start(): void {
    for (const name of RESIDENT) this.#setCount(name, this.#count(name));
    for (const name of ON_DEMAND) this.#add({ name, isOnDemand: true, isAlone: false });
    for (const name of AGENTS) {
      for (let count = 0; count < ALONE; count += 1) this.#add({ name, isOnDemand: true, isAlone: true });
    }
    this.#startResident();
    this.#wakeNeeded();
    this.#setTimers();
  }

  reload(config: Config): void {
    const before = this.#config;
    this.#config = config;
    const values = rawValues(config);
    for (const child of this.#children) child.send({ type: "reload", values });
    if (addressesOf(before) !== addressesOf(config)) this.#rebind(config);
    for (const name of ["smtpd", "smtp"] as const) this.#setCount(name, this.#count(name));
    this.#startResident();
    this.#setTimers();
  }

  /** Those that always run; with max_idle = 0 also those that run by need. */
  #startResident(): void {
    const stay = this.#config.max_idle === 0;
    for (const child of this.#children) {
      const { isOnDemand, isAlone } = child.spec;
      if (child.state === "idle" && (!isOnDemand || (stay && !isAlone))) child.start();
    }
  }

  /** Resolves when every process has ended; those that take longer than shutdown_timeout are killed. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#watch);
    clearInterval(this.#run);
    const deadline = setTimeout(() => {
      this.#log.warn("shutdown_timeout is over: killing what still runs");
      this.killAll();
    }, this.#config.shutdown_timeout);
    for (const names of STOP_ORDER) {
      const some = this.#children.filter((child) => names.includes(child.spec.name));
      for (const child of some) child.stop();
      while (some.some((child) => child.pid !== undefined)) {
        await new Promise<void>((resolve) => {
          this.#exitListener = resolve;
        });
      }
    }
    clearTimeout(deadline);
    for (const listener of this.#listeners) listener.handle.close();
  }

  killAll(): void {
    for (const child of this.#children) child.kill(true);
  }

  addresses(): string[] {
    return this.#listeners.map(({ service, bound }) => `${service} on ${bound}`);
  }

  status(): Record<string, unknown> {
    return {
      version: this.version,
      pid: process.pid,
      is_ready: this.#isReady,
      since: this.#startedMs,
      queue_directory: this.#config.queue_directory,
      listeners: this.#listeners.map(({ service, bound }) => ({ service, address: bound })),
      processes: this.#children
        .filter((child) => !child.spec.isAlone || child.pid !== undefined)
        .map((child) => ({
          name: child.spec.name,
          pid: child.pid ?? null,
          state: child.state,
          restarts: child.restarts,
          since: child.pid === undefined ? null : child.startedMs,
        })),
    };
  }

  #receive(child: Child, message: FromChild): void {
    if (message.type === "wake") {
      if (this.#isStopping) return;
      const wanted = this.#children.filter(
        (one) => one.spec.name === message.process && one.spec.isAlone === (message.alone === true),
      );
      for (const one of wanted) one.wake();
    } else if (message.type === "kill" && child.spec.name === "qmgr") {
      this.#children.find((one) => one.pid === message.pid)?.kill(false);
    } else if (message.type === "counted") {
      this.#toOtherSmtpds(child, { type: "counted", pid: child.pid ?? 0, counted: message.counted });
    } else if (message.type === "ready") {
      if (this.#children.every((one) => one.spec.isOnDemand || one.state === "running")) {
        this.#isReady = true;
        this.#markReady();
      }
    }
  }

  #toOtherSmtpds(child: Child, message: FromMaster): void {
    if (child.spec.name !== "smtpd") return;
    for (const other of this.#named("smtpd")) if (other !== child) other.send(message);
  }

  /** Every daemon_timeout/10 each process is asked for a sign of life. */
  #setTimers(): void {
    clearInterval(this.#watch);
    clearInterval(this.#run);
    const timeoutMs = this.#config.daemon_timeout;
    let last = performance.now();
    this.#watch = setInterval(() => {
      const now = performance.now();
      // When we ourselves were stopped (SIGSTOP, a suspended machine), nobody else is to blame.
      const weSlept = now - last > timeoutMs / 2;
      last = now;
      for (const child of this.#children) {
        const silentMs = child.ping();
        if (silentMs < timeoutMs || weSlept) continue;
        this.#log.warn(
          `sces/${child.spec.name} pid ${child.pid} has not answered for ${Math.round(silentMs / 1000)} s: killed`,
        );
        child.kill(false);
      }
    }, timeoutMs / PINGS);
    this.#run = setInterval(() => this.#wakeNeeded(), this.#config.queue_run_delay);
  }

  #wakeNeeded(): void {
    this.#wakeReporter();
    for (const [queue, name] of NEEDED) {
      try {
        if (!isQueueEmpty(queue)) for (const child of this.#named(name)) child.wake();
      } catch (error) {
        this.#log.warn(messageOf(error));
      }
    }
  }

  #wakeReporter(): void {
    const { smtp_tlsrpt_enable: isWanted, myhostname } = this.#config;
    if (!isWanted) return;
    try {
      if (daysToReport(Date.now(), myhostname).length > 0) for (const child of this.#named("tlsrpt")) child.wake();
    } catch (error) {
      this.#log.warn(messageOf(error));
    }
  }

  /** New listeners are bound and handed over, old ones given up; those that stay are not touched. */
  #rebind(config: Config): void {
    const keyOf = ({ service, address }: ListenerName) => `${service} ${address}`;
    const wanted = new Map(wantedListeners(config).map((listener) => [keyOf(listener), listener]));
    const kept = this.#listeners.filter((listener) => wanted.delete(keyOf(listener)));
    const gone = this.#listeners.filter((listener) => !kept.includes(listener));
    const added: BoundListener[] = [];
    for (const listener of wanted.values()) {
      try {
        added.push(asRoot(() => bindListener(listener)));
      } catch (error) {
        this.#log.error(messageOf(error));
      }
    }
    this.#listeners = [...kept, ...added];
    for (const child of this.#named("smtpd")) {
      for (const listener of added) child.listen(listener);
      for (const { service, address } of gone) child.send({ type: "unlisten", service, address });
    }
    for (const listener of gone) listener.handle.close();
  }

  #count(name: string): number {
    const { smtpd_processes, smtp_processes, default_process_limit } = this.#config;
    if (name === "smtpd") return this.#listeners.length === 0 ? 0 : Math.min(smtpd_processes, default_process_limit);
    return name === "smtp" ? Math.min(smtp_processes, default_process_limit) : 1;
  }

  #setCount(name: string, count: number): void {
    const now = this.#named(name).filter((child) => !child.spec.isAlone && child.state !== "stopping");
    for (const child of now.slice(count)) child.stop();
    for (let more = now.length; more < count; more += 1) this.#add({ name, isOnDemand: false, isAlone: false });
  }

  #add(spec: Spec): void {
    this.#children.push(new Child(spec, this.#around));
  }

  #named(name: string): Child[] {
    return this.#children.filter((child) => child.spec.name === name);
  }

  #pids(which: (child: Child) => boolean): number[] {
    return this.#children.filter(which).flatMap((child) => child.pid ?? []);
  }

  #record(): void {
    try {
      recordProcesses(this.#pids(() => true));
    } catch (error) {
      this.#log.warn(`cannot record the processes in run: ${messageOf(error)}`);
    }
  }
}

function addressesOf(config: Config): string {
  return wantedListeners(config)
    .map(({ service, address }) => `${service} ${address}`)
    .join("\n");
}
