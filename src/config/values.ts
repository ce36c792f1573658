/**
 * The kinds of values that parameters take: from expanded text to a frozen value. Wordings of errors follow Postfix's,
 * with what would have been right behind them.
 */
import { isAbsolute, resolve } from "node:path";
import { clean } from "../base/text.ts";

/** A value that is not what its parameter takes. */
export class ValueError extends Error {
  override readonly name = "ValueError";
}

export interface Kind<T> {
  readonly name: string; // one word, for the reference: "time"
  readonly takes: string; // what may be written, for the reference
  /** `directory`: what relative paths are relative to. Throws ValueError. */
  parse(text: string, directory: string): T;
}

export type Unit = "ms" | "s" | "m" | "h" | "d" | "w";

const UNITS: Readonly<Record<Unit, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
/** Timers of the runtime end at 2^31-1 ms. */
const LONGEST_WAIT = "24d";

/** Milliseconds from `<integer><unit>`; undefined if it is none. As in Postfix only the first letter counts: 5min is 5m. */
export function parseTime(text: string, unit: Unit): number | undefined {
  const match = /^(\d+)\s*(ms$|[smhdw]|$)/.exec(text);
  if (match === null) return undefined;
  const value = Number(match[1]) * UNITS[(match[2] || unit) as Unit];
  return Number.isSafeInteger(value) ? value : undefined;
}

export interface TimeRange {
  readonly unit?: Unit; // of a bare number; default s
  readonly min?: string; // default 0
  readonly max?: string; // default: the longest wait of a timer
}

export function time({ unit = "s", min = "0", max = LONGEST_WAIT }: TimeRange = {}): Kind<number> {
  const low = parseTime(min, "s") ?? 0;
  const high = parseTime(max, "s") ?? 0;
  return {
    name: "time",
    takes: `time: ms, s, m, h, d, w; without a unit ${unit}${low > 0 ? `; at least ${min}` : ""}`,
    parse(text) {
      const value = parseTime(text, unit);
      if (value === undefined) {
        throw new ValueError(
          `bad time value or unit: ${shown(text)} (a whole number and s, m, h, d or w; alone: ${unit})`,
        );
      }
      return inRange(value, low, high, text, min, max);
    },
  };
}

/** Several times, ascending; zeros count for nothing. */
export function times(range: TimeRange): Kind<readonly number[]> {
  const one = time(range);
  return {
    name: "times",
    takes: `list of ${one.takes}`,
    parse(text, directory) {
      const found = splitList(text).map((item) => one.parse(item, directory));
      return Object.freeze([...new Set(found)].filter((value) => value > 0).sort((left, right) => left - right));
    },
  };
}

export function integer(min = 0, max = 2_147_483_647): Kind<number> {
  return {
    name: "number",
    takes: `number from ${min}${max < 2_147_483_647 ? ` to ${max}` : ""}`,
    parse(text) {
      if (!/^\d{1,16}$/.test(text))
        throw new ValueError(`bad numerical configuration: ${shown(text)} (a whole number)`);
      return inRange(Number(text), min, max, text, String(min), String(max));
    },
  };
}

/** Bytes; k, m and g are powers of 1024. */
export function size(min = 0, max = 2 ** 40): Kind<number> {
  return {
    name: "size",
    takes: `size in bytes; k, m, g for 1024, 1024², 1024³ of them${min > 0 ? `; at least ${min}` : ""}`,
    parse(text) {
      const match = /^(\d{1,15})([kmg]?)$/i.exec(text);
      if (match === null) {
        throw new ValueError(`bad numerical configuration: ${shown(text)} (bytes, or a number and k, m or g)`);
      }
      const [, digits = "", suffix = ""] = match;
      const value = Number(digits) * 1024 ** " kmg".indexOf(suffix.toLowerCase() || " ");
      return inRange(value, min, max, text, String(min), String(max));
    },
  };
}

function inRange(value: number, low: number, high: number, text: string, min: string, max: string): number {
  if (value < low) throw new ValueError(`too small: ${shown(text)} (at least ${min})`);
  if (value > high) throw new ValueError(`too large: ${shown(text)} (at most ${max})`);
  return value;
}

export const yesNo: Kind<boolean> = {
  name: "boolean",
  takes: "yes or no",
  parse(text) {
    const lower = text.toLowerCase();
    if (lower !== "yes" && lower !== "no") {
      throw new ValueError(`bad boolean configuration: ${shown(text)} (yes or no)`);
    }
    return lower === "yes";
  },
};

/** One of some words. `also` maps further spellings to them. */
export function oneOf<const W extends string>(words: readonly W[], also: Readonly<Record<string, W>> = {}): Kind<W> {
  return {
    name: "choice",
    takes: `one of: ${words.map((word) => word || "(empty)").join(", ")}`,
    parse: (text) => wordOf(words, also, text),
  };
}

/** Some of some words. */
export function someOf<const W extends string>(words: readonly W[]): Kind<readonly W[]> {
  return {
    name: "choices",
    takes: `list of: ${words.join(", ")}`,
    parse: (text) => Object.freeze(splitList(text).map((item) => wordOf(words, {}, item))),
  };
}

function wordOf<W extends string>(words: readonly W[], also: Readonly<Record<string, W>>, text: string): W {
  const lower = text.toLowerCase();
  const word = words.find((candidate) => candidate === lower) ?? (Object.hasOwn(also, lower) ? also[lower] : undefined);
  if (word === undefined) throw new ValueError(`bad value: ${shown(text)} (one of: ${words.join(", ")})`);
  return word;
}

/** Any text. */
export const text: Kind<string> = { name: "text", takes: "text", parse: (value) => value };

/** Text of a form. `what` says which, for people. */
export function textLike(pattern: RegExp, what: string): Kind<string> {
  return {
    name: "text",
    takes: what,
    parse(value) {
      if (!pattern.test(value)) throw new ValueError(`bad value: ${shown(value)} (${what})`);
      return value;
    },
  };
}

/** A file or directory; a relative one is relative to the directory of main.cf. Empty: none. */
export const path: Kind<string> = {
  name: "path",
  takes: "path, absolute or relative to the directory of main.cf",
  parse(value, directory) {
    if (value.includes("\0")) throw new ValueError("a path cannot contain NUL");
    return value === "" || isAbsolute(value) ? value : resolve(directory, value);
  },
};

/** Items divided by commas and white space. */
export const list: Kind<readonly string[]> = {
  name: "list",
  takes: "list, divided by commas or white space",
  parse: (value) => Object.freeze(splitList(value)),
};

/** A list each of whose items passes a test, which throws ValueError. */
export function listOf(what: string, judge: (item: string) => void): Kind<readonly string[]> {
  return {
    name: "list",
    takes: `list of ${what}`,
    parse(value) {
      const items = splitList(value);
      for (const item of items) judge(item);
      return Object.freeze(items);
    },
  };
}

export function splitList(value: string): string[] {
  return value.split(/[\s,]+/).filter((item) => item !== "");
}

/** As it may be shown in an error: an administrator's own text, but still one line. */
export function shown(value: string): string {
  return value === "" ? "(empty)" : clean(value, 200);
}
