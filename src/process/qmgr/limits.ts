/** What main.cf allows a destination: its transport's settings, and the throttle of its next hop. Pure. */
import type { Config } from "../../config/config.ts";
import type { Feedback } from "../../config/feedback.ts";
import type { Route } from "../../service/router.ts";

export interface Limits {
  readonly concurrency: number;
  readonly initialConcurrency: number;
  readonly positive: Feedback;
  readonly negative: Feedback;
  readonly failedCohorts: number;
  readonly rateDelayMs: number; // between deliveries, which then go one by one
  readonly paceMs: number; // between the beginnings of two deliveries, however long they take; 0: none
}

export function limitsOf(config: Config, { transport, nexthop }: Route): Limits {
  const row = config.throttles.isEmpty ? undefined : config.throttles.forNexthop(nexthop);
  const throttle = row !== undefined && config.throttles.isScheduled(row) ? row : undefined;
  const concurrency = config.transport(transport, "destination_concurrency_limit");
  return {
    concurrency: Math.min(concurrency, throttle?.connections ?? concurrency),
    initialConcurrency: config.transport(transport, "initial_destination_concurrency"),
    positive: config.transport(transport, "destination_concurrency_positive_feedback"),
    negative: config.transport(transport, "destination_concurrency_negative_feedback"),
    failedCohorts: config.transport(transport, "destination_concurrency_failed_cohort_limit"),
    rateDelayMs: config.transport(transport, "destination_rate_delay"),
    paceMs: throttle?.messages === undefined ? 0 : 60_000 / throttle.messages,
  };
}
