/**
 * Steps of the wall clock: it was set, and what was written down before is in another time than what is written now.
 * Between two steps lies a stretch of time that is told rightly; each step begins a new one. A time that was written
 * down belongs to the latest stretch that has it: where stretches overlap, for the clock was set back, it counts as
 * younger than it may be. Pure.
 */
export interface ClockStep {
  readonly from: number; // ms since 1970 by the clock as it was, at that instant
  readonly to: number; // by the clock as it was set
}

/** What is kept in step goes back by so little, and processes look at the clock one after the other. */
const SLACK_MS = 1000;
/** So many are remembered. */
export const MOST_STEPS = 20;

/** What a time that was written down would be by the clock of now: real age is `now` less that. */
export function presentOf(time: number, steps: readonly ClockStep[], now: number): number {
  if (steps.length === 0) return time;
  let shift = 0; // from the stretch that is looked at to the present one
  let end = now + SLACK_MS; // of that stretch
  let inGap: number | undefined; // the beginning of the stretch behind a gap that has it
  for (const { from, to } of steps.toReversed()) {
    if (time >= to && time <= end) return time + shift;
    if (time > from && time < to) inGap ??= to + shift; // between the step and its being noticed
    shift += to - from;
    end = from;
  }
  if (time <= end) return time + shift;
  return inGap ?? now; // of a time that nobody has seen: it cannot be old
}
