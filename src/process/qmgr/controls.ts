/** Commands on deliveries at large: what is paused, resumed, and what every destination is doing. */
import { messageOf, ScesError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Link } from "../../ipc/link.ts";
import type { Command, DestinationsStatus } from "../../ipc/messages.ts";
import { pauseKey } from "../../mail/pause.ts";
import type { Agents } from "./agents.ts";
import type { Pauses } from "./pauses.ts";
import type { Remotes } from "./remotes.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Suppressed } from "./suppressed.ts";

/** The verbs that it answers. */
const CONTROLS = ["pause", "resume", "destinations", "suppress"] as const;

export function isControl(verb: Command["verb"]): verb is (typeof CONTROLS)[number] {
  return CONTROLS.some((one) => one === verb);
}

export interface ControlsOptions {
  readonly log: Log;
  readonly pauses: Pauses;
  readonly suppressed: Suppressed;
  readonly remotes: Remotes;
  readonly scheduler: Scheduler;
  readonly agents: Agents;
}

export class Controls {
  readonly #options: ControlsOptions;

  constructor(options: ControlsOptions) {
    this.#options = options;
  }

  async answer(link: Link, command: Command): Promise<void> {
    const base = { type: "reply", request: command.request, affected: [], later: [], missing: [] } as const;
    try {
      if (command.verb === "destinations") link.send({ ...base, status: this.#status() });
      else link.send({ ...base, affected: await this.#change(command) });
    } catch (error) {
      if (!(error instanceof ScesError)) throw error;
      link.send({ ...base, error: `${messageOf(error)}; nothing was changed` });
    }
  }

  async #change({ pause, resume, suppress, unsuppress }: Command): Promise<readonly string[]> {
    if (pause !== undefined) return this.#pause(pause);
    if (resume !== undefined) return this.#resume(resume);
    const { log, suppressed } = this.#options;
    if (suppress !== undefined && suppress.length > 0) {
      await suppressed.add(suppress);
      log.info(
        `suppression list: ${suppress.length} added (${suppress[0]?.value}${suppress.length > 1 ? " ..." : ""})`,
      );
    }
    if (unsuppress === undefined) return [];
    const removed = await suppressed.remove(unsuppress);
    log.info(
      `suppression list: ${removed.length} removed${removed.length > 0 ? ` (${removed[0]}${removed.length > 1 ? " ..." : ""})` : ""}`,
    );
    return removed;
  }

  /** Every suspension and mark ends, as flush does it; pauses stay. */
  resumeAll(): void {
    this.#endMarks(() => true);
    this.#options.scheduler.resume(() => true);
  }

  #pause(pause: NonNullable<Command["pause"]>): string[] {
    const { log, pauses } = this.#options;
    pauses.pause(pause);
    const until = pause.until === undefined ? "" : ` until ${new Date(pause.until).toISOString()}`;
    log.info(`paused: ${pauseKey(pause)}${until}${pause.reason === "" ? "" : `: ${pause.reason}`}`);
    return [pauseKey(pause)];
  }

  #resume({ kind, name }: NonNullable<Command["resume"]>): string[] {
    const { log, pauses, scheduler } = this.#options;
    const isAll = name === "ALL";
    const over = pauses.resume((pause) => isAll || (pause.value === name && (kind ?? pause.kind) === pause.kind));
    const resumed = over.map(pauseKey);
    if (kind === undefined) {
      resumed.push(...scheduler.resume(({ key, nexthop }) => isAll || key === name || nexthop === name));
      resumed.push(
        ...this.#endMarks(({ address, port }) => isAll || address === name || `${address}:${port}` === name),
      );
    }
    for (const one of resumed) log.info(`resumed: ${one}`);
    return resumed;
  }

  #endMarks(matches: Parameters<Remotes["resume"]>[0]): string[] {
    const online = this.#options.remotes.resume(matches);
    if (online.length > 0) this.#options.agents.tell({ type: "remotes", offline: [], online });
    return online.map(({ host, address, port }) => `address ${host}[${address}]:${port}`);
  }

  #status(): DestinationsStatus {
    const { pauses, remotes, scheduler } = this.#options;
    return { destinations: scheduler.destinations(), offline: remotes.marks(), pauses: pauses.all };
  }
}
