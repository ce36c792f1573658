/** What all deliveries of one transport share. */
import type { Log } from "../../base/log.ts";
import type { Tables } from "../../config/tables.ts";
import type { TlsOutcome } from "../../mail/tls-report.ts";
import { Dns } from "../../dns/dns.ts";
import { ConnectionCache } from "./connection-cache.ts";
import { Connector } from "./connector.ts";
import { DiscardedKeywords } from "./discarded-keywords.ts";
import { ArcSealer } from "./arc.ts";
import { DkimKeys } from "./dkim-keys.ts";
import { Logins } from "./logins.ts";
import { MtaSts } from "./mta-sts.ts";
import type { OfflineList } from "./offline-list.ts";
import type { PausedSources } from "./paused-sources.ts";
import { type Host, Router } from "./route.ts";
import type { Settings } from "./settings.ts";
import { Signing } from "./signing.ts";
import { Sources } from "./sources.ts";
import { StsStore } from "./sts-store.ts";
import { TlsPlanner } from "./tls-planner.ts";
import { TlsPolicies } from "./tls-policies.ts";

export interface Lane {
  readonly settings: Settings;
  readonly dns: Dns;
  readonly router: Router;
  readonly policies: TlsPolicies;
  readonly connector: Connector;
  readonly cache: ConnectionCache;
  readonly offline: OfflineList;
  readonly sources: Sources;
  readonly logins: Logins;
  readonly discarded: DiscardedKeywords;
  readonly signing: Signing | undefined; // absent: nothing is signed
}

/** What all lanes share. */
export interface Surroundings {
  readonly log: Log;
  readonly tables: Tables;
  readonly offline: OfflineList;
  readonly paused: PausedSources;
  readonly stsDirectory?: string | undefined; // where MTA-STS policies are kept; none: they are forgotten
  readonly countTls?: ((outcome: TlsOutcome) => void) | undefined; // for reports; none: nobody counts
}

export function createLane(settings: Settings, around: Surroundings): Lane {
  const { log, tables, offline, paused, stsDirectory, countTls } = around;
  const isOffline = ({ address, port }: Host) => offline.find(address, port) !== undefined;
  const dns = new Dns(settings.dns);
  const store = stsDirectory === undefined ? undefined : new StsStore(stsDirectory);
  const { sts: fetching, defaults, maps, isCounted } = settings.tls;
  const count = isCounted && countTls !== undefined ? countTls : () => {};
  const sts = fetching === undefined ? undefined : new MtaSts(dns, store, fetching, log);
  return {
    settings,
    dns,
    router: new Router(dns, { ...settings.route, isOffline }),
    policies: new TlsPolicies({ ...settings.tls, maps: tables.open(maps) }, log),
    connector: new Connector(settings, new TlsPlanner({ dns, defaults, sts, count }), count, log),
    cache: new ConnectionCache(settings.cache, ({ localAddress }) => paused.find(localAddress) !== undefined),
    offline,
    sources: new Sources(settings.source, paused, tables, log),
    logins: new Logins(settings.login, tables),
    discarded: new DiscardedKeywords(settings.discard, settings.discardByAddress, tables),
    signing: signingOf(settings, dns, tables, log),
  };
}

function signingOf({ dkim, arc, networks }: Settings, dns: Dns, tables: Tables, log: Log): Signing | undefined {
  const keys = dkim.maps.length === 0 ? undefined : new DkimKeys(dkim, tables);
  const sealer = arc.domain === "" ? undefined : new ArcSealer(arc, dns, log);
  return keys === undefined && sealer === undefined ? undefined : new Signing(keys, sealer, networks);
}
