/** A mail system under test, started by us, that relays all it gets to one destination. */
import { readdirSync } from "node:fs";
import type { CpuMeter } from "./cpu-meter.ts";

export interface System extends AsyncDisposable {
  readonly name: string;
  readonly port: number; // where it takes mail, on 127.0.0.1
  readonly cpu: CpuMeter;
  readonly version: string;
  /** Messages that it still has. Reads directories: not to be asked more often than needed. */
  queued(): number;
  /** The end of its log. */
  logTail(): string;
}

/** One that can be told to try at once what waits. */
export interface Flushable extends System {
  /** Messages that wait for another try; as `queued`. */
  deferred(): number;
  /** Has everything tried now, as an administrator would; throws if the command fails. */
  flush(): Promise<void>;
}

/** Files in the directories, private names with a leading dot left out; Postfix hashes some, so it goes deeper. */
export function countFiles(directories: readonly string[]): number {
  let count = 0;
  for (const directory of directories) {
    try {
      for (const entry of readdirSync(directory, { withFileTypes: true })) {
        if (entry.name.startsWith(".")) continue;
        count += entry.isDirectory() ? countFiles([`${directory}/${entry.name}`]) : 1;
      }
    } catch {
      // made on demand
    }
  }
  return count;
}
