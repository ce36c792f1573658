/**
 * Retry profiles: how long a recipient waits after an attempt that failed for now. `retry_profiles` names them:
 *
 *     { patient: 5m, 10m*2, 1h*3; jitter 10%; lifetime 3d } { spamexperts: F,2h,15m; G,16h,15m,1.5; F,4d,6h }
 *
 *   backoff 300s 1800s   as long as the message is old, between the two limits: Postfix's rule (qmgr_active.c)
 *   5m, 10m*2, 1h*3      a wait for each attempt of the recipient, the last one for all others
 *   F,2h,15m             Exim's rules (retry.c), in order: this one until 2 h after the first failure, every 15 min ...
 *   G,16h,15m,1.5        ... then until 16 h the last wait times 1.5, at least 15 min ...
 *   H,16h,15m,1.5        ... or at random between 15 min and that. The last rule goes on; its cut-off is the lifetime.
 *   jitter 10%           each wait longer or shorter by up to so much
 *   lifetime 3d          in place of maximal_queue_lifetime
 */
import { parseTime, shown, ValueError, type Kind } from "./values.ts";

/** What the next wait depends on. Times in ms since 1970. */
export interface SoFar {
  readonly now: number;
  readonly arrival: number; // of the message
  readonly firstDeferred: number; // of the message: cut-offs count from here
  readonly attempts: number; // of the recipient, with the one that has just failed
  readonly planned?: Planned; // the attempt that has just failed; absent: the first
  readonly lateMs: number; // so much later than planned an attempt may be without that meaning anything
}

/** An attempt to come. */
export interface Planned {
  readonly since: number; // when it was planned
  readonly due: number;
  readonly waitMs: number; // what the schedule said
}

export interface RetryProfile {
  readonly name: string;
  readonly lifetimeMs?: number; // from the first deferral; absent: maximal_queue_lifetime
  readonly longestMs: number; // no wait is longer
  /** `chance`: from 0 to 1, for what is left to it. */
  plan(soFar: SoFar, chance: number): Planned;
}

type Schedule = Omit<RetryProfile, "name">;

/** Exim's retry_interval_max: what multiplies stops growing here. */
const LONGEST_INTERVAL_MS = 86_400_000;
const NAME = /^[a-z][a-z0-9_-]{0,31}$/;
const MOST_WAITS = 1000;

/** The profiles by name, with those that are always there. */
export const retryProfiles: Kind<ReadonlyMap<string, RetryProfile>> = {
  name: "profiles",
  takes:
    "profiles `{ name: schedule }`; a schedule is `5m, 10m*2, 1h*3`, `backoff 300s 1800s`, or Exim's `F,2h,15m; G,16h,15m,1.5`; then perhaps `; jitter 10%` and `; lifetime 4d`",
  parse(text) {
    const profiles = new Map<string, RetryProfile>();
    for (const profile of BUILT_IN) profiles.set(profile.name, profile);
    const seen = new Set(["default"]);
    for (const profile of split(text)) {
      if (seen.has(profile.name)) throw new ValueError(`retry profile is there already: ${profile.name}`);
      seen.add(profile.name);
      profiles.set(profile.name, profile);
    }
    return profiles;
  },
};

function split(text: string): RetryProfile[] {
  const rest = text.replaceAll(/\{[^{}]*\}/g, "").replaceAll(/[\s,]/g, "");
  if (rest !== "") throw new ValueError(`bad retry profiles: ${shown(text)} (each as { name: schedule })`);
  return [...text.matchAll(/\{([^{}]*)\}/g)].map(([, inner = ""]) => {
    const [, name, body] = /^\s*([^:\s]*)\s*:(.*)$/s.exec(inner) ?? [];
    if (name === undefined || body === undefined || !NAME.test(name)) {
      throw new ValueError(
        `bad retry profile: ${shown(inner.trim())} (name: schedule; a name begins with a small letter)`,
      );
    }
    return Object.freeze({ name, ...parseSchedule(body) });
  });
}

/** One schedule. Throws ValueError. */
export function parseSchedule(text: string): Schedule {
  const parts = text.split(";").map((part) => part.trim().replaceAll(/\s+/g, " "));
  let jitter = 0;
  let lifetimeMs: number | undefined;
  const plan: string[] = [];
  for (const part of parts) {
    const [, option, value = ""] = /^(jitter|lifetime) (.+)$/.exec(part) ?? [];
    if (option === "jitter") jitter = percent(value);
    else if (option === "lifetime") lifetimeMs = duration(value);
    else if (part !== "") plan.push(part);
  }
  if (plan.length === 0) throw new ValueError(`no schedule in: ${shown(text)} (as 5m, 10m*2, 1h)`);
  const schedule = withoutOptions(plan);
  return {
    ...schedule,
    ...(lifetimeMs === undefined ? {} : { lifetimeMs }),
    longestMs: schedule.longestMs * (1 + jitter),
    plan(soFar, chance) {
      const { since, due, waitMs } = schedule.plan(soFar, chance);
      return { since, due: Math.round(due + waitMs * jitter * (2 * chance - 1)), waitMs };
    },
  };
}

function withoutOptions(plan: readonly string[]): Schedule {
  if (plan.every((part) => /^[FGH] ?,/.test(part))) return eximSchedule(plan.map(parseRule));
  const [only = "", ...more] = plan;
  if (more.length > 0) {
    throw new ValueError(
      `bad schedule: ${shown(plan.join("; "))} (";" stands between Exim's rules, and before jitter and lifetime)`,
    );
  }
  const [, shortest, longest] = /^backoff (\S+) (\S+)$/.exec(only) ?? [];
  if (shortest === undefined || longest === undefined) return listSchedule(only);
  return backoffSchedule(duration(shortest), duration(longest));
}

/** Waits as long as the message is old, within limits. */
export function backoffSchedule(shortestMs: number, longestMs: number): Schedule {
  if (shortestMs > longestMs) throw new ValueError("backoff: the first time must not be longer than the second");
  return {
    longestMs,
    plan: ({ now, arrival }) => after(now, Math.min(Math.max(now - arrival, shortestMs), longestMs)),
  };
}

/** The wait after the first attempt, after the second, and so on; the last repeats. */
export function waitsSchedule(waits: readonly number[]): Schedule {
  return {
    longestMs: Math.max(...waits),
    plan: ({ now, attempts }) => after(now, waits[Math.min(Math.max(attempts, 1), waits.length) - 1] ?? 0),
  };
}

function after(now: number, waitMs: number): Planned {
  return { since: now, due: now + waitMs, waitMs };
}

function listSchedule(text: string): Schedule {
  const waits = text.split(/ ?, ?/).flatMap((item) => {
    const [, wait = "", times = "1"] = /^([^*]+?) ?(?:\* ?(\d{1,4}))?$/.exec(item) ?? [];
    return Array.from({ length: Math.min(Number(times), MOST_WAITS + 1) }, () => duration(wait, item));
  });
  if (waits.length > MOST_WAITS) throw new ValueError(`bad schedule: more than ${MOST_WAITS} waits`);
  return waitsSchedule(waits);
}

interface EximRule {
  readonly letter: string;
  readonly cutoffMs: number; // from the first failure
  readonly intervalMs: number;
  readonly factor: number;
}

function parseRule(text: string): EximRule {
  const [letter = "", cutoff = "", interval = "", factor, ...more] = text.split(/ ?, ?/);
  const isWhole =
    more.length === 0 && (letter === "F" ? factor === undefined : /^\d{1,4}(\.\d{1,3})?$/.test(factor ?? ""));
  if (!isWhole) {
    throw new ValueError(`bad rule: ${shown(text)} (F,cut-off,interval or G,cut-off,interval,factor)`);
  }
  return {
    letter,
    cutoffMs: duration(cutoff, text),
    intervalMs: duration(interval, text),
    factor: Number(factor ?? 1),
  };
}

function eximSchedule(rules: readonly EximRule[]): Schedule {
  const last = rules.at(-1);
  if (last === undefined) throw new ValueError("no rule");
  return {
    lifetimeMs: last.cutoffMs,
    longestMs: Math.max(...rules.map(({ letter, intervalMs }) => (letter === "F" ? intervalMs : LONGEST_INTERVAL_MS))),
    plan(soFar, chance) {
      const { now, firstDeferred, planned, lateMs } = soFar;
      // As if the attempt had been made when it was due: that scans come a little later must not add up.
      const lateBy = now - (planned?.due ?? firstDeferred);
      const at = lateBy >= 0 && lateBy <= lateMs ? now - lateBy : now;
      const { letter, intervalMs, factor } = rules.find(({ cutoffMs }) => at - firstDeferred <= cutoffMs) ?? last;
      const waitMs = letter === "F" ? intervalMs : grown(letter, intervalMs, factor, lastWait(soFar), chance);
      const due = Math.round(at + waitMs);
      return { since: now, due: due > now ? due : Math.round(now + waitMs), waitMs };
    },
  };
}

/** Exim takes the shorter of what was planned and what was waited: somebody may have forced an attempt. */
function lastWait({ now, planned }: SoFar): number {
  if (planned === undefined) return 0;
  return now < planned.due ? Math.min(planned.waitMs, now - planned.since) : planned.waitMs;
}

function grown(letter: string, intervalMs: number, factor: number, lastWaitMs: number, chance: number): number {
  const most = lastWaitMs < intervalMs ? intervalMs : Math.min(lastWaitMs * factor, LONGEST_INTERVAL_MS);
  return letter === "G" ? most : intervalMs + chance * (most - intervalMs);
}

/** A time, also of several parts as Exim has it (1h30m). */
function duration(text: string, whole: string = text): number {
  // All but the last with their unit: were it free, so many digits could be divided in as many ways.
  const parts = /^(?:\d+(?:ms|[smhdw]))*\d*$/.test(text) ? (text.match(/\d+(?:ms|[smhdw])?/g) ?? []) : [];
  const total = parts.reduce((sum, part) => sum + (parseTime(part, "s") ?? Number.NaN), 0);
  if (parts.length === 0 || !Number.isSafeInteger(total) || total <= 0) {
    throw new ValueError(`bad time value or unit: ${shown(whole)} (a whole number and s, m, h, d or w)`);
  }
  return total;
}

function percent(text: string): number {
  const value = /^(\d{1,2})%$/.exec(text)?.[1];
  if (value === undefined) throw new ValueError(`bad jitter: ${shown(text)} (as 10%)`);
  return Number(value) / 100;
}

const BUILT_IN: readonly RetryProfile[] = split("{ spamexperts: F,2h,15m; G,16h,15m,1.5; F,4d,6h }");
