/** From what was named on the command line to messages, one after the other. */
import type { CommandIo } from "../io.ts";
import type { Queue } from "../../spool/queues.ts";
import { parseIds, type Request } from "./arguments.ts";
import { find, type Sighting, walk } from "./sighting.ts";
import { VERBS } from "./verbs.ts";
import { read, type Unreadable, type View } from "./view.ts";
import { readWords } from "./words.ts";

/** The ids that were named, those on standard input too; undefined: none were, all messages are meant. */
export async function namedIds(request: Request, io: CommandIo): Promise<readonly string[] | undefined> {
  const { ids, fromStdin } = request.selection;
  if (!fromStdin) return ids.length > 0 ? ids : undefined;
  return [...new Set([...ids, ...parseIds(await readWords(io))])];
}

export interface Found {
  readonly sighting: Sighting;
  readonly view: View | Unreadable | undefined; // undefined if nobody had to read it
}

export interface SelectOptions {
  readonly ids: readonly string[] | undefined;
  readonly queues: readonly Queue[]; // where ids are valid, and what is walked without any
  readonly reading: boolean; // every message is read, also where the filter does not need it
  /** An id that is not there, or (with a sighting) not where the verb has anything to do. */
  onMissing?(id: string, where: Sighting | undefined): void;
}

/** Every message that is meant, as long as it is there. In order of the ids, or of the directories. */
export async function* select(request: Request, options: SelectOptions): AsyncGenerator<Found, void> {
  const nowMs = Date.now();
  const { filter } = request;
  const mustRead = options.reading || filter.needsReading;
  const sightings = options.ids === undefined ? walk(options.queues) : named(options.ids, options);
  for await (const sighting of sightings) {
    if (filter.excludes(sighting, nowMs)) continue;
    if (!mustRead) {
      yield { sighting, view: undefined };
      continue;
    }
    const view = await read(sighting);
    if (view === undefined) {
      if (options.ids !== undefined) options.onMissing?.(sighting.id, undefined);
      continue;
    }
    if (filter.matches(view)) yield { sighting, view };
  }
}

async function* named(ids: readonly string[], options: SelectOptions): AsyncGenerator<Sighting, void> {
  for (const id of ids) {
    const sighting = await find(id);
    if (sighting !== undefined && options.queues.includes(sighting.queue)) yield sighting;
    else options.onMissing?.(id, sighting);
  }
}

/** Where a verb looks: what --queue says, else its own queues; with ids, quarantine too where it can do anything there. */
export function queuesOf(request: Request, hasIds: boolean): readonly Queue[] {
  const { queues, reachable } = VERBS[request.verb];
  const possible = reachable ?? queues;
  const asked = request.filter.queues;
  if (asked !== undefined) return asked;
  return hasIds ? possible : queues;
}
