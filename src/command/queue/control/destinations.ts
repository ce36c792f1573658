/** `sces-queue destinations`: where mail is going, what waits for what, and what is not tried, why and until when. */
import { EX_OK } from "../../../base/exit.ts";
import { ScesError } from "../../../base/errors.ts";
import { clean } from "../../../base/text.ts";
import type { DestinationStatus, DestinationsStatus } from "../../../ipc/messages.ts";
import { pauseKey } from "../../../mail/pause.ts";
import { Asker } from "../../../service/ask.ts";
import { span } from "../../span.ts";
import { jsonLine } from "../json-line.ts";
import { ask } from "./ask.ts";
import type { Control } from "./control.ts";
import { readOptions } from "./options.ts";

const OPTIONS = { json: { type: "boolean" } } as const;

export const destinations: Control = {
  does: "shows what every destination is doing, and what is suspended, offline or paused",
  synopsis: "[--json]",
  more: `
A row for each destination that has mail in the active queue, or is suspended: deliveries in line (WAITING), messages set
aside in deferred until the line is shorter (ASIDE), deliveries under way (OUT), how many there may be now and at most
(WINDOW), and why nothing is tried, if so. Then remote addresses that are left alone for a while, and pauses.
--json: one object a line, each with its "kind": destination, address or pause. Times to come are in ms.`,
  prepare(args) {
    const { values, positionals } = readOptions(args, OPTIONS);
    if (positionals.length > 0) throw new ScesError("USAGE", "destinations takes no names");
    return async (config, io) => {
      const asker = await Asker.open("qmgr", { timeoutMs: config.command_timeout });
      const { status } = await ask(asker, { verb: "destinations" });
      const told = status as DestinationsStatus;
      io.stdout.write(values.json ? asJson(told) : asText(told));
      return EX_OK;
    };
  },
};

function asJson(told: DestinationsStatus): string {
  return [
    ...told.destinations.map((one) => jsonLine({ kind: "destination", ...one })),
    ...told.offline.map((one) => jsonLine({ kind: "address", ...one })),
    ...told.pauses.map(({ kind, ...pause }) => jsonLine({ kind: "pause", paused: kind, ...pause })),
  ].join("");
}

function asText({ destinations: rows, offline, pauses }: DestinationsStatus): string {
  const busiest = [...rows].sort((a, b) => b.waiting + b.aside - a.waiting - a.aside || (keyOf(a) < keyOf(b) ? -1 : 1));
  const width = Math.min(60, Math.max(11, ...busiest.map((row) => keyOf(row).length)));
  const lines = [`${"DESTINATION".padEnd(width)} WAITING   ASIDE   OUT  WINDOW`];
  for (const row of busiest) {
    const counts = [String(row.waiting).padStart(7), String(row.aside).padStart(7), String(row.busy).padStart(5)];
    const window = `${row.window}/${row.limit}`.padStart(7);
    lines.push(`${keyOf(row).padEnd(width)} ${counts.join(" ")} ${window}${row.pauseMs > 0 ? ` ${paced(row)}` : ""}`);
    if (row.suspended !== undefined) {
      lines.push(`    suspended for ${span(row.suspended.forMs)} more: ${clean(row.suspended.why, 500)}`);
    }
    if (row.lastError !== undefined && row.lastError !== row.suspended?.why) {
      lines.push(`    last error: ${clean(row.lastError, 500)}`);
    }
  }
  if (busiest.length === 0) lines.push("(nothing waits)");
  for (const { host, address, port, forMs, why } of offline) {
    lines.push(`offline: ${clean(host)}[${address}]:${port} for ${span(forMs)} more: ${clean(why, 500)}`);
  }
  for (const pause of pauses) {
    const until = pause.until === undefined ? "" : ` for ${span(pause.until - Date.now())} more`;
    lines.push(
      `paused: ${clean(pauseKey(pause))}${until}${pause.reason === "" ? "" : `: ${clean(pause.reason, 500)}`}`,
    );
  }
  return `${lines.join("\n")}\n`;
}

function keyOf({ transport, nexthop }: DestinationStatus): string {
  return clean(`${transport}:${nexthop}`, 255);
}

function paced({ pauseMs }: DestinationStatus): string {
  return `one in ${pauseMs / 1000} s`;
}
