/** Which runs count, and how two systems compare: round by round, for a slow minute is slow for both. */
import type { Run } from "./measure.ts";

export type Figure = (run: Run) => number | undefined;

export function goodRuns(runs: readonly Run[], system: string, workload: string): readonly Run[] {
  return runs.filter((run) => run.system === system && run.workload === workload && run.trouble === undefined);
}

/** One figure of one system divided by that of another, in each round that has both. */
export function ratios(
  runs: readonly Run[],
  workload: string,
  pair: readonly [string, string],
  figure: Figure,
): number[] {
  const others = goodRuns(runs, pair[1], workload);
  return goodRuns(runs, pair[0], workload).flatMap((run) => {
    const other = others.find(({ round }) => round === run.round);
    const [upper, lower] = [figure(run), other && figure(other)];
    return upper && lower ? [upper / lower] : [];
  });
}
