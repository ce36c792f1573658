/** Files with secrets: their owner alone may read them. */
import { statSync } from "node:fs";

/** What is wrong with the mode of a file, and what to do; undefined if nothing is, or there is no such file. */
export function exposure(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined || (stat.mode & 0o077) === 0) return undefined;
  const mode = (stat.mode & 0o7777).toString(8).padStart(4, "0");
  return `${path} can be read by others than its owner (mode ${mode}): chmod 600 it`;
}
