/** What a message itself says about its retries, in MailerQ's JSON properties. Goes before all settings. */

export interface RetryWish {
  readonly retries?: readonly number[]; // seconds between attempts, the last one repeats
  readonly maxAttempts?: number; // for each recipient
  readonly maxDeliverTime?: number; // ms since 1970; no attempt after it
  readonly nextAttempt?: number; // ms since 1970; no attempt before it
}

const MOST_RETRIES = 1000;
const LONGEST_RETRY_S = 520 * 7 * 86_400;

/** Reads retries, maxattempts, maxdelivertime and nextattempt. Returns what is wrong as text. */
export function readRetryWish(given: ReadonlyMap<string, unknown>): RetryWish | string {
  const wish: { -readonly [K in keyof RetryWish]: RetryWish[K] } = {};
  const retries = given.get("retries") ?? undefined;
  if (retries !== undefined) {
    if (
      !Array.isArray(retries) ||
      retries.length === 0 ||
      retries.length > MOST_RETRIES ||
      !retries.every(isInterval)
    ) {
      return `retries is no list of 1 to ${MOST_RETRIES} whole numbers of seconds`;
    }
    wish.retries = retries as number[];
  }
  const maxAttempts = given.get("maxattempts") ?? undefined;
  if (maxAttempts !== undefined) {
    if (typeof maxAttempts !== "number" || !Number.isSafeInteger(maxAttempts) || maxAttempts < 1) {
      return "maxattempts is no whole number from 1";
    }
    wish.maxAttempts = maxAttempts;
  }
  for (const [name, member] of [
    ["maxdelivertime", "maxDeliverTime"],
    ["nextattempt", "nextAttempt"],
  ] as const) {
    const text = given.get(name) ?? undefined;
    if (text === undefined) continue;
    const time = typeof text === "string" ? parseUtc(text) : undefined;
    if (time === undefined) return `${name} is no time of the form YYYY-MM-DD HH:MM:SS (UTC)`;
    wish[member] = time;
  }
  return wish;
}

/** `YYYY-MM-DD HH:MM:SS`, exactly so and a time that exists, as ms since 1970. */
export function parseUtc(text: string): number | undefined {
  if (!/^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$/.test(text)) return undefined;
  const iso = `${text.replace(" ", "T")}.000Z`;
  const time = Date.parse(iso);
  return Number.isNaN(time) || new Date(time).toISOString() !== iso ? undefined : time;
}

function isInterval(value: unknown): boolean {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= LONGEST_RETRY_S;
}
