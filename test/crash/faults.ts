/**
 * Calls that kill, stop or fail on purpose, in processes that run: the other half of faults.c, which says what rules
 * there are. An instance gets `environment`; what it then does is decided by `set`, at any time.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdtempSync, openSync, readSync, realpathSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const RULES = 64;
const TEXT_AT = 2 * RULES * 4;
const FILE_BYTES = 65_536;

export type Operation =
  | "open"
  | "read"
  | "write"
  | "sync"
  | "rename"
  | "link"
  | "unlink"
  | "time"
  | "mkdir"
  | "list"
  | "chmod"
  | "truncate";

export interface Rule {
  readonly who: string; // process name; * for any
  readonly operation: Operation;
  readonly pattern: string; // of the path, as faults.c shows it
  readonly action:
    | "kill"
    | "killed"
    | "stop"
    | "stopped"
    | "torn"
    | "short"
    | "slow"
    | "lose"
    | "EIO"
    | "ENOSPC"
    | "EROFS";
  readonly first?: number; // the hit that counts; default 1
  readonly count?: number; // how many from there on; default 1, 0 for ever
  readonly odds?: number; // one in so many; default 1
}

const ERRNO: Readonly<Record<string, number>> = { EIO: 5, ENOSPC: 28, EROFS: 30 };

/** Why calls cannot be made to fail here; undefined if they can. */
export function whyNoFaults(): string | undefined {
  return spawnSync("cc", ["--version"]).status === 0 ? undefined : "there is no cc";
}

export class Faults implements Disposable {
  /** For the processes that are to obey. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #directory = realpathSync(mkdtempSync(join(tmpdir(), "sces-faults-")));
  readonly #fd: number;

  constructor() {
    const library = join(this.#directory, "faults.so");
    const source = join(import.meta.dirname, "faults.c");
    execFileSync("cc", ["-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"]);
    const control = join(this.#directory, "control");
    this.#fd = openSync(control, "w+", 0o666);
    ftruncateSync(this.#fd, FILE_BYTES);
    this.environment = { LD_PRELOAD: library, SCES_FAULTS: control };
  }

  /** From now on; the counters begin anew. Without rules nothing fails any more. */
  set(...rules: readonly Rule[]): void {
    const text = rules.map(({ who, operation, pattern, action, first = 1, count = 1, odds = 1 }) => {
      return `${who} ${operation} ${pattern} ${ERRNO[action] ?? action} ${first} ${count} ${odds}\n`;
    });
    const bytes = Buffer.from(`${text.join("")}\0`);
    if (rules.length > RULES || bytes.length > 4000) throw new Error("too many rules");
    // The first byte last: until then there are none, so nobody reads half of them.
    writeSync(this.#fd, Buffer.alloc(TEXT_AT + 1), 0, TEXT_AT + 1, 0);
    if (rules.length === 0) return;
    writeSync(this.#fd, bytes, 1, bytes.length - 1, TEXT_AT + 1);
    writeSync(this.#fd, bytes, 0, 1, TEXT_AT);
  }

  /** How often each rule has acted, by its place. */
  acted(rule = 0): number {
    const bytes = Buffer.alloc(4);
    readSync(this.#fd, bytes, 0, 4, (RULES + rule) * 4);
    return bytes.readUInt32LE();
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
    rmSync(this.#directory, { recursive: true });
  }
}
