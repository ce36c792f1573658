/** What the fuzzer throws bytes at, and the promises that hold for all of them. */
import type { Random } from "../harness/random.ts";
import type { Material } from "./mutate.ts";

export interface Target extends Material, AsyncDisposable {
  readonly name: string;
  readonly share: number; // of the time: sockets are slow
  readonly first?: Iterable<Buffer>; // before anything else
  /**
   * Takes one input. Throws where a promise is broken; returns what kind of thing came of it, so that an input that
   * leads somewhere new is kept and changed further.
   */
  run(input: Buffer, random: Random): Promise<string> | string;
}

/** What must never reach a log, a terminal or a report: controls, line and paragraph ends, changes of direction. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|\p{Cs}/u;

/** Text from outside that is shown to somebody. `lines`: of several lines, as a report or a listing. */
export function mustBeSafe(text: string, what: string, { lines = false } = {}): void {
  const found = UNSAFE.exec(lines ? text.replaceAll(/\r?\n|\t/g, " ") : text);
  if (found !== null) throw new Error(`${what} is not safe to show: ${JSON.stringify(text.slice(0, 300))}`);
}

export function promise(isKept: boolean, what: string): asserts isKept {
  if (!isKept) throw new Error(what);
}
