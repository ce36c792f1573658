/**
 * What was promised against what came of it. Pure: everything that it judges is handed in.
 *
 * A promise is kept for a recipient when the message was delivered to it, or was returned to its sender because the
 * destination refused it for good, or is still queued.
 */
import type { LedgerEntry } from "./ledger.ts";
import { treatmentOf } from "./parcel.ts";
import type { Delivery, Returned } from "./recorder.ts";
import type { Quarantined } from "./spool-search.ts";

export interface Kill {
  readonly name: string; // of the process; "pair" for two, "power" for all, "destination" for the other side
  readonly label?: string; // how it is counted; default: the name
  readonly at: number; // ms since 1970, just before
  readonly doneAt: number; // when the signal had been sent
}

export interface Evidence {
  readonly ledger: readonly LedgerEntry[]; // promised or only tried
  readonly deliveries: readonly Delivery[];
  readonly returns: readonly Returned[];
  readonly strangers: readonly string[]; // mail that we did not send
  readonly queued: ReadonlySet<string>; // tokens found in the queues at the end
  readonly leftovers: readonly string[]; // names in the spool that nobody needs any more
  readonly corrupt: readonly Quarantined[];
  readonly rubbish: ReadonlySet<string>; // tokens of files that belong in quarantine, once each
  readonly kills: readonly Kill[];
  readonly duplicateWindowMs: number; // how long before a crash a delivery may have ended without its record
  readonly lateMs: number; // how long after a crash we may still read what the dead process had sent
}

export interface Verdict {
  readonly violations: readonly string[];
  readonly promised: number; // messages
  readonly promisedRecipients: number;
  readonly delivered: number; // recipients of promised messages
  readonly returned: number;
  readonly lost: number; // recipients of whom nothing is known any more; each is a violation
  readonly queued: number; // recipients neither delivered nor returned whose message is still there
  readonly unpromised: number; // deliveries of messages that had no 250: allowed, the client does not know
  readonly duplicates: number; // deliveries beyond the first, all explained by a crash unless there are violations
  readonly duplicatesByKill: ReadonlyMap<string, number>;
}

// Only these hold deliveries: the death of another must not double anything.
const DELIVERING = new Set(["smtp", "qmgr", "master", "pair", "destination", "power"]);

export function judge(evidence: Evidence): Verdict {
  const violations: string[] = [];
  const entries = new Map(evidence.ledger.map((entry) => [entry.token, entry]));
  const delivered = grouped(evidence.deliveries, ({ token, recipient }) => `${token} ${recipient}`);
  const counts = { delivered: 0, returned: 0, queued: 0, lost: 0, recipients: 0, promised: 0 };
  const returnedTo = recipientsReturned(evidence, violations);

  for (const entry of entries.values()) {
    if (entry.acknowledgedAt === undefined) continue;
    counts.promised++;
    for (const recipient of entry.recipients) {
      counts.recipients++;
      const isDelivered = delivered.has(`${entry.token} ${recipient}`);
      const isReturned = returnedTo.has(recipient);
      if (isDelivered) counts.delivered++;
      else if (isReturned) counts.returned++;
      else if (evidence.queued.has(entry.token)) counts.queued++;
      else {
        counts.lost++;
        violations.push(`lost: ${entry.token} (${entry.door}, ${entry.id || "no id"}) for ${recipient}`);
      }
      if (isDelivered && isReturned) violations.push(`delivered and returned: ${recipient}`);
    }
  }
  violations.push(...damages(evidence.deliveries, entries), ...doubledAtTheDoor(evidence.deliveries));
  const doubled = duplicates(delivered, evidence, violations);
  for (const name of evidence.leftovers) violations.push(`left behind: ${name}`);
  violations.push(...wrongInQuarantine(evidence));
  for (const stranger of evidence.strangers) violations.push(`mail that nobody sent: ${stranger}`);
  return {
    violations,
    promised: counts.promised,
    promisedRecipients: counts.recipients,
    delivered: counts.delivered,
    returned: counts.returned,
    queued: counts.queued,
    lost: counts.lost,
    unpromised: evidence.deliveries.filter(({ token }) => entries.get(token)?.acknowledgedAt === undefined).length,
    duplicates: [...doubled.values()].reduce((sum, count) => sum + count, 0),
    duplicatesByKill: doubled,
  };
}

/** Who was returned; wrong and repeated returns are violations. One report may arrive twice, as any mail may. */
function recipientsReturned(evidence: Evidence, violations: string[]): Map<string, Set<string>> {
  const reports = new Map<string, Set<string>>(); // recipient -> Message-IDs of the reports about it
  for (const report of evidence.returns) {
    if (report.recipients.length === 0) violations.push(`a report without recipients to the sender of ${report.token}`);
    for (const recipient of report.recipients) {
      if (treatmentOf(recipient) !== "hard") violations.push(`returned wrongly: ${recipient}`);
      if (!recipient.includes(`.${report.token}.`)) violations.push(`returned to the wrong sender: ${recipient}`);
      const known = reports.get(recipient);
      if (known) known.add(report.messageId);
      else reports.set(recipient, new Set([report.messageId]));
    }
  }
  for (const [recipient, ids] of reports) {
    if (ids.size > 1) violations.push(`returned ${ids.size} times: ${recipient} (${[...ids].join(", ")})`);
  }
  return reports;
}

function damages(deliveries: readonly Delivery[], entries: ReadonlyMap<string, LedgerEntry>): string[] {
  return deliveries.flatMap(({ token, recipient, digest, id }) => {
    const entry = entries.get(token);
    if (!entry) return [`a token that was never sent: ${token}`];
    if (entry.digest !== digest) return [`not as it was sent: ${token} (${id}) for ${recipient}`];
    return entry.recipients.includes(recipient) ? [] : [`for somebody else: ${token} for ${recipient}`];
  });
}

/** One message sent becomes one message queued: the same token under two queue ids was taken in twice. */
function doubledAtTheDoor(deliveries: readonly Delivery[]): string[] {
  const ids = new Map<string, Set<string>>();
  for (const { token, id } of deliveries) {
    if (!id) continue;
    const known = ids.get(token);
    if (known) known.add(id);
    else ids.set(token, new Set([id]));
  }
  return [...ids].flatMap(([token, set]) =>
    set.size > 1 ? [`taken in ${set.size} times: ${token} (${[...set].join(", ")})`] : [],
  );
}

/** Deliveries beyond the first, by the kill that explains each; without such a kill they are violations. */
function duplicates(
  delivered: ReadonlyMap<string, readonly Delivery[]>,
  evidence: Evidence,
  violations: string[],
): Map<string, number> {
  const kills = evidence.kills.filter(({ name }) => DELIVERING.has(name));
  const byKill = new Map<string, number>();
  for (const [key, list] of delivered) {
    const sorted = [...list].sort((a, b) => a.at - b.at);
    for (let index = 1; index < sorted.length; index++) {
      const before = sorted[index - 1] as Delivery;
      const again = sorted[index] as Delivery;
      // The crash came before the second delivery, and so near to the first that its record was not yet durable.
      const kill = kills.find(
        ({ at, doneAt }) =>
          at <= again.at && at <= before.at + evidence.duplicateWindowMs && doneAt >= before.at - evidence.lateMs,
      );
      const name = kill?.label ?? kill?.name ?? "nothing";
      byKill.set(name, (byKill.get(name) ?? 0) + 1);
      if (!kill) {
        const last = evidence.kills.filter(({ at }) => at <= again.at).at(-1);
        const since = last ? `; last kill: ${last.name}, ${last.at - before.at} ms after the first` : "";
        violations.push(
          `delivered again after ${again.at - before.at} ms without a crash that explains it: ${key}${since}`,
        );
      }
    }
  }
  return byKill;
}

function wrongInQuarantine({ corrupt, rubbish }: Evidence): string[] {
  const counts = new Map([...rubbish].map((token) => [token, 0]));
  const wrong: string[] = [];
  for (const { name, rubbish: token } of corrupt) {
    const count = token === undefined ? undefined : counts.get(token);
    if (token === undefined || count === undefined) wrong.push(`in quarantine: ${name}`);
    else counts.set(token, count + 1);
  }
  for (const [token, count] of counts) if (count !== 1) wrong.push(`rubbish is in quarantine ${count} times: ${token}`);
  return wrong;
}

function grouped<T>(list: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of list) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
