/**
 * Inputs for one target, as long as there is time, and what came of them. An input that leads somewhere new is kept
 * and changed further; one that breaks a promise, crashes or holds the loop for too long is a find.
 */
import { createHash } from "node:crypto";
import { Random } from "../harness/random.ts";
import { mutate } from "./mutate.ts";
import type { Target } from "./target.ts";
import { longestTurn } from "./turns.ts";

export interface Find {
  readonly target: string;
  readonly why: string;
  readonly input: Buffer;
  readonly runSeed: number; // of what chance does while it runs
}

/** Told before each input. */
export type Beginning = (input: Buffer) => void;

/** What is asked of one turn of the event loop. The first look at an input may meet the garbage of others. */
const LONGEST_TURN_MS = 100;
const CONFIRMED_BY = 3; // times that it must be too long
const MOST_KEPT = 400; // inputs
const MOST_KEPT_BYTES = 2 * 1024 * 1024;
const MOST_FINDS = 10; // of one target; behind that it is the same again

export class Campaign {
  readonly target: Target;
  readonly finds: Find[] = [];
  inputs = 0;
  longestMs = 0; // of a turn, but for finds
  readonly heapBytes: number[] = []; // after each slice
  readonly #seed: number;
  readonly #begins: Beginning;
  readonly #kept: Buffer[];
  readonly #seen = new Set<string>();
  readonly #first: Iterator<Buffer>;
  #keptBytes = 0;
  #stray: unknown; // thrown where nobody waited for it

  constructor(target: Target, seed: number, begins: Beginning) {
    this.target = target;
    this.#seed = seed;
    this.#begins = begins;
    this.#kept = [...target.seeds];
    this.#first = firstOf(target);
  }

  get kinds(): number {
    return this.#seen.size;
  }

  /** An error that came out of no call: of whatever input is under way. */
  stray(error: unknown): void {
    this.#stray ??= error;
  }

  async slice(ms: number): Promise<void> {
    const end = performance.now() + ms;
    while (performance.now() < end && this.finds.length < MOST_FINDS) {
      const random = new Random(hash(`${this.#seed} ${this.target.name} ${this.inputs}`));
      const first = this.#first.next();
      const material = { ...this.target, seeds: this.#kept };
      const input = first.done === true ? mutate(random.pick(this.#kept), random, material) : first.value;
      await this.take(input, random.below(2 ** 31));
    }
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    this.heapBytes.push(heapUsed + external);
  }

  async take(input: Buffer, runSeed: number): Promise<void> {
    this.inputs += 1;
    let ms = Number.POSITIVE_INFINITY;
    for (let times = 0; times < CONFIRMED_BY && ms > LONGEST_TURN_MS; times++) {
      const outcome = await this.#once(input, runSeed);
      if (outcome.why !== undefined) {
        this.#found(outcome.why, input, runSeed);
        return;
      }
      ms = Math.min(ms, outcome.longestMs);
      this.#remember(outcome.kind, input);
    }
    if (ms > LONGEST_TURN_MS) this.#found(`a turn of ${Math.round(ms)} ms`, input, runSeed);
    else this.longestMs = Math.max(this.longestMs, ms);
  }

  async #once(input: Buffer, runSeed: number): Promise<{ longestMs: number; kind: string; why?: string }> {
    this.#begins(input);
    this.#stray = undefined;
    let kind = "";
    try {
      const longestMs = await longestTurn(async () => {
        kind = await this.target.run(input, new Random(runSeed));
      });
      if (this.#stray !== undefined) throw this.#stray;
      return { longestMs, kind };
    } catch (error) {
      return { longestMs: 0, kind, why: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
  }

  #found(why: string, input: Buffer, runSeed: number): void {
    const isKnown = this.finds.some((find) => headOf(find.why) === headOf(why));
    if (!isKnown) this.finds.push({ target: this.target.name, why, input: Buffer.from(input), runSeed });
  }

  #remember(kind: string, input: Buffer): void {
    if (this.#seen.has(kind) || this.#kept.length >= MOST_KEPT) return;
    if (this.#keptBytes + input.length > MOST_KEPT_BYTES) return;
    this.#seen.add(kind);
    this.#kept.push(Buffer.from(input));
    this.#keptBytes += input.length;
  }
}

function* firstOf({ seeds, first = [] }: Target): Generator<Buffer> {
  yield* seeds;
  yield* first;
}

/** Numbers and quotes differ from input to input. */
function headOf(why: string): string {
  return (
    why
      .split("\n", 1)[0]
      ?.replaceAll(/\d+|"(?:[^"\\]|\\.)*"?/g, "#")
      .slice(0, 60) ?? ""
  );
}

function hash(text: string): number {
  return createHash("sha256").update(text).digest().readUInt32BE(0);
}
