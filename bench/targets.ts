/** What sces wants to reach beside Postfix and beside the bare file work, and whether it did in these runs. */
import { type Figure, goodRuns, ratios } from "./comparison.ts";
import type { Latency } from "./latency.ts";
import type { Run } from "./measure.ts";
import { median, quantile, spread } from "./statistics.ts";

export interface Verdict {
  readonly what: string;
  readonly target: string;
  readonly measured: string;
  readonly isMet: boolean;
}

const delivered: Figure = (run) => run.delivered;
const cpu: Figure = (run) => run.cpu;

/** Against another of the same round; the median of the rounds counts. */
interface RatioTarget {
  readonly what: string;
  readonly workload: string;
  readonly to: string;
  readonly figure: Figure;
  readonly least?: number;
  readonly most?: number;
}

const RATIOS: readonly RatioTarget[] = [
  { what: "W1 delivered", workload: "W1", to: "postfix", figure: delivered, least: 2 },
  { what: "W2 delivered", workload: "W2", to: "postfix", figure: delivered, least: 3 },
  { what: "W3 delivered", workload: "W3", to: "postfix", figure: delivered, least: 1.5 },
  { what: "W4 recipients", workload: "W4", to: "postfix", figure: delivered, least: 1.5 },
  { what: "W1 CPU a message", workload: "W1", to: "postfix", figure: cpu, most: 0.45 },
  { what: "W2 CPU a message", workload: "W2", to: "postfix", figure: cpu, most: 0.3 },
  { what: "W2 delivered", workload: "W2", to: "file work", figure: delivered, least: 0.5 },
];
const MOST_PEAK_MB = 250;
const MOST_LATENCY_MS = { median: 8, p99: 25 };

/** Those that were measured. */
export function verdicts(runs: readonly Run[], latencies: readonly Latency[]): Verdict[] {
  const list = RATIOS.flatMap((target) => {
    const found = ratios(runs, target.workload, ["sces", target.to], target.figure);
    const middle = median(found);
    if (middle === undefined) return [];
    const { least = 0, most = Number.POSITIVE_INFINITY } = target;
    const wish = target.least === undefined ? `at most ${most} x ${target.to}` : `at least ${least} x ${target.to}`;
    const isMet = middle >= least && middle <= most;
    return [{ what: target.what, target: wish, measured: spread(found, 2), isMet }];
  });
  const peaks = goodRuns(runs, "sces", "W2").flatMap(({ peakBytes }) => (peakBytes ? [peakBytes / 1e6] : []));
  if (peaks.length > 0) {
    const isMet = Math.max(...peaks) <= MOST_PEAK_MB;
    list.push({ what: "W2 memory (PSS)", target: `at most ${MOST_PEAK_MB} MB`, measured: spread(peaks, 0), isMet });
  }
  const times = latencies.find(({ system }) => system === "sces")?.timesMs ?? [];
  for (const [name, share] of [["median", 0.5] as const, ["p99", 0.99] as const]) {
    const time = quantile(times, share);
    if (time === undefined) continue;
    const most = MOST_LATENCY_MS[name];
    const isMet = time < most;
    list.push({ what: `latency, ${name}`, target: `under ${most} ms`, measured: time.toFixed(1), isMet });
  }
  return list;
}
