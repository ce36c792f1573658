/**
 * The text of lookup tables, as Postfix writes it (postmap(1), aliases(5), regexp_table(5), cidr_table(5)). A line that cannot be
 * understood is a problem of its own; the rest of the table holds.
 */
import { compileExpression, MOST_TEXT } from "./expression.ts";
import { networkMatcher } from "./match.ts";
import { splitOutsideBraces, withoutBraces } from "./braces.ts";
import type { TableType } from "./maps.ts";
import { shown, ValueError } from "./values.ts";

export interface TableProblem {
  readonly line: number; // from 1; 0: of no line
  readonly text: string;
}

/** What a table answers. `isPattern`: it is to be asked for whole keys only, never for parts of an address. */
export interface Table {
  readonly isPattern: boolean;
  readonly size: number;
  readonly problems: readonly TableProblem[];
  readonly values: readonly string[]; // all that it may answer, as written
  find(key: string): string | undefined;
}

export function parseTableText(type: TableType, text: string): Table {
  if (type === "texthash") return textTable(text, ENTRY, "key, white space, value");
  if (type === "aliases") return textTable(text, ALIAS, "name: value");
  if (type === "inline") return inlineTable(text);
  if (type === "static") return { isPattern: false, size: 1, problems: [], values: [text], find: () => text };
  return patternTable(text, type === "cidr" ? networkPattern : expressionPattern);
}

export interface Line {
  readonly line: number;
  readonly text: string;
}

/** Logical lines: one that begins with white space continues the one before; `#` and blank lines are nothing. */
export function* logicalLines(text: string): Generator<Line> {
  let current: Line | undefined;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    if (/^\s/.test(line) && current !== undefined) {
      current = { line: current.line, text: `${current.text}${line}` };
      continue;
    }
    if (current !== undefined) yield current;
    current = { line: index + 1, text: line.trimStart() };
  }
  if (current !== undefined) yield current;
}

const ENTRY = /^(?:"((?:[^"\\]|\\.)*)"|(\S+))\s+(\S.*)$/s;
const ALIAS = /^(?:"((?:[^"\\]|\\.)*)"|([^\s:"]+))\s*:\s*(\S.*)$/s;

/**
 * A key, in quotes where it has white space, and its value, by the pattern of the format. Case does not matter in
 * keys. The first of two keys holds.
 */
function textTable(text: string, format: RegExp, shape: string): Table {
  const entries = new Map<string, string>();
  const problems: TableProblem[] = [];
  for (const { line, text: entry } of logicalLines(text)) {
    const match = format.exec(entry.trimEnd());
    const key = (match?.[1]?.replaceAll(/\\(.)/gs, "$1") ?? match?.[2])?.toLowerCase();
    if (match?.[3] === undefined || key === undefined) {
      problems.push({ line, text: `no value behind ${shown(entry.trim())} (${shape})` });
    } else if (entries.has(key)) problems.push({ line, text: `${shown(key)} is there already; the first one holds` });
    else entries.set(key, match[3]);
  }
  return fixedTable(entries, problems);
}

/** `key = value` or `{key = value}`, divided by commas or white space. */
function inlineTable(text: string): Table {
  const entries = new Map<string, string>();
  const problems: TableProblem[] = [];
  const tight = text
    .split("=")
    .map((part) => part.trim())
    .join("=");
  for (const item of splitOutsideBraces(tight)) {
    const match = /^([^={}]+)=(.*)$/s.exec(withoutBraces(item));
    if (match === null) problems.push({ line: 0, text: `no key=value: ${shown(item)}` });
    else entries.set((match[1] ?? "").trim().toLowerCase(), (match[2] ?? "").trim());
  }
  return fixedTable(entries, problems);
}

function fixedTable(entries: ReadonlyMap<string, string>, problems: readonly TableProblem[]): Table {
  const find = (key: string) => entries.get(key.toLowerCase());
  return { isPattern: false, size: entries.size, problems, values: [...entries.values()], find };
}

/** Returns the groups of a match, the whole first. */
type Pattern = (key: string) => readonly (string | undefined)[] | undefined;

interface Rule {
  readonly pattern: Pattern;
  readonly isNegated: boolean;
  readonly value: string;
  readonly inner: Rule[] | undefined; // of `if`: what stands up to `endif`
}

const PATTERN_LINE = /^(?:(if)\s+)?(?:(!)\s*)?(\/(?:[^/\\]|\\.)*\/[a-zA-Z]*|[^\s/!]\S*)(?:\s+(.*))?$/s;

/** Rules in their order, the first that matches decides; `if PATTERN` and `endif` around some; `!` before one: not. */
function patternTable(text: string, compile: (pattern: string) => Pattern): Table {
  const problems: TableProblem[] = [];
  const top: Rule[] = [];
  const open: Array<{ readonly rules: Rule[]; readonly line: number }> = [];
  const values: string[] = [];
  let size = 0;
  for (const { line, text: entry } of logicalLines(text)) {
    const rules = open.at(-1)?.rules ?? top;
    if (/^endif\s*$/i.test(entry)) {
      if (open.pop() === undefined) problems.push({ line, text: "endif without if" });
      continue;
    }
    const [, isIf, negation, written = "", value] = PATTERN_LINE.exec(entry.trimEnd()) ?? [];
    try {
      if (written === "") throw new ValueError(`no pattern: ${shown(entry.trim())}`);
      if (isIf === undefined && value === undefined) throw new ValueError(`no value behind ${shown(written)}`);
      const inner = isIf === undefined ? undefined : ([] as Rule[]);
      if (value !== undefined) values.push(value);
      rules.push({ pattern: compile(written), isNegated: negation === "!", value: value ?? "", inner });
      if (inner !== undefined) open.push({ rules: inner, line });
      size++;
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      problems.push({ line, text: error.message });
      // What stands under a condition that nobody understands must not hold without it.
      if (isIf !== undefined) open.push({ rules: [], line });
    }
  }
  for (const { line } of open) problems.push({ line, text: "if without endif" });
  return { isPattern: true, size, problems, values, find: (key) => firstMatch(top, key) };
}

function firstMatch(rules: readonly Rule[], key: string): string | undefined {
  for (const { pattern, isNegated, value, inner } of rules) {
    const groups = pattern(key);
    if ((groups !== undefined) === isNegated) continue;
    if (inner === undefined) return substitute(value, groups ?? []);
    const found = firstMatch(inner, key);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** $1, ${1} and $(1) stand for what matched in brackets, $$ for a dollar sign. */
function substitute(value: string, groups: readonly (string | undefined)[]): string {
  if (!value.includes("$")) return value;
  return value.replaceAll(/\$(?:\$|(\d)|\{(\d+)\}|\((\d+)\))/g, (whole, one, braced, bracketed) => {
    return whole === "$$" ? "$" : (groups[Number(one ?? braced ?? bracketed)] ?? "");
  });
}

/** `/expression/flags`. Case does not matter unless the flag i is given, as in Postfix. */
function expressionPattern(written: string): Pattern {
  const [, source, flags = ""] = /^\/(.*)\/([a-zA-Z]*)$/s.exec(written) ?? [];
  if (source === undefined) throw new ValueError(`bad expression: ${shown(written)} (as /expression/)`);
  const unknown = /[^ims]/.exec(flags)?.[0];
  if (unknown !== undefined) throw new ValueError(`unknown flag ${unknown} behind ${shown(written)}`);
  const own = flags.replaceAll("i", "");
  const expression = compileExpression(source, flags.includes("i") ? own : `${own}i`, written);
  return (key) => expression.exec(key.slice(0, MOST_TEXT)) ?? undefined;
}

function networkPattern(written: string): Pattern {
  const isIn = networkMatcher([written]);
  return (key) => (isIn(key) ? [key] : undefined);
}
