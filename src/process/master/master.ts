/** The life of a mail system, from taking the lock to the last process's end. */
import { mkdirSync } from "node:fs";
import { chdir } from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { EX_CONFIG, EX_OK, EX_SOFTWARE, EX_UNAVAILABLE } from "../../base/exit.ts";
import { messageOf, ScesError } from "../../base/errors.ts";
import { createLog, isJournal } from "../../base/log.ts";
import { asRoot, lowerTo, startedByRoot } from "../../base/rights.ts";
import type { User } from "../../base/user.ts";
import type { Config } from "../../config/config.ts";
import { loadConfig } from "../../config/load.ts";
import type { Link } from "../../ipc/link.ts";
import { type Command, PROTOCOL_VERSION, type Reply } from "../../ipc/messages.ts";
import { serve } from "../../ipc/server.ts";
import { logOptions } from "../../service/log-options.ts";
import { checkLayout, makeLayout } from "../../spool/layout.ts";
import { lockSpool, type SpoolLock } from "../../spool/lock.ts";
import { socketPath } from "../../spool/queues.ts";
import { startTips } from "./tips.ts";
import { Family } from "./family.ts";
import { endLeftovers } from "./leftovers.ts";
import { bindListener, wantedListeners } from "./listeners.ts";
import { findOwner, giveLater, giveLog, giveSpool } from "./owner.ts";

const LOCK_TRIES = 10;
const LOCK_PAUSE_MS = 100;

export interface MasterOptions {
  readonly configDir: string;
  readonly overrides: Readonly<Record<string, string>>;
  readonly terminal: boolean; // somebody looks on: log there too, and say what to try next
}

/** The log goes to the terminal too, unless log_to says otherwise. */
function load({ configDir, overrides, terminal }: MasterOptions): Config {
  const config = loadConfig(configDir, overrides);
  if (!terminal || config.placeOf("log_to") !== undefined) return config;
  return loadConfig(configDir, { ...overrides, log_to: [...config.log_to, "stdout"].join(" ") });
}

/** A command on a stopped system holds the lock for a moment. */
async function lockSoon(): Promise<SpoolLock> {
  for (let tries = LOCK_TRIES; ; tries -= 1) {
    try {
      return lockSpool();
    } catch (error) {
      if (tries === 0 || !(error instanceof ScesError) || error.code !== "SPOOL_LOCKED") throw error;
      await pause(LOCK_PAUSE_MS);
    }
  }
}

/** Runs the mail system in this process; resolves with its exit code when it has ended. */
export async function runMaster(options: MasterOptions): Promise<number> {
  process.title = "sces/master";
  process.umask(0o077);
  let config: Config;
  let owner: User | undefined;
  try {
    config = load(options);
    owner = findOwner(config.mail_owner);
    if (owner !== undefined) giveSpool(owner, config);
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    return EX_CONFIG;
  }
  // From here on root is in reserve: for ports, for main.cf, and to start the others.
  if (owner !== undefined) lowerTo(owner);
  const log = createLog(logOptions("master", config));
  for (const warning of config.warnings) log.warn(warning);
  if (owner === undefined && startedByRoot()) log.warn("mail_owner is empty: all processes run as root");

  let family: Family;
  let lock: SpoolLock;
  try {
    mkdirSync(config.queue_directory, { recursive: true, mode: 0o700 });
    chdir(config.queue_directory);
    makeLayout();
    lock = await lockSoon();
    const wrong = checkLayout(true);
    if (wrong.length > 0) throw new ScesError("SPOOL_LAYOUT", wrong.join("\n"));
    const killed = await endLeftovers();
    if (killed > 0) log.warn(`killed ${killed} process${killed === 1 ? "" : "es"} of an earlier master`);
    const listeners = asRoot(() => wantedListeners(config).map(bindListener));
    family = new Family({ log, config, configDir: options.configDir, listeners, owner });
  } catch (error) {
    const text = `cannot start: ${messageOf(error)} (queue_directory = ${config.queue_directory})`;
    log.fatal(text);
    if (!config.log_to.includes("stdout")) process.stderr.write(`sces: ${text}\n`);
    log.close();
    if (error instanceof ScesError && error.code === "SPOOL_LOCKED") return EX_UNAVAILABLE;
    return error instanceof ScesError ? EX_CONFIG : EX_UNAVAILABLE;
  }

  let ended: (code: number) => void = () => {};
  const end = new Promise<number>((resolve) => {
    ended = resolve;
  });
  let isStopping = false;

  async function stop(why: string): Promise<void> {
    if (isStopping) return family.killAll(); // asked twice: now
    isStopping = true;
    log.info(`stopping: ${why}`);
    await family.stop();
    log.info("stopped");
    ended(EX_OK);
  }
  function reload(why: string): string | undefined {
    try {
      const next = asRoot(() => load(options));
      for (const fixed of ["queue_directory", "mail_owner"] as const) {
        if (next[fixed] !== config[fixed])
          log.warn(`a changed ${fixed} needs a restart: the old value stays in use until then`);
      }
      const user = owner;
      if (user !== undefined) asRoot(() => giveLog(user, next));
      config = next;
      log.reopen(logOptions("master", config));
      log.info(`reload: ${why}`);
      family.reload(config);
      return undefined;
    } catch (error) {
      log.error(`reload refused, the old settings stay in force: ${messageOf(error)}`);
      return messageOf(error);
    }
  }
  function answer(link: Link, command: Command): void {
    const base = { type: "reply", request: command.request, affected: [], later: [], missing: [] } as const;
    const send = (reply: Partial<Reply>) => link.send({ ...base, ...reply });
    if (command.verb === "status") send({ status: { ...family.status(), stopping: isStopping } });
    else if (command.verb === "reload") {
      const error = reload("by command");
      send(error === undefined ? {} : { error });
    } else if (command.verb === "stop") {
      send({});
      void stop("by command");
    } else send({ error: `${command.verb} is not for master` });
  }
  process.on("SIGTERM", () => void stop("SIGTERM"));
  process.on("SIGINT", () => void stop("SIGINT"));
  process.on("SIGHUP", () => reload("SIGHUP"));
  process.on("uncaughtException", (error) => {
    log.fatal(`internal error: ${error.stack ?? error.message}`);
    process.exit(EX_SOFTWARE);
  });

  const hello = { type: "hello", version: PROTOCOL_VERSION, name: "master", pid: process.pid } as const;
  const server = await serve({
    path: socketPath("master"),
    hello,
    beforeFlush: log.flush,
    events: {
      onMessage: (link, message) => {
        if (message.type === "command") answer(link, message);
      },
    },
  });
  log.info(`starting: version ${family.version}, spool ${config.queue_directory}, settings ${options.configDir}`);
  family.start();
  if (owner !== undefined) {
    giveLater(owner).catch((error) => log.warn(`giving all mail to ${config.mail_owner}: ${messageOf(error)}`));
  }
  void family.ready.then(() => {
    log.info(`ready: ${family.addresses().join(", ") || "no listeners"}`);
    log.flush();
    if (options.terminal && !isJournal()) process.stdout.write(startTips(config, options.configDir));
  });

  const code = await end;
  server.close();
  lock.release();
  log.close();
  return code;
}
