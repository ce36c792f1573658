/**
 * MTA-STS policies between runs, a file for each domain, shared by all processes that deliver. A policy that is known
 * protects even when nobody lets the next one be fetched, so it must outlive a restart. A file that is lost or torn
 * is as one that never was: it is fetched again.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { StsPolicy } from "./sts-policy.ts";

const MOST_FILES = 10_000;
const MOST_BYTES = 100_000;
const SWEEP_MS = 3_600_000;
const NAME = /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?$/;

export class StsStore {
  readonly #directory: string;
  #count = 0; // of files, as far as this process knows
  #sweptAt = Number.NEGATIVE_INFINITY; // monotonic clock, ms

  constructor(directory: string) {
    this.#directory = directory;
  }

  read(domain: string): StsPolicy | undefined {
    if (!NAME.test(domain)) return undefined;
    try {
      const text = readFileSync(join(this.#directory, domain), "utf8");
      const policy = text.length > MOST_BYTES ? undefined : (JSON.parse(text) as unknown);
      return isPolicy(policy) ? policy : undefined;
    } catch {
      return undefined;
    }
  }

  /** Throws the system's error. Does nothing when there are too many that are in force. */
  write(domain: string, policy: StsPolicy): void {
    if (!NAME.test(domain)) return;
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    if (performance.now() - this.#sweptAt > SWEEP_MS) this.#sweep();
    if (this.#count >= MOST_FILES) return;
    const aside = join(this.#directory, `.${process.pid}.new`);
    writeFileSync(aside, JSON.stringify(policy), { mode: 0o600 });
    renameSync(aside, join(this.#directory, domain));
    this.#count++;
  }

  /** Removes what is over, and counts what is left. */
  #sweep(): void {
    this.#sweptAt = performance.now();
    this.#count = 0;
    for (const name of readdirSync(this.#directory)) {
      const policy = this.read(name);
      if (policy !== undefined && policy.fetchedMs + policy.maxAgeMs > Date.now()) this.#count++;
      else if (!name.startsWith(".")) rmSync(join(this.#directory, name), { force: true });
    }
  }
}

function isPolicy(value: unknown): value is StsPolicy {
  if (typeof value !== "object" || value === null) return false;
  const { id, mode, mx, maxAgeMs, fetchedMs } = value as Record<string, unknown>;
  return (
    typeof id === "string" &&
    (mode === "enforce" || mode === "testing" || mode === "none") &&
    Array.isArray(mx) &&
    mx.every((pattern) => typeof pattern === "string") &&
    typeof maxAgeMs === "number" &&
    typeof fetchedMs === "number"
  );
}
