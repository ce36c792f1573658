/** What the throttles say of one connection, once it is known from where to where it goes. Pure. */
import type { ThrottleRow, Throttles } from "../../config/throttles.ts";
import type { CacheLimits } from "./connection-cache.ts";

export interface Ends {
  readonly nexthop: string;
  readonly address: string; // remote
  readonly source: string; // ours
}

/** The rows that hold: of the next hop and of the remote address. */
function rowsFor(throttles: Throttles, { nexthop, address, source }: Ends): ThrottleRow[] {
  const rows = new Set([throttles.forNexthop(nexthop, source), throttles.forAddress(address, source)]);
  return [...rows].filter((row) => row !== undefined);
}

/** How long, and for how many messages, it is used; of two rows the tighter one holds. */
export function reuseOf(throttles: Throttles, ends: Ends): Partial<CacheLimits> {
  if (throttles.isEmpty) return {};
  const rows = rowsFor(throttles, ends);
  const idle = rows.flatMap(({ idleMs }) => idleMs ?? []);
  const messages = rows.flatMap(({ perConnection }) => perConnection ?? []);
  return {
    ...(idle.length > 0 ? { idleMs: Math.min(...idle) } : {}),
    ...(messages.length > 0 ? { reuseCount: Math.min(...messages) } : {}),
  };
}
