/** When a deferred message is tried again, and when its time is over. Pure. */

export interface BackoffLimits {
  readonly minimalMs: number;
  readonly maximalMs: number;
  readonly lifetimeMs: number; // from the first deferral; 0: one attempt only
}

/**
 * Postfix's rule (qmgr_active.c): wait as long as the message is old, within the limits; but not past its expiry,
 * for the last attempt is made then. All times in ms since 1970.
 */
export function nextAttempt(now: number, arrival: number, firstDeferred: number, limits: BackoffLimits): number {
  const age = Math.max(0, now - arrival);
  const waitMs = Math.min(Math.max(age, limits.minimalMs), limits.maximalMs);
  const expiry = firstDeferred + limits.lifetimeMs;
  return expiry > now ? Math.min(now + waitMs, expiry) : now + waitMs;
}

/** Asked after an attempt that failed for now. */
export function isExpired(now: number, firstDeferred: number, limits: BackoffLimits): boolean {
  return now - firstDeferred >= limits.lifetimeMs;
}
