/** The verbs of sces-queue: what each is for, what it takes, where it looks. */
import type { Queue } from "../../spool/queues.ts";

export type VerbName = "list" | "flush" | "hold" | "release" | "delete" | "requeue" | "expire" | "show" | "summary";

export interface Verb {
  readonly does: string; // one line
  readonly more: string; // the rest of its help
  readonly synopsis: string;
  /** any: everything, unless narrowed down. some: must be told what. ids: needs ids. */
  readonly takes: "any" | "some" | "ids";
  readonly options: readonly string[]; // besides those that all take
  readonly queues: readonly Queue[]; // where it looks, unless --queue says otherwise
  readonly reachable?: readonly Queue[]; // where it finds what is named by id, if that is more
}

const CHANGE = ["dry-run"];
const EVERYWHERE: readonly Queue[] = ["active", "incoming", "deferred", "hold", "bounce", "results"];
const WHICH = "ID... | - | ALL | filters";

export const VERBS: Readonly<Record<VerbName, Verb>> = {
  list: {
    does: "prints the queue",
    more: `
As mailq does: id (* being delivered, ! on hold, # told to expire), size, arrival, sender; then attempts, next try and
expiry; then for each recipient that still waits the last reason and the address. With --json one object a line, with
the members of postqueue -j. What is in quarantine is shown with --queue corrupt.`,
    synopsis: "[ID... | - | filters] [--json]",
    takes: "any",
    options: [],
    queues: EVERYWHERE,
  },
  flush: {
    does: "tries deferred mail now",
    more: `
Without an id or filter all of it. --site DOMAIN: what waits for that domain. --wait: stays until each message has been
tried and prints what became of it, at most --timeout (10m).`,
    synopsis: `[${WHICH}] [--site DOMAIN] [--wait [--timeout TIME]] [--dry-run] [--json]`,
    takes: "any",
    options: [...CHANGE, "site", "wait", "timeout"],
    queues: ["deferred"],
    reachable: ["deferred", "active", "incoming"],
  },
  hold: {
    does: "puts mail on hold: it is not tried until it is released",
    more: `
-m TEXT (--reason-text): why, for those who will see it in list; also a new reason for mail that is on hold already.
What is just being delivered to is held after the attempt. Mail on hold does not expire unless hold_expire_time says so.`,
    synopsis: `${WHICH} [-m TEXT] [--dry-run] [--json]`,
    takes: "some",
    options: [...CHANGE, "reason-text"],
    queues: ["incoming", "active", "deferred"],
    reachable: ["incoming", "active", "deferred", "hold"],
  },
  release: {
    does: "releases mail from hold",
    more: `
It is tried at once and keeps its history. From quarantine (by name, or all of it with --queue corrupt) messages that can
be read go back in line, and dropped files back to drop/.`,
    synopsis: `${WHICH} [--dry-run] [--json]`,
    takes: "some",
    options: CHANGE,
    queues: ["hold"],
    reachable: ["hold", "corrupt"],
  },
  delete: {
    does: "deletes mail; nobody is told",
    more: `
For ever, and no report is sent. What is just being delivered to is deleted after the attempt.`,
    synopsis: `${WHICH} [--dry-run] [--json]`,
    takes: "some",
    options: CHANGE,
    queues: ["incoming", "active", "deferred", "hold", "bounce"],
    reachable: ["incoming", "active", "deferred", "hold", "bounce", "corrupt"],
  },
  requeue: {
    does: "routes mail anew and tries it now",
    more: `
Id, history and lifetime stay. Also from hold.`,
    synopsis: `${WHICH} [--dry-run] [--json]`,
    takes: "some",
    options: CHANGE,
    queues: ["incoming", "active", "deferred", "hold"],
    reachable: ["incoming", "active", "deferred", "hold", "corrupt"],
  },
  expire: {
    does: "returns mail to its sender now",
    more: `
As if its time was over (status=force-expired). Also from hold.`,
    synopsis: `${WHICH} [--dry-run] [--json]`,
    takes: "some",
    options: CHANGE,
    queues: ["incoming", "active", "deferred", "hold"],
  },
  show: {
    does: "shows all about a message",
    more: `
Envelope, times, every attempt for every recipient, what else happened to it, its header. --content: the message itself
instead, as it will be sent.`,
    synopsis: "ID... | - [--content | --json]",
    takes: "ids",
    options: ["content"],
    queues: EVERYWHERE,
    reachable: [...EVERYWHERE, "corrupt"],
  },
  summary: {
    does: "counts: by queue, by domain and age",
    more: `
A row for each queue; then, as qshape does, for each recipient domain the recipients that wait, by minutes since
arrival. -s (--sender): by sender domain. --top N: the N largest rows.`,
    synopsis: "[filters] [-s] [--top N] [--json]",
    takes: "any",
    options: ["sender", "top"],
    queues: EVERYWHERE,
  },
};

export function isVerb(text: string): text is VerbName {
  return Object.hasOwn(VERBS, text);
}
