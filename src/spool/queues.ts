/**
 * The only place that names the directories of the spool. Every process has changed to `queue_directory`, so all
 * paths are relative; socket paths stay short (107 bytes) whatever the spool's own path is.
 */
import { isQueueId } from "../mail/queue-id.ts";

/** Queues: directories that hold messages, one file each, named by its id. */
export const QUEUES = ["incoming", "active", "deferred", "hold", "bounce", "corrupt", "results"] as const;
export type Queue = (typeof QUEUES)[number];

export function isQueue(text: string): text is Queue {
  return (QUEUES as readonly string[]).includes(text);
}

/** Where programs and people put files to be mailed. */
export const DROP = "drop";
/** Dropped files between being taken and being a message (ARCHITECTURE.md: Drop once). */
export const TAKEN = "drop/.taken";
/** Files of finished messages, to be written over (spent.ts). */
export const FREE = "free";
/** Sockets and the lock. */
export const RUN = "run";
/** What is kept between runs and is no message. */
export const STATE = "state";
export const LOCK_FILE = "run/lock.db";
export const RESERVE_FILE = "state/reserve";
export const PAUSES_FILE = "state/pauses";
export const CLOCK_FILE = "state/clock";
export const SUPPRESSIONS_FILE = "state/suppressions.db";
/** How TLS went, until it is reported (tls-tallies.ts). */
export const TLSRPT = "state/tlsrpt";
/** MTA-STS policies, a file for each domain. */
export const MTA_STS = "state/mta-sts";

/** The process that owns a queue, which alone takes messages out of it. */
export const OWNERS: Readonly<Record<Queue, string>> = {
  incoming: "cleanup",
  active: "qmgr",
  deferred: "defer",
  hold: "hold",
  bounce: "bounce",
  corrupt: "corrupt",
  results: "amqp",
};

/** `queue/id`. The id is checked: no text from outside becomes a path. Throws on anything that is no queue id. */
export function queuePath(queue: Queue, id: string): string {
  if (!isQueueId(id)) throw new Error(`not a queue id: ${JSON.stringify(id)}`);
  return `${queue}/${id}`;
}

/** The second name of a message in bounce/ or results/: `queue/id.generation`. */
export function secondPath(queue: "bounce" | "results", id: string, generation: number): string {
  return `${queuePath(queue, id)}.${generation}`;
}

const SECOND_NAME = /^([0-9A-Za-z]+)\.([1-9]\d{0,8})$/;

/** What a name in a queue directory stands for; undefined for private (leading dot) and foreign names. */
export function parseName(name: string): { readonly id: string; readonly generation: number } | undefined {
  if (isQueueId(name)) return { id: name, generation: 0 };
  const match = SECOND_NAME.exec(name);
  const id = match?.[1];
  if (id === undefined || !isQueueId(id)) return undefined;
  return { id, generation: Number(match?.[2]) };
}

/** Where a message may have second names. */
const SECOND_PLACES: ReadonlySet<string> = new Set(["bounce", "results"]);

/** The same for a name in that queue: elsewhere a second name is foreign. */
export function parseNameIn(queue: Queue, name: string): ReturnType<typeof parseName> {
  const parsed = parseName(name);
  return parsed !== undefined && parsed.generation > 0 && !SECOND_PLACES.has(queue) ? undefined : parsed;
}

/** The socket on which a process listens. */
export function socketPath(name: string): string {
  return `${RUN}/${name}.sock`;
}
