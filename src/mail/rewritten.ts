/**
 * Aliases and the journal. The envelope of a queue file never changes: what cleanup makes of its recipients is one
 * record, and whoever reads the file sees the envelope with it applied. Added recipients are numbered behind the
 * envelope's own, so that no record can ever count for another recipient than the one it was written for.
 */
import { ScesError } from "../base/errors.ts";
import { needsSmtputf8 } from "./address.ts";
import type { Attempt } from "./attempt.ts";
import type { Envelope, Recipient } from "./envelope.ts";
import type { Destination, Failure } from "./expansion.ts";
import type { JournalRecord } from "./journal.ts";
import { foldJournal } from "./state.ts";

/** More than an envelope may hold in the first place: aliases in aliases in a list of thousands. */
const MAX_RECIPIENTS = 50_000;

/** The envelope with what the journal adds to its recipients; the same object where that is nothing. */
export function withRewritten(envelope: Envelope, records: readonly JournalRecord[]): Envelope {
  let extended = envelope;
  for (const record of records) {
    if (record.kind !== "rewritten") continue;
    extended = { ...extended, recipients: [...extended.recipients, ...record.added] };
  }
  return extended;
}

/** The recipient under another address. It remembers the first one, for the log, reports and RFC 3461 5.2.7. */
export function renamed(recipient: Recipient, address: string): Recipient {
  const original = recipient.original ?? recipient.address;
  const orcpt = recipient.orcpt ?? `${needsSmtputf8(original) ? "utf-8" : "rfc822"};${original}`;
  return { ...recipient, address, original, orcpt };
}

/**
 * What is to be written down of aliases before a message is delivered; nothing for almost all mail. It is done once,
 * for recipients that were never tried. `envelope`: as read, with `records` of its file. `expand`: undefined where an
 * address stands for itself. Throws what `expand` throws, and ALIAS_UNUSABLE where it all becomes too much.
 */
export function rewrite(
  envelope: Envelope,
  records: readonly JournalRecord[],
  expand: (address: string) => readonly Destination[] | undefined,
  nowMs: number,
): JournalRecord[] {
  if (records.some((record) => record.kind === "rewritten")) return [];
  const { recipients } = envelope;
  const state = records.length === 0 ? undefined : foldJournal(envelope, records);
  const replaced = new Map<number, readonly Destination[]>();
  const failed: Attempt[] = [];
  for (const [index, { address }] of recipients.entries()) {
    const known = state?.recipients[index];
    if (known !== undefined && (known.status !== "waiting" || known.attempts > 0)) continue;
    const targets = expand(address);
    if (targets === undefined) continue;
    const [only] = targets;
    if (targets.length === 1 && only?.failure !== undefined && only.address === address) {
      failed.push(failure(index, only.failure, envelope.arrival, nowMs));
    } else replaced.set(index, targets);
  }
  if (replaced.size === 0) return failed;

  const added: Recipient[] = [];
  const known = new Set(recipients.flatMap((recipient, index) => (replaced.has(index) ? [] : [identity(recipient)])));
  for (const [index, targets] of replaced) {
    const recipient = recipients[index];
    if (recipient === undefined) continue;
    for (const target of targets) {
      const next = renamed(recipient, target.address);
      if (target.failure !== undefined) {
        failed.push(failure(recipients.length + added.length, target.failure, envelope.arrival, nowMs));
      } else {
        if (known.has(identity(next))) continue; // one copy for each, however many ways lead there
        known.add(identity(next));
      }
      added.push(next);
    }
    if (added.length > MAX_RECIPIENTS) {
      throw new ScesError(
        "ALIAS_UNUSABLE",
        `aliases make more than ${MAX_RECIPIENTS} recipients of ${recipients.length}`,
      );
    }
  }
  return [{ kind: "rewritten", time: nowMs, replaced: [...replaced.keys()], added }, ...failed];
}

/** Recipients that differ in what their senders want to hear are two: else one of them would not hear it. */
export function identity({ address, notify }: Recipient): string {
  return `${address} ${notify?.join() ?? ""}`;
}

function failure(recipient: number, { dsn, text }: Failure, arrivalMs: number, nowMs: number): Attempt {
  return {
    kind: "attempt",
    recipient,
    attempt: 1,
    type: "error",
    outcome: "bounced",
    time: nowMs,
    dsn,
    text,
    description: text,
    delays: [Math.max(0, nowMs - arrivalMs), 0, 0, 0],
  };
}
