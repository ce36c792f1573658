/** A message as the commands show it: its file read and its journal folded. */
import { lstatSync } from "node:fs";
import { messageOf, ScesError } from "../../base/errors.ts";
import type { Envelope, Recipient } from "../../mail/envelope.ts";
import type { JournalRecord } from "../../mail/journal.ts";
import { foldJournal, type MessageState, nextDue, type RecipientState } from "../../mail/state.ts";
import type { RetryRules } from "../../service/retry-rules.ts";
import { readQueueFile } from "../../spool/file.ts";
import type { Queue } from "../../spool/queues.ts";
import { find, pathOf, type Sighting } from "./sighting.ts";

export interface View {
  readonly id: string;
  readonly queue: Queue;
  readonly path: string;
  readonly envelope: Envelope;
  readonly sizeBytes: number; // of the message
  readonly state: MessageState;
  readonly records: readonly JournalRecord[];
  readonly unreadable: number; // journal lines
}

/** A file that cannot be read as a message. */
export interface Unreadable {
  readonly id: string;
  readonly queue: Queue;
  readonly path: string;
  readonly problem: string;
}

export function isUnreadable(view: View | Unreadable): view is Unreadable {
  return "problem" in view;
}

/** Reads a message; follows it if it was moved meanwhile. Undefined: it has left the queue. */
export async function read(sighting: Sighting): Promise<View | Unreadable | undefined> {
  const seen = readNow(sighting);
  if (seen !== undefined) return seen;
  const moved = await find(sighting.id);
  return moved === undefined ? undefined : readNow(moved);
}

function readNow(sighting: Sighting): View | Unreadable | undefined {
  const { id, queue } = sighting;
  const path = pathOf(sighting);
  try {
    const { envelope, records, unreadable, length } = readQueueFile(path);
    // Delivered meanwhile, and its file written over with another message (spool/spent.ts).
    if (envelope.id !== id && lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
    const state = foldJournal(envelope, records);
    return { id, queue, path, envelope, sizeBytes: length, state, records, unreadable };
  } catch (error) {
    if (!(error instanceof ScesError)) throw error;
    if (error.code === "FILE_GONE") return undefined;
    if (error.code === "FILE_DAMAGED") return { id, queue, path, problem: messageOf(error) };
    throw error;
  }
}

export interface OpenRecipient {
  readonly index: number;
  readonly recipient: Recipient;
  readonly state: RecipientState;
}

/**
 * The recipients that a queue listing is about: those that wait, else those of whose failure nobody was told yet, else
 * (only a report is owed) all.
 */
export function openRecipients(view: View): OpenRecipient[] {
  const all: OpenRecipient[] = [];
  for (const [index, recipient] of view.envelope.recipients.entries()) {
    const state = view.state.recipients[index];
    if (state !== undefined && state.status !== "expanded") all.push({ index, recipient, state });
  }
  const waiting = all.filter(({ state }) => state.status === "waiting");
  if (waiting.length > 0) return waiting;
  const failed = failedUntold(all);
  return failed.length > 0 ? failed : all;
}

export function failedUntold(recipients: readonly OpenRecipient[]): OpenRecipient[] {
  return recipients.filter(({ state }) => state.status === "failed" && !state.settled.includes("failed"));
}

/** The recipients that stand in the place of this one. One that was there already in its own right is not among them. */
export function expandedTo(view: View, index: number): number[] {
  const replaced = view.envelope.recipients[index];
  const name = replaced?.original ?? replaced?.address;
  const added = view.records.reduce(
    (count, record) => count + (record.kind === "rewritten" ? record.added.length : 0),
    0,
  );
  const first = view.envelope.recipients.length - added;
  return view.envelope.recipients.flatMap(({ original }, at) => (at >= first && original === name ? [at] : []));
}

/** Attempts so far, of the recipient that has most. */
export function attemptsOf(view: View): number {
  return openRecipients(view).reduce((most, { state }) => Math.max(most, state.attempts), 0);
}

/** When it will be tried again (ms); undefined where no time is set: it is being tried, held, returned. */
export function nextAttemptOf(view: View): number | undefined {
  return view.queue === "deferred" ? nextDue(view.state) : undefined;
}

/**
 * When the first of its waiting recipients will be given up (ms); undefined before the first deferral, which starts
 * the count unless the message itself says when, and once it is decided.
 */
export function expiresAt(view: View, rules: RetryRules): number | undefined {
  const { firstDeferred, recipients } = view.state;
  if (firstDeferred === undefined && view.envelope.retry?.maxDeliverTime === undefined) return undefined;
  const times = recipients.flatMap((recipient, index) =>
    recipient.status === "waiting" ? [rules.expiry(view.envelope, index, recipient, firstDeferred ?? 0)] : [],
  );
  return times.length === 0 ? undefined : times.reduce((first, time) => Math.min(first, time));
}
