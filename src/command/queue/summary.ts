/**
 * `sces-queue summary`: how many messages each queue has, and recipients that wait by domain and age. It must be quick
 * with a million deferred (tally.ts, tally-crew.ts).
 */
import { EX_OK } from "../../base/exit.ts";
import type { Config } from "../../config/config.ts";
import { type Queue, QUEUES } from "../../spool/queues.ts";
import type { CommandIo } from "../io.ts";
import { type AgeTable, AGES } from "./age-table.ts";
import type { Request } from "./arguments.ts";
import { listCorrupt } from "./corrupt.ts";
import { jsonLine } from "./json-line.ts";
import { namedIds, queuesOf, select } from "./selection.ts";
import { walkBatches } from "./sighting.ts";
import { TallyCrew } from "./tally-crew.ts";
import { Tally, type TallyOptions, type Total } from "./tally.ts";

/** results/ has a row only when something is in it: without a broker it is always empty. */
const ROWS: readonly Queue[] = QUEUES.filter((queue) => queue !== "results");

export async function summary(request: Request, config: Config, io: CommandIo): Promise<number> {
  const ids = await namedIds(request, io);
  const asked = queuesOf(request, ids !== undefined);
  const queues = asked.filter((queue) => queue !== "corrupt");
  const { virtual_alias_maps, alias_maps } = config;
  const hasAliases = virtual_alias_maps.length + alias_maps.length > 0;
  const options: TallyOptions = { bySender: request.bySender, hasAliases, nowMs: Date.now() };
  const tally =
    ids === undefined && !request.filter.needsReading
      ? await countAll(request, queues, options)
      : await countRead(request, queues, ids, options);
  const isPlain = ids === undefined && request.filter.isAny;
  if (isPlain && (request.filter.queues === undefined || asked.includes("corrupt"))) {
    for await (const { sizeBytes } of listCorrupt()) tally.addTo("corrupt", sizeBytes);
  }
  // In this order, and those that nobody expects behind.
  const totals = new Map<Queue, Total>(ROWS.map((queue) => [queue, { messages: 0, bytes: 0 }]));
  for (const [queue, total] of tally.totals) totals.set(queue, total);
  if (request.json) io.stdout.write(summaryJson(totals, tally.table, request));
  else io.stdout.write(`${totalsText(totals)}\n${tally.table.text(request.top)}`);
  return EX_OK;
}

async function countAll({ filter }: Request, queues: readonly Queue[], options: TallyOptions): Promise<Tally> {
  await using crew = new TallyCrew(options);
  for await (const batch of walkBatches(queues)) {
    await crew.count(batch.filter((sighting) => !filter.excludes(sighting, options.nowMs)));
  }
  return await crew.result();
}

async function countRead(
  request: Request,
  queues: readonly Queue[],
  ids: readonly string[] | undefined,
  options: TallyOptions,
): Promise<Tally> {
  const tally = new Tally(options);
  for await (const { view } of select(request, { ids, queues, reading: true })) {
    if (view !== undefined) tally.countRead(view);
  }
  return tally;
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
