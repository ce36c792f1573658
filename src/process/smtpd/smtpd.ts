/** All of smtpd but the process around it: listeners in, messages out by way of the spool. */
import type { AddressInfo, Server } from "node:net";
import { pause, systemClock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { Config } from "../../config/config.ts";
import { Tables } from "../../config/tables.ts";
import { Dns } from "../../dns/dns.ts";
import type { Counted, ListenerName } from "../../service/channel.ts";
import type { Intake } from "../../spool/intake.ts";
import { freeSpace, type Space } from "../../spool/space.ts";
import { Answers } from "./answers.ts";
import { Clients } from "./clients.ts";
import type { Connection } from "./connection.ts";
import { OwnHeader } from "./own-header.ts";
import { MailServer } from "./server.ts";
import { type Settings, settingsFor } from "./settings.ts";
import type { Door, Station } from "./station.ts";

type Bound = ListenerName & { readonly handle: unknown };

interface Port extends ListenerName {
  readonly mail: MailServer;
  readonly server: Server;
}

export interface SmtpdParts {
  readonly config: Config;
  readonly log: Log;
  readonly intake: Intake; // of the spool that is the working directory
  readonly door: Door;
  readonly listeners: readonly Bound[];
  readonly freeSpace?: () => Space;
  /** Tells the other smtpds what was counted here. */
  tellCounted?(counted: readonly Counted[]): void;
}

export interface Smtpd {
  /** Where it listens, in the order of the listeners. */
  readonly addresses: readonly AddressInfo[];
  /** New settings for new connections, and for living ones from their next transaction on. */
  reload(config: Config): void;
  /** One listener more. */
  listen(listener: Bound): Promise<void>;
  /** Takes no more there; who is connected stays. */
  unlisten(listener: ListenerName): void;
  /** What another smtpd counted; undefined: it has ended. */
  heardCounted(pid: number, counted: readonly Counted[] | undefined): void;
  /** Takes no more; resolves when every transaction has ended, or shutdown_timeout is over. */
  stop(): Promise<void>;
}

// How often deadlines are looked at: a fraction of the shortest, within these bounds.
const SHORTEST_TICK_MS = 20;
const LONGEST_TICK_MS = 500;
// From this share of smtpd_connection_limit on clients get less time.
const STRESS_SHARE = 0.8;
// What master grants us for the end must do for the process's end, too.
const GRACE_SHARE = 0.8;

export async function createSmtpd(parts: SmtpdParts): Promise<Smtpd> {
  const { log, intake, door, listeners } = parts;
  let { config } = parts;
  const sessions = new Set<Connection>();
  const shared = {
    log,
    intake,
    door,
    sessions,
    clock: systemClock,
    freeSpace: parts.freeSpace ?? freeSpace,
    clients: new Clients(systemClock, config.anvil_rate_time_unit),
    answers: new Answers(log),
    ownHeader: new OwnHeader(),
    load: { naming: 0, committing: 0, isStressed: false, isStopping: false },
  };
  const ports: Port[] = [];
  const tables = new Tables({ warn: (text) => log.warn(text) });
  let dns = dnsFor(config);
  const compiled = new Map<string, Settings>();

  function settingsOf(service: ListenerName["service"]): Settings {
    let settings = compiled.get(service);
    if (settings === undefined) {
      settings = settingsFor(service === "smtp" ? config : config.listener(service), service, log, {
        dns,
        tables,
      });
      compiled.set(service, settings);
    }
    return settings;
  }
  async function listen({ service, address, handle }: Bound): Promise<void> {
    const station: Station = { ...shared, settings: settingsOf(service) };
    const mail = new MailServer(station, () => sessions.size + shared.load.naming >= config.smtpd_connection_limit);
    const port: Port = { service, address, mail, server: mail.server };
    ports.push(port);
    await mail.listening(handle);
  }
  await Promise.all(listeners.map(listen));

  shared.clients.isShared = config.smtpd_processes > 1;
  let nextSweep = 0;
  function tick(): void {
    const now = systemClock.monotonic();
    shared.load.isStressed = sessions.size > config.smtpd_connection_limit * STRESS_SHARE;
    for (const session of sessions) session.checkDeadline(now);
    const counted = shared.clients.untold();
    if (counted.length > 0) parts.tellCounted?.(counted);
    if (now < nextSweep) return;
    nextSweep = now + config.anvil_rate_time_unit;
    shared.clients.sweep();
  }
  function startTicking(): NodeJS.Timeout {
    const shortest = Math.min(config.smtpd_timeout, config.smtpd_starttls_timeout, config.smtpd_stress_timeout);
    const tickMs = Math.min(LONGEST_TICK_MS, Math.max(SHORTEST_TICK_MS, shortest / 10));
    return setInterval(tick, tickMs);
  }
  let ticking = startTicking();

  return {
    addresses: ports.map(({ server }) => server.address() as AddressInfo),
    listen,
    unlisten({ service, address }) {
      const index = ports.findIndex((port) => port.service === service && port.address === address);
      for (const { server } of index < 0 ? [] : ports.splice(index, 1)) server.close();
    },
    reload(next) {
      config = next;
      dns = dnsFor(config);
      compiled.clear();
      shared.clients.isShared = config.smtpd_processes > 1;
      shared.clients.unitMs = config.anvil_rate_time_unit;
      for (const { service, mail } of ports) mail.useSettings(settingsOf(service));
      clearInterval(ticking);
      ticking = startTicking();
    },
    heardCounted(pid, counted) {
      if (counted === undefined) shared.clients.ended(pid);
      else shared.clients.heard(pid, counted);
    },
    async stop() {
      shared.load.isStopping = true;
      for (const { server } of ports) server.close();
      for (const session of sessions) session.leave();
      const end = systemClock.monotonic() + config.shutdown_timeout * GRACE_SHARE;
      const isDone = () => shared.load.committing === 0 && ![...sessions].some((session) => session.isBusy);
      while (!isDone() && systemClock.monotonic() < end) await pause(SHORTEST_TICK_MS);
      for (const session of sessions) session.abandon();
      while (shared.load.committing > 0) await pause(SHORTEST_TICK_MS);
      clearInterval(ticking);
      log.flush();
    },
  };
}

/** Sender domains, client names and lists are the DNS's: what the hosts file says of them counts for nothing. */
function dnsFor(config: Config): Dns {
  return new Dns({
    servers: config.dns_servers,
    hostLookup: ["dns"],
    protocols: "all",
    timeoutMs: config.smtpd_dns_timeout,
    dnssec: false,
  });
}
