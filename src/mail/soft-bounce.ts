/** soft_bounce: what would be refused or returned for good is put off instead, so that a mistake of ours loses no mail. */
import type { Attempt } from "./attempt.ts";

/** A 5xx reply as 4xx, with its enhanced status; others as they are. */
export function softReply(reply: string): string {
  return reply.startsWith("5") ? `4${reply.slice(1)}`.replace(/^(4\d\d[ -])5\./, "$14.") : reply;
}

/** A recipient that was refused for good is to be tried again. */
export function softAttempt<A extends Pick<Attempt, "outcome" | "dsn">>(attempt: A): A {
  if (attempt.outcome !== "bounced") return attempt;
  return { ...attempt, outcome: "deferred", dsn: attempt.dsn.replace(/^5/, "4") };
}
