/**
 * `sces-queue summary`: how many messages each queue has, and recipients that wait by domain and age. It must be quick
 * with a million deferred: the age is in the id, and a message to a single recipient is not read beyond its envelope
 * (but where there are aliases).
 */
import { EX_OK } from "../../base/exit.ts";
import { ScesError } from "../../base/errors.ts";
import { clean } from "../../base/text.ts";
import type { Config } from "../../config/config.ts";
import { domainOf } from "../../mail/address.ts";
import { Glancer } from "../../spool/glance.ts";
import { type Queue, QUEUES } from "../../spool/queues.ts";
import type { CommandIo } from "../io.ts";
import { AgeTable, AGES } from "./age-table.ts";
import type { Request } from "./arguments.ts";
import { listCorrupt } from "./corrupt.ts";
import { arrivalOf } from "./filter.ts";
import { jsonLine } from "./json-line.ts";
import { namedIds, queuesOf, select } from "./selection.ts";
import { pathOf, type Sighting } from "./sighting.ts";
import { isUnreadable, openRecipients, read, type Unreadable, type View } from "./view.ts";

interface Total {
  messages: number;
  bytes: number;
}

/** What a message adds to the counts. */
interface Counted {
  readonly bytes: number;
  readonly names: readonly string[]; // domains, one for each recipient that waits (or the sender's)
}

/** results/ has a row only when something is in it: without a broker it is always empty. */
const ROWS: readonly Queue[] = QUEUES.filter((queue) => queue !== "results");

export async function summary(request: Request, config: Config, io: CommandIo): Promise<number> {
  const ids = await namedIds(request, io);
  const asked = queuesOf(request, ids !== undefined);
  const isPlain = ids === undefined && request.filter.isAny;
  const totals = new Map<Queue, Total>(ROWS.map((queue) => [queue, { messages: 0, bytes: 0 }]));
  const table = new AgeTable();
  const counter = new Counter(request.bySender, config);
  const now = Date.now();

  const found = select(request, { ids, queues: asked.filter((queue) => queue !== "corrupt"), reading: false });
  for await (const { sighting, view } of found) {
    const counted = view === undefined ? await counter.count(sighting) : counter.countRead(view);
    if (counted === undefined) continue;
    addTo(totals, view?.queue ?? sighting.queue, counted.bytes);
    const arrival = arrivalOf(sighting.id) ?? now;
    for (const name of counted.names) table.add(name, now - arrival);
  }
  if (isPlain && (request.filter.queues === undefined || asked.includes("corrupt"))) {
    for await (const { sizeBytes } of listCorrupt()) addTo(totals, "corrupt", sizeBytes);
  }
  if (request.json) io.stdout.write(summaryJson(totals, table, request));
  else io.stdout.write(`${totalsText(totals)}\n${table.text(request.top)}`);
  return EX_OK;
}

class Counter {
  readonly #bySender: boolean;
  readonly #hasAliases: boolean; // whose mail is for others than the envelope says: the journal has them
  readonly #glancer = new Glancer();
  // The same few names come again and again: one string each.
  readonly #names = new Map<string, string>();

  constructor(bySender: boolean, { virtual_alias_maps, alias_maps }: Config) {
    this.#bySender = bySender;
    this.#hasAliases = virtual_alias_maps.length + alias_maps.length > 0;
  }

  /** Undefined if it has left the queue. */
  async count(sighting: Sighting): Promise<Counted | undefined> {
    if (sighting.generation === 0 && sighting.queue !== "bounce") {
      try {
        const { envelope, length } = this.#glancer.glance(pathOf(sighting));
        const only = envelope.recipients[0];
        if (this.#bySender) return { bytes: length, names: [this.#name(envelope.sender)] };
        if (only !== undefined && envelope.recipients.length === 1 && !this.#hasAliases) {
          return { bytes: length, names: [this.#name(only.address)] };
        }
      } catch (error) {
        // Gone or damaged: a closer look tells which.
        if (!(error instanceof ScesError)) throw error;
      }
    }
    const view = await read(sighting);
    return view === undefined ? undefined : this.countRead(view);
  }

  countRead(view: View | Unreadable): Counted {
    if (isUnreadable(view)) return { bytes: 0, names: [] };
    if (this.#bySender) return { bytes: view.sizeBytes, names: [this.#name(view.envelope.sender)] };
    return { bytes: view.sizeBytes, names: openRecipients(view).map(({ recipient }) => this.#name(recipient.address)) };
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

function addTo(totals: Map<Queue, Total>, queue: Queue, bytes: number): void {
  let total = totals.get(queue);
  if (total === undefined) {
    total = { messages: 0, bytes: 0 };
    totals.set(queue, total);
  }
  total.messages += 1;
  total.bytes += bytes;
}

function totalsText(totals: ReadonlyMap<Queue, Total>): string {
  const sum = { messages: 0, bytes: 0 };
  const rows: [string, Total][] = [...totals];
  for (const [, { messages, bytes }] of rows) {
    sum.messages += messages;
    sum.bytes += bytes;
  }
  rows.push(["all", sum]);
  const width = Math.max("Messages".length, String(sum.messages).length);
  const line = (name: string, messages: string, bytes: string) =>
    `${name.padEnd(9)} ${messages.padStart(width)} ${bytes.padStart(10)}\n`;
  return (
    line("Queue", "Messages", "Kbytes") +
    rows.map(([name, { messages, bytes }]) => line(name, String(messages), String(Math.floor(bytes / 1024)))).join("")
  );
}

function summaryJson(totals: ReadonlyMap<Queue, Total>, table: AgeTable, request: Request): string {
  const byAge = (counts: readonly number[]) =>
    Object.fromEntries(AGES.map((age, column) => [age, counts[column] ?? 0]));
  return jsonLine({
    queues: Object.fromEntries([...totals].map(([queue, { messages, bytes }]) => [queue, { messages, bytes }])),
    by: request.bySender ? "sender" : "domain",
    total: table.total.total,
    ages: byAge(table.total.counts),
    rows: table.rows(request.top).map(({ name, total, counts }) => ({ name, total, ages: byAge(counts) })),
  });
}
