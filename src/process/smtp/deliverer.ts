/** Deliveries by SMTP, without the process around them: what a test needs to have a conversation of its own. */
import type { Log } from "../../base/log.ts";
import type { Config } from "../../config/config.ts";
import { networkMatcher } from "../../config/match.ts";
import { Tables } from "../../config/tables.ts";
import type { Deliver, Remotes } from "../../ipc/messages.ts";
import type { DeliveryResult } from "../../service/agent.ts";
import { unreadable } from "../../service/untried.ts";
import type { TlsOutcome } from "../../mail/tls-report.ts";
import type { Content } from "../../spool/file.ts";
import { ConnectionCache } from "./connection-cache.ts";
import { Connector } from "./connector.ts";
import { Delivery, type DeliveryHooks, type Lane } from "./delivery.ts";
import { Dns } from "../../dns/dns.ts";
import { MtaSts } from "./mta-sts.ts";
import { OfflineList } from "./offline-list.ts";
import { DiscardedKeywords } from "./discarded-keywords.ts";
import { DkimKeys } from "./dkim-keys.ts";
import { Logins } from "./logins.ts";
import { type Host, Router } from "./route.ts";
import { Sources } from "./sources.ts";
import { type Settings, settingsOf } from "./settings.ts";
import { StsStore } from "./sts-store.ts";
import { TlsPlanner } from "./tls-planner.ts";
import { TlsPolicies } from "./tls-policies.ts";

export interface DelivererOptions {
  readonly config: Config;
  readonly log: Log;
  readonly stsDirectory?: string; // where MTA-STS policies are kept; none: they are forgotten
  /** How TLS went with a domain, for its report. */
  countTls?(outcome: TlsOutcome): void;
  /** Throws FILE_GONE, FILE_DAMAGED, SPOOL_IO. */
  openContent(delivery: Deliver): Content;
}

export interface Deliverer {
  /** Never rejects but for a broken invariant. Given up by the signal before the final dot: no results. */
  deliver(delivery: Deliver, hooks: DeliveryHooks, signal: AbortSignal): Promise<DeliveryResult>;
  /** qmgr's word on addresses that are not to be tried. */
  remotes(change: Remotes): void;
  /** Takes new settings; open connections, made by the old ones, are closed when they become free. */
  reload(config: Config): void;
  /** Closes what is open and unused. */
  stop(): void;
  /** How many connections are open and unused. */
  readonly idleConnections: number;
}

export function createDeliverer(options: DelivererOptions): Deliverer {
  const { log } = options;
  let { config } = options;
  const offline = new OfflineList();
  const isOffline = ({ address, port }: Host) => offline.find(address, port) !== undefined;
  const tables = new Tables({ warn: (text) => log.warn(text) });
  const lanes = new Map<string, Lane & { readonly dns: Dns }>();

  function laneOf(transport: string): Lane {
    let lane = lanes.get(transport);
    if (lane === undefined) {
      const settings = settingsOf(config.forTransport(transport), config.agentOf(transport));
      const dns = new Dns(settings.dns);
      lane = {
        settings,
        dns,
        router: new Router(dns, { ...settings.route, isOffline }),
        policies: new TlsPolicies({ ...settings.tls, maps: tables.open(settings.tls.maps) }, log),
        connector: connectorOf(settings, dns),
        cache: new ConnectionCache(settings.cache),
        offline,
        sources: new Sources(settings.source, tables, log),
        logins: new Logins(settings.login, tables),
        discarded: new DiscardedKeywords(settings.discard, settings.discardByAddress, tables),
        dkim: settings.dkim.maps.length === 0 ? undefined : new DkimKeys(settings.dkim, tables),
        isTrusted: networkMatcher(settings.networks),
      };
      lanes.set(transport, lane);
    }
    return lane;
  }

  function connectorOf(settings: Settings, dns: Dns): Connector {
    const { stsDirectory: directory, countTls } = options;
    const { sts: fetch, defaults, isCounted } = settings.tls;
    const count = isCounted && countTls !== undefined ? countTls : () => {};
    const store = directory === undefined ? undefined : new StsStore(directory);
    const sts = fetch === undefined ? undefined : new MtaSts(dns, store, fetch, log);
    return new Connector(settings, new TlsPlanner({ dns, defaults, sts, count }), count, log);
  }

  function closeLanes(): void {
    for (const { cache } of lanes.values()) cache.clear();
    lanes.clear();
  }

  return {
    async deliver(delivery, hooks, signal) {
      let content: Content;
      try {
        content = options.openContent(delivery);
      } catch (error) {
        return unreadable(delivery, error);
      }
      try {
        return await new Delivery(delivery, laneOf(delivery.transport), log, content, hooks, signal).run();
      } finally {
        content.close();
      }
    },
    remotes: (change) => offline.learn(change),
    reload(next) {
      config = next;
      closeLanes();
    },
    stop: closeLanes,
    get idleConnections() {
      return [...lanes.values()].reduce((sum, { cache }) => sum + cache.count, 0);
    },
  };
}
