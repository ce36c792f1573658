/**
 * When a recipient that was put off is tried again, and when it is given up: the message's own wishes, then the retry
 * profile that retry_profile_maps has for it, then the limits of main.cf. What is stored is when things happened, so
 * changed settings hold for mail that is queued already.
 *
 * Keys of retry_profile_maps, the first that is there decides. An error's names are `status=4.7.1`, `status=4.7.*`,
 * `code=451`, `category=greylist`, `type=error`:
 *
 *   user@example.org, example.org, .org ...              the recipient, first each with ",ERROR" behind it
 *   from=user@example.com, from=example.com ..., from=<>  the sender, likewise
 *   ERROR                                                 the error alone
 *   *                                                     all
 *
 * Tables of patterns see one line: `to=user@example.org from=user@example.com type=error category=greylist
 * code=451 status=4.7.1`, without what is not known.
 */
import { messageOf, ScesError } from "../base/errors.ts";
import type { Config } from "../config/config.ts";
import { backoffSchedule, type Planned, type RetryProfile, waitsSchedule } from "../config/retry-profile.ts";
import type { Maps, Tables } from "../config/tables.ts";
import type { Attempt } from "../mail/attempt.ts";
import type { Envelope } from "../mail/envelope.ts";
import { transportKeys } from "../mail/lookup-keys.ts";
import type { RecipientState } from "../mail/state.ts";
import type { Timeline } from "./timeline.ts";

/** What becomes of a recipient that was put off. */
export type Retry =
  /** Tried again when it is `due`. */
  | (Planned & { readonly isOver: false })
  /** Given up. `isEarly`: since no attempt is left, and not by age; its last error is the final one. */
  | { readonly isOver: true; readonly isEarly: boolean };

/** How old what was written down is (timeline.ts). */
export type Age = Pick<Timeline, "present" | "dueOf">;

export class RetryRules {
  /** Nothing that follows the settings is due later than so long from now. */
  readonly longestMs: number;
  readonly timeline: Age;
  readonly #config: Config;
  readonly #maps: Maps;
  readonly #warn: (text: string) => void;
  readonly #standard: RetryProfile;

  constructor(config: Config, tables: Tables, timeline: Age, warn: (text: string) => void = () => {}) {
    this.#config = config;
    this.timeline = timeline;
    this.#maps = tables.open(config.retry_profile_maps);
    this.#warn = warn;
    const { minimal_backoff_time, maximal_backoff_time, retry_profiles } = config;
    this.#standard = { name: "default", ...backoffSchedule(minimal_backoff_time, maximal_backoff_time) };
    const usable = this.#maps.isEmpty ? [] : [...retry_profiles.values()];
    this.longestMs = Math.max(this.#standard.longestMs, ...usable.map(({ longestMs }) => longestMs));
  }

  /** After an attempt or a suspension of that recipient. `chance` from 0 to 1 is for what profiles leave to it. */
  after(envelope: Envelope, index: number, state: RecipientState, first: number, now: number, chance: number): Retry {
    const { retry, dialect } = envelope;
    const { last, attempts } = state;
    if (retry?.maxAttempts !== undefined && attempts >= retry.maxAttempts) return { isOver: true, isEarly: true };
    // MailerQ makes no attempt when the time is over; Postfix makes the last one then.
    const isStrict = dialect === "mailerq" || this.#config.expire_early;
    const profile = this.#profile(envelope, index, last);
    const expiry = this.#expiry(envelope, profile, first);
    if (now >= expiry) return { isOver: true, isEarly: isStrict };
    const planned = this.#plannedOf(state, now);
    const soFar = {
      now,
      arrival: this.timeline.present(envelope.arrival, now),
      firstDeferred: this.timeline.present(first, now),
      attempts,
      lateMs: this.#config.queue_run_delay,
    };
    const plan = profile.plan(planned === undefined ? soFar : { ...soFar, planned }, chance);
    // A suspension's end is not waited for any longer than it lasts, but for once: what is dead for longer would
    // otherwise have all its mail come and go each time.
    const until = state.suspensions === 1 ? last?.until : undefined;
    const due = until === undefined ? plan.due : Math.min(plan.due, Math.max(until, now));
    if (isStrict && due > expiry) return { isOver: true, isEarly: true };
    return { ...plan, due: Math.min(due, expiry), isOver: false };
  }

  /** Whether a recipient's time is over before an attempt: only where the message has MailerQ's rules. */
  isOverBefore(
    envelope: Envelope,
    index: number,
    state: RecipientState,
    first: number | undefined,
    now: number,
  ): boolean {
    if (envelope.dialect !== "mailerq") return false;
    if (state.attempts >= (envelope.retry?.maxAttempts ?? Number.POSITIVE_INFINITY)) return true;
    return now >= this.#expiry(envelope, this.#profile(envelope, index, state.last), first ?? now + 1);
  }

  /** When it will be given up, in ms since 1970. `first`: when the message was first deferred. */
  expiry(envelope: Envelope, index: number, state: RecipientState, first: number): number {
    return this.#expiry(envelope, this.#profile(envelope, index, state.last), first);
  }

  /** The longest that a recipient can have to wait from now on. */
  longestFor(envelope: Envelope, index: number, state: RecipientState): number {
    return this.#profile(envelope, index, state.last).longestMs;
  }

  #expiry({ retry, sender }: Envelope, { lifetimeMs }: RetryProfile, first: number): number {
    if (retry?.maxDeliverTime !== undefined) return retry.maxDeliverTime; // wall time, by its sender's wish
    const { maximal_queue_lifetime, bounce_queue_lifetime } = this.#config;
    const own = lifetimeMs ?? maximal_queue_lifetime;
    // As Postfix: mail from the null sender never waits longer than other mail.
    return this.timeline.present(first) + (sender === "" ? Math.min(bounce_queue_lifetime, own) : own);
  }

  #plannedOf(state: RecipientState, now: number): Planned | undefined {
    const { since, waitMs } = state;
    const due = this.timeline.dueOf(state, now);
    if (due === undefined || since === undefined || waitMs === undefined) return undefined;
    return { since: this.timeline.present(since, now), due, waitMs };
  }

  #profile(envelope: Envelope, index: number, last: Attempt | undefined): RetryProfile {
    const retries = envelope.retry?.retries;
    if (retries !== undefined) return { name: "", ...waitsSchedule(retries.map((seconds) => seconds * 1000)) };
    if (this.#maps.isEmpty) return this.#standard;
    const address = envelope.recipients[index]?.address ?? "";
    try {
      const found = this.#maps.lookup(profileKeys(address, envelope.sender, last, this.#config.recipient_delimiter));
      if (found === undefined || found.value === "default") return this.#standard;
      const profile = this.#config.retry_profiles.get(found.value);
      if (profile === undefined) this.#warn(`${found.table}: ${found.key}: no such retry profile: ${found.value}`);
      return profile ?? this.#standard;
    } catch (error) {
      if (!(error instanceof ScesError)) throw error;
      this.#warn(`${messageOf(error)}; the default schedule holds`);
      return this.#standard;
    }
  }
}

/** The keys, the most specific first. */
export function profileKeys(
  recipient: string,
  sender: string,
  last: Attempt | undefined,
  delimiters: string,
): string[] {
  const errors = last === undefined ? [] : errorNames(last);
  const details = errors.filter((name) => !name.endsWith("*")).reverse();
  const whole = [`to=${recipient}`, `from=${sender}`, ...details].join(" ");
  const from = sender === "" ? ["<>"] : parties(sender, delimiters);
  const who = [...parties(recipient, delimiters), ...from.map((key) => `from=${key}`)];
  return [whole, ...who.flatMap((key) => [...errors.map((name) => `${key},${name}`), key]), ...errors, "*"];
}

function parties(address: string, delimiters: string): string[] {
  return transportKeys(address, delimiters).filter((key) => key !== "*");
}

function errorNames({ type, category, code, status, dsn }: Attempt): string[] {
  const given = status ?? dsn;
  return [
    `status=${given}`,
    `status=${given.replace(/\.\d+$/, ".*")}`,
    ...(code === undefined ? [] : [`code=${code}`]),
    ...(category === undefined ? [] : [`category=${category}`]),
    `type=${type}`,
  ];
}
