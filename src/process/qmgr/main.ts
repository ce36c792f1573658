/**
 * NAME
 *   qmgr - the queue manager
 * DESCRIPTION
 *   Owns active/. Takes messages from cleanup (new mail) and defer (retries) as far as there is room, sorts their
 *   recipients by destination, hands deliveries to the agents within each destination's limits, and concludes each
 *   message when all of it has been tried: removed, deferred, returned by way of bounce/, held or set apart. Every
 *   queue_run_delay it has the deferred queue looked through. Passes administrators' commands to the owners of the
 *   queues. What goes to the transports discard, error and hold it concludes without an agent.
 * SECURITY
 *   Reads queue files, whose text came from outside and is checked; talks to no network.
 * FILES
 *   active/ (owned), deferred/, bounce/, hold/, corrupt/; state/pauses, state/suppressions.db,
 *   state/clock, run/qmgr.sock; the tables of the *_maps
 * PARAMETERS
 *   mydestination, virtual_alias_domains, relay_domains, local_transport, relay_transport, default_transport,
 *   transport_maps, relayhost, sender_dependent_relayhost_maps, sender_dependent_default_transport_maps,
 *   recipient_delimiter, postmaster_recipient, myhostname, transports, qmgr_message_active_limit, queue_run_delay,
 *   minimal_backoff_time, maximal_backoff_time, maximal_queue_lifetime, bounce_queue_lifetime, retry_profiles,
 *   retry_profile_maps, expire_early, delay_warning_time, confirm_delay_cleared, *_destination_concurrency_limit,
 *   initial_destination_concurrency, *_destination_concurrency_positive_feedback, *_negative_feedback,
 *   *_failed_cohort_limit, *_destination_recipient_limit, *_destination_rate_delay, throttles, defer_transports,
 *   remote_offline_time, remote_failure_limit, remote_failure_time, agent_report_timeout, spool_sync_interval, spool_recycle_limit,
 *   spool_reserve
 * BUGS
 *   What was set aside is remembered in memory only: after a restart it comes when it is due, in any order.
 */
import { DirSync } from "../../base/dir-sync.ts";
import { messageOf } from "../../base/errors.ts";
import type { Config } from "../../config/config.ts";
import { Tables } from "../../config/tables.ts";
import type { Link } from "../../ipc/link.ts";
import type { Message, Report } from "../../ipc/messages.ts";
import { RetryRules } from "../../service/retry-rules.ts";
import { router } from "../../service/router.ts";
import { type Context, runService, type Service } from "../../service/service.ts";
import { Timeline } from "../../service/timeline.ts";
import { FREE } from "../../spool/queues.ts";
import { makeReserve } from "../../spool/reserve.ts";
import { SpentFiles } from "../../spool/spent.ts";
import { Active } from "./active.ts";
import { Agents } from "./agents.ts";
import { Commands } from "./commands.ts";
import { Controls } from "./controls.ts";
import { Leaves } from "./leaves.ts";
import { Pauses } from "./pauses.ts";
import { type RemoteLimits, Remotes } from "./remotes.ts";
import { Room } from "./room.ts";
import { Scheduler } from "./scheduler.ts";
import { Suppressed } from "./suppressed.ts";

const CLOCK_LOOK_MS = 1000;
const FEEDERS = new Set(["cleanup", "defer"]);
const OWNERS = new Set(["cleanup", "defer", "hold", "bounce", "corrupt"]);

runService("qmgr", async (context: Context): Promise<Service> => {
  const { log } = context;
  const wake = (process: string) => context.wake(process);
  const room = new Room(
    context.config.qmgr_message_active_limit,
    (feeder) => feeder === "defer" && scheduler.isOverfed,
  );
  const links = new Map<string, Link>();

  const warn = (text: string) => log.warn(text);
  const tables = new Tables({ warn });
  const timeline = new Timeline(log);
  const retryFor = (config: Config) => new RetryRules(config, tables, timeline, warn);
  const spent = new SpentFiles(context.config.spool_recycle_limit);
  const active = new Active(context.config, retryFor(context.config), log, room, {
    wake,
    spent,
    onConcluded: (message, fate) => commands.concluded(message, fate),
    barOf({ id, sender, recipients }, index) {
      const address = recipients[index]?.address ?? "";
      return suppressed.bar(address) ?? pauses.bar(address, sender, id);
    },
  });
  const applyBars = () => void active.applyBars();
  const suppressed = new Suppressed(log, applyBars);
  await suppressed.open();
  const pauses = new Pauses({
    onChanged() {
      agents.tell(pauses.sources);
      applyBars();
    },
    onResumed: (ids) => links.get("defer")?.send({ type: "recall", ids, all: true }),
  });
  const remotes = new Remotes(remoteLimits(context.config));
  const leaves = new Leaves(context.config.throttles);
  const agents = new Agents(context.agents, {
    onReport(entry, report, ack) {
      noteRemotes(report);
      for (const key of report.pausedSources ?? []) pauses.hold(key, report.id);
      scheduler.reported(entry, report);
      active.onReport(entry, report, ack);
    },
    onOldReport: (report, ack) => active.remember(report, ack),
    onReturned: (entry, died, alone) => active.onReturned(entry, died, alone),
    onCredit: () => scheduler.pump(),
  });
  const routerFor = (config: Config) => router(config, tables, warn);
  const scheduler = new Scheduler(context.config, routerFor, agents, {
    onWanted: (process, alone) => context.wake(process, alone),
    onSuspended: (entry, why, until) => active.onSuspended(entry, why, until),
    onRestrained({ transport, nexthop }, { action, forMs, why }) {
      const what = action === "slow" ? "is delivered to slowly" : "is paused";
      log.info(`${transport}:${nexthop} ${what} for ${forMs / 1000}s: ${why}`);
    },
    onOwn: (entry, agent) => active.onOwn(entry, agent),
    onRecall(ids) {
      links.get("defer")?.send({ type: "recall", ids });
      room.invite("defer", ids.length);
    },
    freeFor: (feeder) => room.freeFor(feeder),
  });
  active.scheduler = scheduler;
  function scan(all: boolean): void {
    watchClock(); // defer is to know of it first
    links.get("defer")?.send({ type: "scan", ...(all ? { all: true as const } : {}) });
  }
  function watchClock(): void {
    timeline.now();
    if (timeline.isUnsaved) timeline.save();
  }
  const commands = new Commands({
    active,
    wake,
    flushAll: () => scan(true),
    controls: new Controls({ log, pauses, suppressed, remotes, scheduler, agents }),
    status: () => ({
      active: active.size,
      busy: agents.busy,
      suspended: scheduler.suspensions(),
      offline: remotes.marks(),
    }),
    timeoutMs: () => context.config.command_timeout,
  });

  /** The faults of a delivery come before its successes: it goes on to another address, not back. */
  function noteRemotes({ remoteFaults = [], results }: Report): void {
    for (const fault of remoteFaults) {
      if (!remotes.faulted(fault)) continue;
      const { offlineMs } = remotes.limits;
      log.info(`${fault.host}[${fault.address}]:${fault.port} is offline for ${offlineMs / 1000}s: ${fault.why}`);
      agents.tell({ type: "remotes", offline: [{ ...fault, forMs: offlineMs }] });
    }
    for (const { type, to: address, port = 0 } of results) {
      if (type !== "success" || address === undefined) continue;
      if (remotes.succeeded(address, port)) agents.tell({ type: "remotes", offline: [], online: [{ address, port }] });
    }
  }

  function receive(link: Link, message: Message): void {
    const name = link.peer?.name ?? "";
    switch (message.type) {
      case "hello":
        links.set(name, link);
        if (OWNERS.has(name)) commands.ownerConnected(name, link);
        if (FEEDERS.has(name)) room.connected(name, link);
        if (message.credit !== undefined) {
          agents.connected(link);
          link.send({ type: "remotes", offline: remotes.marks(), all: true });
          link.send(pauses.sources);
        }
        if (name === "defer") scan(false);
        break;
      case "admitted":
        active.admit(name, message.entries);
        break;
      case "report":
        agents.report(link, message);
        break;
      case "ask":
        leaves.ask(link, message);
        break;
      case "left":
        leaves.left(link, message.ask);
        break;
      case "inventory":
        agents.inventory(link, message.reports);
        break;
      case "done":
        commands.done(message);
        break;
      case "command":
        void commands.command(link, message);
        break;
      default:
        log.warn(`unexpected ${message.type} from ${name}`);
    }
  }
  context.onAgentGone((pid, ordered) => agents.gone(pid, ordered));
  await context.serve({
    onMessage: receive,
    onClose(link) {
      const name = link.peer?.name ?? "";
      if (links.get(name) === link) links.delete(name);
      if (OWNERS.has(name)) commands.ownerDisconnected(name, link);
      if (FEEDERS.has(name)) room.disconnected(name, link);
      agents.disconnected(link);
      leaves.gone(link);
    },
  });

  // Nothing is handed out twice: first what the agents of an earlier qmgr hold, then what is on disk.
  void agents
    .settle(context.config.agent_report_timeout, (pid) => context.kill(pid))
    .then(() => active.takeUp(false))
    .then(() => room.open());

  const activeSync = new DirSync("active");
  function syncRemovals(): void {
    if (!active.isDirty) return;
    active.isDirty = false;
    activeSync.sync().catch((error) => log.warn(`syncing active: ${messageOf(error)}`));
  }
  function run(): void {
    timeline.save();
    scan(false);
    active.takeUp(true).catch((error) => log.warn(`looking through active: ${messageOf(error)}`));
  }
  function tendSpool(): void {
    makeReserve(context.config.spool_reserve);
    clearSpent(() => spent.tend());
  }
  function clearSpent(work: () => void): void {
    try {
      work();
    } catch (error) {
      log.warn(`clearing ${FREE}: ${messageOf(error)}`);
    }
  }
  tendSpool();
  timeline.save();
  setInterval(watchClock, CLOCK_LOOK_MS);
  let runTimer = setInterval(run, context.config.queue_run_delay);
  let syncTimer = setInterval(syncRemovals, context.config.spool_sync_interval);
  setInterval(tendSpool, 10_000);
  return {
    reload(config) {
      void suppressed.open();
      active.configure(config, retryFor(config));
      scheduler.config = config;
      leaves.throttles = config.throttles;
      remotes.limits = remoteLimits(config);
      spent.limit = config.spool_recycle_limit;
      room.limit = config.qmgr_message_active_limit;
      room.replenish();
      clearInterval(runTimer);
      clearInterval(syncTimer);
      runTimer = setInterval(run, config.queue_run_delay);
      syncTimer = setInterval(syncRemovals, config.spool_sync_interval);
    },
    async stop() {
      scheduler.stop();
      while (agents.busy > 0 || active.isConcluding) await new Promise((resolve) => setTimeout(resolve, 20));
      syncRemovals();
      clearSpent(() => spent.clear());
      timeline.save();
    },
  };
});

function remoteLimits(config: Config): RemoteLimits {
  const { remote_offline_time, remote_failure_limit, remote_failure_time } = config;
  return { offlineMs: remote_offline_time, failures: remote_failure_limit, withinMs: remote_failure_time };
}
