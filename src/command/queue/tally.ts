/**
 * What `sces-queue summary` counts: messages and bytes of each queue, and recipients that wait by domain and age. A
 * message to a single recipient is not read beyond its envelope (but where there are aliases), for its journal cannot
 * change what it adds. Several tallies of different messages make one.
 */
import { ScesError } from "../../base/errors.ts";
import { clean } from "../../base/text.ts";
import { domainOf } from "../../mail/address.ts";
import { Glancer } from "../../spool/glance.ts";
import type { Queue } from "../../spool/queues.ts";
import { type AgeCounts, AgeTable } from "./age-table.ts";
import { pathOf, type Sighting } from "./sighting.ts";
import { isUnreadable, openRecipients, read, type Unreadable, type View } from "./view.ts";

export interface Total {
  messages: number;
  bytes: number;
}

export interface TallyOptions {
  readonly bySender: boolean;
  readonly hasAliases: boolean; // whose mail is for others than the envelope says: the journal has them
  readonly nowMs: number;
}

/** As one thread tells another. */
export interface TallyCounts {
  readonly totals: ReadonlyMap<Queue, Total>;
  readonly ages: AgeCounts;
}

export class Tally {
  readonly totals = new Map<Queue, Total>();
  readonly table = new AgeTable();
  readonly #options: TallyOptions;
  readonly #glancer = new Glancer();
  // The same few names come again and again: one string each.
  readonly #names = new Map<string, string>();

  constructor(options: TallyOptions) {
    this.#options = options;
  }

  async count(sightings: readonly Sighting[]): Promise<void> {
    for (const sighting of sightings) {
      if (this.#countByEnvelope(sighting)) continue;
      const view = await read(sighting);
      if (view !== undefined) this.countRead(view); // else it has left the queue
    }
  }

  countRead(view: View | Unreadable): void {
    if (isUnreadable(view)) {
      this.addTo(view.queue, 0);
      return;
    }
    this.addTo(view.queue, view.sizeBytes);
    const ageMs = this.#options.nowMs - view.envelope.arrival;
    if (this.#options.bySender) this.table.add(this.#name(view.envelope.sender), ageMs);
    else for (const { recipient } of openRecipients(view)) this.table.add(this.#name(recipient.address), ageMs);
  }

  addTo(queue: Queue, bytes: number, messages = 1): void {
    const total = this.totals.get(queue);
    if (total === undefined) {
      this.totals.set(queue, { messages, bytes });
    } else {
      total.messages += messages;
      total.bytes += bytes;
    }
  }

  get counts(): TallyCounts {
    return { totals: this.totals, ages: this.table.counts };
  }

  addCounts({ totals, ages }: TallyCounts): void {
    for (const [queue, { messages, bytes }] of totals) this.addTo(queue, bytes, messages);
    this.table.addCounts(ages);
  }

  /** Whether that was enough. */
  #countByEnvelope(sighting: Sighting): boolean {
    if (sighting.generation > 0 || sighting.queue === "bounce") return false;
    try {
      const { envelope, length } = this.#glancer.glance(pathOf(sighting));
      const { bySender, hasAliases, nowMs } = this.#options;
      const only = envelope.recipients.length === 1 && !hasAliases ? envelope.recipients[0]?.address : undefined;
      const address = bySender ? envelope.sender : only;
      if (address === undefined) return false;
      this.addTo(sighting.queue, length);
      this.table.add(this.#name(address), nowMs - envelope.arrival);
      return true;
    } catch (error) {
      // Gone or damaged: a closer look tells which.
      if (error instanceof ScesError) return false;
      throw error;
    }
  }

  #name(address: string): string {
    const domain = address === "" ? "<>" : domainOf(address);
    const known = this.#names.get(domain);
    if (known !== undefined) return known;
    const name = clean(domain, 255) || "(none)";
    this.#names.set(domain, name);
    return name;
  }
}
