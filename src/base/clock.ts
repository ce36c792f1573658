/**
 * Time. Wall time (ms since 1970) is for what is written down; intervals are measured with the monotonic clock, so
 * that a jump of the wall clock neither fires nor stalls a timer.
 */
export interface Clock {
  now(): number; // wall time, ms
  monotonic(): number; // ms since some fixed instant
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

/** Resolves after `ms`; the timer does not keep the process alive. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
