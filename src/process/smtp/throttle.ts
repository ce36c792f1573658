/** How a connection may be used by the throttles, once it is known from where to where it goes. Pure. */
import type { Ends, Throttles } from "../../config/throttles.ts";
import type { CacheLimits } from "./connection-cache.ts";

/** How long, and for how many messages; of two rows the tighter one holds. */
export function reuseOf(throttles: Throttles, ends: Ends): Partial<CacheLimits> | undefined {
  if (throttles.isEmpty) return undefined;
  const rows = throttles.between(ends);
  const idle = rows.flatMap(({ idleMs }) => idleMs ?? []);
  const messages = rows.flatMap(({ perConnection }) => perConnection ?? []);
  return {
    ...(idle.length > 0 ? { idleMs: Math.min(...idle) } : {}),
    ...(messages.length > 0 ? { reuseCount: Math.min(...messages) } : {}),
  };
}
