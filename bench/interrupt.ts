/** Ctrl-C and kill end a measuring program in order: what it started is stopped, what it made is removed. */
import { progress } from "./results.ts";

/** Aborted by the first SIGINT or SIGTERM; a second one ends the program as it is. */
export function interruption(): AbortController {
  const aborter = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      progress(`${signal}: cleaning up`);
      aborter.abort(new Error(signal));
    });
  }
  return aborter;
}
