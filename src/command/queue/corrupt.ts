/** What is in quarantine: damaged queue files under their ids, and foreign files under names of their own. */
import { clean } from "../../base/text.ts";
import { asctime } from "../../mail/date.ts";
import { readReason, type Reason } from "../../spool/quarantine.ts";
import { statQuarantined } from "../../spool/quarantined.ts";
import { foreignNames, listQueue } from "../../spool/scan.ts";
import { jsonLine, seconds } from "./json-line.ts";

export interface Quarantined {
  readonly name: string; // in corrupt/
  readonly sizeBytes: number;
  readonly writtenMs: number; // last
  readonly reason: Reason | undefined;
}

export async function* listCorrupt(): AsyncGenerator<Quarantined, void> {
  for await (const { id } of listQueue("corrupt")) {
    const found = quarantined(id);
    if (found !== undefined) yield found;
  }
  for (const name of foreignNames("corrupt")) {
    if (name.endsWith(".reason")) continue;
    const found = quarantined(name);
    if (found !== undefined) yield found;
  }
}

function quarantined(name: string): Quarantined | undefined {
  const stat = statQuarantined(name);
  return stat === undefined ? undefined : { name, ...stat, reason: readReason(name) };
}

/** As a message in a listing: name, size, since when; then why it is there. */
export function corruptText({ name, sizeBytes, writtenMs, reason }: Quarantined): string {
  const since = asctime(reason?.time ?? writtenMs).slice(0, 19);
  return `${clean(name, 255).padEnd(17)} ${String(sizeBytes).padStart(8)} ${since}\n    (${whyText(reason)})\n`;
}

/** Why something is in quarantine, in one line. */
export function whyText(reason: Reason | undefined): string {
  if (reason === undefined) return "reason unknown";
  return `${clean(reason.reason)}; from ${clean(reason.from, 100)}/${clean(reason.name, 255)}, by ${clean(reason.by, 40)}`;
}

export function corruptJson({ name, sizeBytes, writtenMs, reason }: Quarantined): string {
  return jsonLine({
    queue_name: "corrupt",
    queue_id: name,
    arrival_time: seconds(reason?.time ?? writtenMs),
    message_size: sizeBytes,
    corrupt_reason: reason?.reason ?? null,
    corrupt_from: reason === undefined ? null : `${reason.from}/${reason.name}`,
    corrupt_by: reason?.by ?? null,
  });
}
