/** Reaching whoever may change things in the spool: the running system's qmgr, or, when it is stopped, its lock. */
import { ScesError } from "../../base/errors.ts";
import type { Config } from "../../config/config.ts";

/** How often somebody who starts or stops is asked again. */
const AGAIN_MS = 100;

export interface Ways<T> {
  /** Throws NOT_RUNNING when nobody listens. `leftMs`: to answer. */
  online(leftMs: number): Promise<T>;
  /** Throws SPOOL_LOCKED when somebody runs. */
  offline(): Promise<T>;
}

/**
 * Tries both ways by turns for command_timeout, for a system that starts, stops or is being restarted is neither here
 * nor gone. Throws NO_ANSWER when the system runs and its queue manager does not answer: then nothing was changed.
 */
export async function reach<T>(config: Config, ways: Ways<T>): Promise<T> {
  const until = performance.now() + config.command_timeout;
  for (;;) {
    try {
      return await ways.online(Math.max(1, until - performance.now()));
    } catch (error) {
      if (!(error instanceof ScesError) || error.code !== "NOT_RUNNING") throw told(error, "nothing was changed");
    }
    try {
      return await ways.offline();
    } catch (error) {
      if (!(error instanceof ScesError) || error.code !== "SPOOL_LOCKED") throw error;
    }
    // Somebody has the spool, yet no queue manager listens: it starts, stops, or was killed a moment ago.
    if (performance.now() >= until) {
      const text = `the mail system runs, but its queue manager does not answer within ${config.command_timeout / 1000} s`;
      throw new ScesError("NO_ANSWER", `${text}; nothing was changed`);
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

/** The same error, with what it means for the mail. */
export function told(error: unknown, meaning: string): unknown {
  if (!(error instanceof ScesError) || error.code !== "NO_ANSWER") return error;
  return new ScesError(error.code, `${error.message}; ${meaning}`, { cause: error });
}
