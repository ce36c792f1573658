/** What happened to a message besides attempts, in plain words, from its journal. */
import type { JournalRecord } from "../../mail/journal.ts";
import type { View } from "./view.ts";

export interface Event {
  readonly time: number; // ms
  readonly text: string; // not cleaned
}

export function eventsOf(view: View): Event[] {
  return view.records.flatMap((record) => {
    const text = eventText(record, view);
    return text === undefined ? [] : [{ time: record.time, text }];
  });
}

const REPORTS = {
  failed: "a report of failure",
  delayed: "a delay warning",
  delivered: "a report of delivery",
} as const;

function eventText(record: JournalRecord, view: View): string | undefined {
  switch (record.kind) {
    case "attempt":
    case "transcript":
      return undefined; // shown with its recipient, or behind all that happened
    case "schedule":
      return record.scheduled
        ? `to be tried at ${new Date(record.next).toISOString()}, as its sender asked`
        : undefined;
    case "hold":
      return `put on hold${record.reason === "" ? "" : `: ${record.reason}`}`;
    case "release":
      return "released from hold";
    case "requeue":
      return "requeued";
    case "expire":
      return "told to expire";
    case "delete":
      return "deleted, once the delivery that was under way has ended";
    case "delayed":
      return `a delay warning is owed for ${names(record.recipients, view)}`;
    case "reporting":
      return `${REPORTS[record.action]} is being sent as ${record.report} for ${names(record.recipients, view)}`;
    case "reported":
      return `${REPORTS[record.action]} was sent as ${record.report} for ${names(record.recipients, view)}`;
    case "dropped":
      return `no report is owed for ${names(record.recipients, view)}`;
    case "rewritten":
      return undefined; // shown with the recipients
    case "suspect":
      return `a process died while it held this message${record.alone ? " alone" : " and others"}`;
  }
}

const NAMED = 3;

/** A few of the recipients, for people. Not cleaned. */
export function names(indexes: readonly number[], view: View): string {
  const all = indexes.map((index) => `<${view.envelope.recipients[index]?.address ?? `recipient ${index}`}>`);
  if (all.length <= NAMED) return all.join(", ");
  return `${all.slice(0, NAMED).join(", ")} and ${all.length - NAMED} more`;
}
