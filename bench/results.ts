/** Where the figures of a measuring program go, for other programs: JSON files in bench/results, the last one of each. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { dirname, join } from "node:path";

export interface Circumstances {
  readonly when: string; // ISO 8601
  readonly machine: string;
  readonly versions: string;
}

export function circumstances(versions: string): Circumstances {
  return { when: new Date().toISOString(), machine: machine(), versions };
}

export function machine(): string {
  return `${cpus().length} x ${cpus()[0]?.model.trim() ?? "CPU"}, Linux ${release()}, Node ${process.version.slice(1)}`;
}

export function resultsPath(name: string): string {
  return join(import.meta.dirname, "results", `${name}.json`);
}

export function writeResults(path: string, results: Circumstances & Readonly<Record<string, unknown>>): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(results, undefined, 1)}\n`);
  progress(`all figures: ${path}`);
}

/** undefined if it was not measured here. */
export function readResults<T>(name: string): (Circumstances & T) | undefined {
  try {
    return JSON.parse(readFileSync(resultsPath(name), "utf8"));
  } catch {
    return undefined;
  }
}

/** To stderr, with the seconds since the program began. */
export function progress(text: string): void {
  process.stderr.write(`[${(performance.now() / 1000).toFixed(0).padStart(3)} s] ${text}\n`);
}
