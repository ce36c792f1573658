/** Of many figures the one that stands for them. */

/** The middle one, of an even number the mean of the middle two; undefined of none. */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle];
  return sorted.length % 2 === 1 || high === undefined ? high : (high + (sorted[middle - 1] as number)) / 2;
}

/** The one that `share` (0 to 1) of them do not exceed. */
export function quantile(values: readonly number[], share: number): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];
}

/** Median and range, as "12.3 (11.9..14.0)". */
export function spread(values: readonly number[], digits: number): string {
  const middle = median(values);
  if (middle === undefined) return "-";
  const show = (value: number): string => value.toFixed(digits);
  if (values.length === 1) return show(middle);
  return `${show(middle)} (${show(Math.min(...values))}..${show(Math.max(...values))})`;
}
