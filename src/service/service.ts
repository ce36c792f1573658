/**
 * The skeleton of every process: chdir to the spool, title, settings, log, the channel to master, reload, stop, idle
 * end. A process supplies what it does with mail and nothing of this.
 */
import { Client, type ClientEvents } from "../ipc/client.ts";
import { type Hello, PROTOCOL_VERSION } from "../ipc/messages.ts";
import { serve, type ServerEvents } from "../ipc/server.ts";
import { createLog, type Log } from "../base/log.ts";
import { lowerTo } from "../base/rights.ts";
import { EX_OK, EX_SOFTWARE } from "../base/exit.ts";
import type { Config } from "../config/config.ts";
import { configFromValues } from "../config/load.ts";
import { socketPath } from "../spool/queues.ts";
import type { Counted, FromChild, FromMaster, ListenerName } from "./channel.ts";
import { logOptions } from "./log-options.ts";

export interface Listener extends ListenerName {
  readonly handle: unknown; // bound, for net.Server.listen(handle)
}

export interface Context {
  readonly name: string;
  readonly configDir: string;
  readonly config: Config; // as last reloaded
  readonly log: Log;
  readonly listeners: readonly Listener[];
  readonly alone: boolean; // an agent for suspect messages
  readonly agents: readonly number[]; // qmgr: pids of agents that lived when it was started
  /** Start another process, or tell it that there may be work. */
  wake(process: string, alone?: boolean): void;
  /** qmgr: an agent that does not report is to be killed. */
  kill(pid: number): void;
  /** qmgr: master's word that an agent ended. */
  onAgentGone(listener: (pid: number, ordered: boolean) => void): void;
  /** smtpd: for the others of its kind, what it has counted. */
  tellCounted(counted: readonly Counted[]): void;
  /** No work: an on-demand process ends after max_idle unless `busy` is called or it is woken. */
  idle(): void;
  busy(): void;
  /** A link to another process; reconnects by itself. `hello`: what an agent adds to its hello. */
  dial(process: string, events: ClientEvents, hello?: Partial<Hello>): Client;
  /** Listens on run/<name>.sock. */
  serve(events: ServerEvents): Promise<void>;
}

export interface Service {
  reload?(config: Config): void;
  /** Finish what is under way; the process ends when it resolves. */
  stop?(): Promise<void> | void;
  /** There may be work. */
  wake?(): void;
  /** smtpd: one listener more, or one less. */
  listen?(listener: Listener): void;
  unlisten?(listener: ListenerName): void;
  /** smtpd: what another one has counted; undefined: it has ended. */
  heardCounted?(pid: number, counted: readonly Counted[] | undefined): void;
}

/** Called once by each main.ts. Does not return in the sense that the process lives on. */
export function runService(name: string, start: (context: Context) => Promise<Service> | Service): void {
  process.title = `sces/${name}`;
  if (process.send === undefined) {
    process.stderr.write(`sces/${name} is started by sces itself: use "sces start"\n`);
    process.exit(EX_SOFTWARE);
  }
  const tell = (message: FromChild) => {
    // A master that has just died is noticed by the disconnect; the failed write is no error of its own.
    if (process.connected) process.send?.(message, undefined, undefined, () => {});
  };
  process.umask(0o077);
  const log = createLog({
    name,
    syslogName: "sces",
    host: "localhost",
    targets: ["stdout"],
    file: "",
    facility: "mail",
  });

  function die(what: string, error: unknown): void {
    log.fatal(`${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    process.exit(EX_SOFTWARE);
  }
  process.on("uncaughtException", (error) => die("internal error", error));
  process.on("unhandledRejection", (error) => die("internal error (unhandled rejection)", error));
  // Signals for the whole group (Ctrl-C in a terminal) are master's to answer.
  for (const signal of ["SIGINT", "SIGHUP", "SIGTERM"] as const) process.on(signal, () => {});

  let service: Service | undefined;
  let config: Config | undefined;
  let configDir = "";
  let onDemand = false;
  let alone = false;
  let agents: readonly number[] = [];
  let expected = 0;
  let stopping = false;
  let leaving = false;
  let idleTimer: NodeJS.Timeout | undefined;
  const listeners: Listener[] = [];
  let agentGone: ((pid: number, ordered: boolean) => void) | undefined;
  const clients: Client[] = [];

  function current(): Config {
    if (config === undefined) throw new Error("no settings yet");
    return config;
  }
  function busy(): void {
    clearTimeout(idleTimer);
    idleTimer = undefined;
    if (leaving) {
      leaving = false;
      tell({ type: "working" });
    }
  }
  /** Said once a turn, and at its end: who is woken finds all that was done in it. */
  const woken = new Map<string, FromChild>();
  function wake(other: string, alone = false): void {
    if (woken.size === 0) {
      setImmediate(() => {
        for (const message of woken.values()) tell(message);
        woken.clear();
      });
    }
    woken.set(`${other} ${alone}`, { type: "wake", process: other, ...(alone ? { alone } : {}) });
  }
  const hello: Hello = { type: "hello", version: PROTOCOL_VERSION, name, pid: process.pid };
  const context: Context = {
    name,
    log,
    listeners,
    get configDir() {
      return configDir;
    },
    get config() {
      return current();
    },
    get alone() {
      return alone;
    },
    get agents() {
      return agents;
    },
    wake,
    kill: (pid) => tell({ type: "kill", pid }),
    tellCounted: (counted) => tell({ type: "counted", counted }),
    onAgentGone: (listener) => {
      agentGone = listener;
    },
    idle() {
      const afterMs = current().max_idle;
      if (!onDemand || idleTimer !== undefined || leaving || stopping || afterMs === 0) return;
      idleTimer = setTimeout(() => {
        idleTimer = undefined;
        leaving = true;
        tell({ type: "leaving" });
      }, afterMs);
    },
    busy,
    dial(other, events, extra) {
      const client = new Client({
        path: socketPath(other),
        hello: { ...hello, ...extra },
        beforeFlush: log.flush,
        events,
      });
      clients.push(client);
      return client;
    },
    async serve(events) {
      await serve({ path: socketPath(name), hello, beforeFlush: log.flush, events });
    },
  };

  async function begin(): Promise<void> {
    try {
      service = await start(context);
      for (const late of listeners.slice(expected)) service.listen?.(late);
      tell({ type: "ready" });
    } catch (error) {
      die("cannot start", error);
    }
  }
  async function end(): Promise<void> {
    if (stopping) return;
    stopping = true;
    clearTimeout(idleTimer);
    try {
      await service?.stop?.();
    } catch (error) {
      log.error(`while stopping: ${error instanceof Error ? error.message : String(error)}`);
    }
    for (const client of clients) client.close();
    log.close();
    // Links flush in their own turn; a last one is left for them.
    setTimeout(() => process.exit(EX_OK), 10);
  }

  process.on("disconnect", () => {
    // Master is gone: nobody else would end a process that cannot finish.
    setTimeout(() => process.exit(EX_OK), config?.shutdown_timeout ?? 0).unref();
    void end();
  });
  process.on("message", (message: FromMaster, handle: unknown) => {
    switch (message.type) {
      case "init":
        if (message.owner !== undefined) lowerTo(message.owner);
        config = configFromValues(message.values);
        configDir = message.configDir;
        onDemand = message.onDemand;
        alone = message.alone;
        agents = message.agents;
        expected = message.listeners;
        log.reopen(logOptions(name, config));
        process.chdir(config.queue_directory);
        if (expected === 0) void begin();
        break;
      case "listener":
        listeners.push({ service: message.service, address: message.address, handle });
        if (listeners.length === expected) void begin();
        else if (listeners.length > expected) service?.listen?.({ ...message, handle });
        break;
      case "unlisten":
        service?.unlisten?.(message);
        break;
      case "reload":
        config = configFromValues(message.values);
        log.reopen(logOptions(name, config));
        service?.reload?.(config);
        break;
      case "stop":
        void end();
        break;
      case "wake":
        busy();
        service?.wake?.();
        break;
      case "leave":
        if (leaving) void end();
        break;
      case "ping":
        tell({ type: "pong" });
        break;
      case "counted":
        service?.heardCounted?.(message.pid, message.counted);
        break;
      case "smtpd-gone":
        service?.heardCounted?.(message.pid, undefined);
        break;
      case "agent-gone":
        agentGone?.(message.pid, message.ordered);
        break;
    }
  });
}
