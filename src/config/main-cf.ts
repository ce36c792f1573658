/**
 * main.cf as text: logical lines of `name = value`, as Postfix reads them. A line that starts with white space
 * continues the one before; blank lines and lines whose first other character is `#` are nothing, also between the
 * lines of one value. Nothing is expanded or judged here.
 */
import type { Problem } from "./config-error.ts";

export interface Entry {
  readonly name: string;
  readonly value: string; // as written, continuation lines joined without the line ends, trimmed
  readonly line: number; // of the name, from 1
  readonly end: number; // of the last line of the value
}

export interface MainCf {
  readonly entries: readonly Entry[]; // in file order, duplicates included: the last one holds
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
}

const NOTHING = /^\s*(#|$)/;
const ENTRY = /^([^\s=]+)\s*=(.*)$/s;

export function parseMainCf(text: string, file: string): MainCf {
  const entries: Entry[] = [];
  const problems: Problem[] = [];
  const warnings: string[] = [];
  const seen = new Map<string, string>();
  let logical = "";
  let start = 0;
  let end = 0;

  function finish(): void {
    if (start === 0) return;
    const match = ENTRY.exec(logical);
    if (match === null) {
      problems.push({ place: `${file}, line ${start}`, text: entryProblem(logical) });
    } else {
      const [, name = "", written = ""] = match;
      const value = written.trim();
      const earlier = seen.get(name);
      if (earlier !== undefined) {
        warnings.push(`${file}, line ${start}: overriding earlier entry: ${name}=${earlier}`);
      }
      seen.set(name, value);
      entries.push({ name, value, line: start, end });
    }
    logical = "";
    start = 0;
  }

  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (NOTHING.test(line)) continue;
    if (!/^\s/.test(line)) {
      finish();
      start = index + 1;
    } else if (start === 0) {
      problems.push({
        place: `${file}, line ${index + 1}`,
        text: `a continuation of nothing: "${line.trim()}" (a line that starts with white space continues the line before)`,
      });
      continue;
    }
    logical += line;
    end = index + 1;
  }
  finish();
  return { entries, problems, warnings };
}

function entryProblem(logical: string): string {
  if (/^\s*=/.test(logical)) return `missing attribute name: "${logical.trim()}"`;
  return `missing '=' after attribute name: "${logical.trim()}"`;
}
