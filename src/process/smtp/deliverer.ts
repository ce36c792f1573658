/** Deliveries by SMTP, without the process around them: what a test needs to have a conversation of its own. */
import type { Log } from "../../base/log.ts";
import type { Config } from "../../config/config.ts";
import { Tables } from "../../config/tables.ts";
import type { Deliver, Remotes, SourcePauses } from "../../ipc/messages.ts";
import type { DeliveryHooks, DeliveryResult } from "../../service/agent.ts";
import { unreadable } from "../../service/untried.ts";
import type { TlsOutcome } from "../../mail/tls-report.ts";
import type { Content } from "../../spool/file.ts";
import { Delivery } from "./delivery.ts";
import { createLane, type Lane } from "./lane.ts";
import { OfflineList } from "./offline-list.ts";
import { PausedSources } from "./paused-sources.ts";
import { settingsOf } from "./settings.ts";

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
  /** qmgr's word on own addresses that are paused. */
  sources(change: SourcePauses): void;
  /** Takes new settings; open connections, made by the old ones, are closed when they become free. */
  reload(config: Config): void;
  /** Closes what is open and unused where connections are counted, for the count has gone. */
  forget(): void;
  /** Closes what is open and unused. */
  stop(): void;
  /** How many connections are open and unused. */
  readonly idleConnections: number;
}

export function createDeliverer(options: DelivererOptions): Deliverer {
  const { log, stsDirectory, countTls } = options;
  let { config } = options;
  const offline = new OfflineList();
  const paused = new PausedSources();
  const tables = new Tables({ warn: (text) => log.warn(text) });
  const lanes = new Map<string, Lane>();

  function laneOf(transport: string): Lane {
    let lane = lanes.get(transport);
    if (lane === undefined) {
      const settings = settingsOf(config.forTransport(transport), config.agentOf(transport));
      lane = createLane(settings, { log, tables, offline, paused, stsDirectory, countTls });
      lanes.set(transport, lane);
    }
    return lane;
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
    sources: (change) => paused.learn(change),
    reload(next) {
      config = next;
      closeLanes();
    },
    forget() {
      for (const { cache, settings } of lanes.values()) if (!settings.throttles.isEmpty) cache.clear();
    },
    stop: closeLanes,
    get idleConnections() {
      return [...lanes.values()].reduce((sum, { cache }) => sum + cache.count, 0);
    },
  };
}
