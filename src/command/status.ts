/** `sces status`: which processes there are, since when, and what qmgr is busy with. */
import { ScesError } from "../base/errors.ts";
import { EX_OK, EX_UNAVAILABLE } from "../base/exit.ts";
import { Asker } from "../service/ask.ts";
import { askMaster } from "./ask-master.ts";
import type { CommandIo } from "./io.ts";
import { span } from "./span.ts";

interface MasterStatus {
  readonly version: string;
  readonly pid: number;
  readonly since: number;
  readonly queue_directory: string;
  readonly stopping: boolean;
  readonly listeners: ReadonlyArray<{ readonly service: string; readonly address: string }>;
  readonly processes: ReadonlyArray<{
    readonly name: string;
    readonly pid: number | null;
    readonly state: string;
    readonly restarts: number;
    readonly since: number | null;
  }>;
}

interface QmgrStatus {
  readonly active: number;
  readonly busy: number;
  readonly suspended: ReadonlyArray<{ transport: string; nexthop: string; why: string; forMs: number }>;
}

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  let answer: Awaited<ReturnType<typeof askMaster>>;
  try {
    answer = await askMaster("status", args, io, ["--json"]);
  } catch (error) {
    if (!(error instanceof ScesError) || error.code !== "NOT_RUNNING") throw error;
    if (args.includes("--json")) io.stdout.write(`${JSON.stringify({ running: false })}\n`);
    else io.stdout.write(`sces is not running; "sces start" starts it\n`);
    return EX_UNAVAILABLE;
  }
  const status = answer.reply.status as MasterStatus;
  const qmgr = await askQmgr(answer.config.command_timeout);
  if (answer.rest.includes("--json")) io.stdout.write(`${JSON.stringify({ running: true, ...status, qmgr })}\n`);
  else io.stdout.write(table(status, qmgr));
  return EX_OK;
}

async function askQmgr(timeoutMs: number): Promise<QmgrStatus | null> {
  try {
    const asker = await Asker.open("qmgr", { timeoutMs });
    try {
      return (await asker.ask({ verb: "status", targets: [] })).status as QmgrStatus;
    } finally {
      asker.close();
    }
  } catch {
    return null; // said below
  }
}

function table(status: MasterStatus, qmgr: QmgrStatus | null): string {
  const lines = [
    `sces ${status.version}, pid ${status.pid}, up ${span(Date.now() - status.since)}${status.stopping ? ", stopping" : ""}`,
    `spool ${status.queue_directory}`,
    `listening: ${status.listeners.map(({ service, address }) => `${service} ${address}`).join(", ") || "nowhere"}`,
    "",
    "process   pid      state     up        restarts",
  ];
  for (const { name, pid, state, since, restarts } of status.processes) {
    const up = since === null ? "-" : span(Date.now() - since);
    lines.push(`${name.padEnd(9)} ${String(pid ?? "-").padEnd(8)} ${state.padEnd(9)} ${up.padEnd(9)} ${restarts}`);
  }
  lines.push("");
  if (qmgr === null) lines.push("qmgr does not answer: see the log");
  else lines.push(`${qmgr.active} active, ${qmgr.busy} being delivered`);
  for (const { transport, nexthop, why, forMs } of qmgr?.suspended ?? []) {
    lines.push(`suspended: ${transport}:${nexthop} for ${span(forMs)} more (${why})`);
  }
  return `${lines.join("\n")}\n`;
}
