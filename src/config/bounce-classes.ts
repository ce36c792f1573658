/**
 * The table of bounce classes: what a failure is about, what to do about it, and what people should know. An ordered
 * text file, the first row that fits decides:
 *
 *     PATTERN  ACTION  CATEGORY  ADVICE
 *     /^550 .*mailbox is full/   defer             quota     The recipient has to make room first.
 *     5.1.*                      none              recipient
 *     type=timeout               none              network
 *
 * Patterns: an expression on `code status text`, case not minded; a status (`4.7.1`, `*.7.*`) or code (`421`, `45*`)
 * with stars; `type=TYPE` of the attempt. Actions, several with commas: `bounce` and `defer` decide whatever the code
 * says, `slow=TIME` and `pause=TIME` hold back the destination, `none`.
 */
import { compileExpression } from "./expression.ts";
import { type Line, logicalLines, type TableProblem } from "./table-formats.ts";
import { parseTime, shown, ValueError } from "./values.ts";

export const CATEGORIES = [
  "auth", // the sender is not who it says, or has not logged in
  "blacklist", // our address or a domain is on a public list
  "block", // the receiver blocks our address
  "capacity", // their system has no room or no time
  "config", // their system is set up wrong, or ours
  "dns", // names that do not resolve
  "envelope", // an address that is not allowed where it stands
  "greylist", // the first attempt is always put off
  "message", // the form or size of the message
  "network", // no connection, or a broken one
  "other",
  "policy", // rules of the receiver
  "protocol", // the conversation went wrong
  "quota", // the mailbox is full
  "rate", // too much at once
  "recipient", // no such mailbox
  "spam", // the content is taken for spam
  "tls", // encryption that is required did not work
  "virus", // the content is taken for harmful
] as const;
export type Category = (typeof CATEGORIES)[number];

export interface BounceClass {
  readonly line: number; // in the file
  readonly pattern: string; // as written
  readonly outcome?: "bounce" | "defer"; // absent: as the code says
  readonly slowMs?: number;
  readonly pauseMs?: number;
  readonly category: Category;
  readonly advice: string; // ""
}

/** A failure, as rows see it. */
export interface Failure {
  readonly type: string; // of the attempt
  readonly code?: number; // of the reply, if there was one
  readonly status?: string; // as the reply gave it
  readonly dsn: string; // that, or the one that we report
  readonly text: string; // of the reply, without code and status
}

export interface BounceClasses {
  readonly rows: readonly BounceClass[];
  readonly problems: readonly TableProblem[];
  find(failure: Failure): BounceClass | undefined;
}

/** Of a reply; what stands further back decides nothing. Bounds the time that an expression can take. */
const MOST_TEXT = 400;

interface Matcher {
  readonly row: BounceClass;
  readonly classes: string; // digits of the codes it can fit; "": failures without a code
  fits(failure: Failure, whole: string): boolean;
}

/** Lines that cannot be understood are problems of their own; the others hold. */
export function parseBounceClasses(text: string): BounceClasses {
  const problems: TableProblem[] = [];
  const matchers: Matcher[] = [];
  for (const line of logicalLines(text)) {
    try {
      matchers.push(parseRow(line));
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      problems.push({ line: line.line, text: error.message });
    }
  }
  // By the first digit of the code: most rows need not be looked at.
  const byClass = new Map(["4", "5", ""].map((digit) => [digit, matchers.filter((one) => isFor(one, digit))]));
  return {
    rows: matchers.map(({ row }) => row),
    problems,
    find(failure) {
      const digit = failure.code === undefined ? "" : String(failure.code).charAt(0);
      const { code, status, text: words } = failure;
      const whole = [code, status, words]
        .filter((part) => part !== undefined)
        .join(" ")
        .slice(0, MOST_TEXT);
      return byClass.get(digit)?.find((one) => one.fits(failure, whole))?.row;
    },
  };
}

function isFor({ classes }: Matcher, digit: string): boolean {
  return digit === "" ? classes === "" || classes === "any" : classes === "any" || classes.includes(digit);
}

function parseRow({ line, text }: Line): Matcher {
  const [, pattern = "", action = "", category = "", advice = ""] =
    /^(\/(?:[^/\\]|\\.)+\/|[^\s/]\S*)\s+(\S+)\s+(\S+)(?:\s+(.*))?$/s.exec(text.trimEnd()) ?? [];
  if (pattern === "") throw new ValueError(`bad row: ${shown(text.trim())} (pattern, action, category, advice)`);
  if (!isCategory(category)) {
    throw new ValueError(`bad category: ${shown(category)} (one of: ${CATEGORIES.join(", ")})`);
  }
  const row = { line, pattern, category, advice: advice.replaceAll(/\s+/g, " "), ...parseActions(action) };
  return { row, ...parsePattern(pattern) };
}

function isCategory(text: string): text is Category {
  return (CATEGORIES as readonly string[]).includes(text);
}

function parseActions(text: string): Pick<BounceClass, "outcome" | "slowMs" | "pauseMs"> {
  const actions: { outcome?: "bounce" | "defer"; slowMs?: number; pauseMs?: number } = {};
  for (const item of text.split(",")) {
    const [, plain, restraint, span = ""] = /^(?:(bounce|defer|none)|(slow|pause)=(\w+))$/.exec(item) ?? [];
    const time = restraint === undefined ? undefined : parseTime(span, "s");
    if (plain === undefined && (time === undefined || time === 0)) {
      throw new ValueError(`bad action: ${shown(item)} (none, bounce, defer, slow=10m, pause=5m)`);
    }
    if (plain === "bounce" || plain === "defer") actions.outcome = plain;
    if (restraint === "slow" && time !== undefined) actions.slowMs = time;
    if (restraint === "pause" && time !== undefined) actions.pauseMs = time;
  }
  return actions;
}

function parsePattern(pattern: string): Omit<Matcher, "row"> {
  if (pattern.startsWith("/")) return parseExpression(pattern.slice(1, -1));
  const type = /^type=([a-z]+)$/.exec(pattern)?.[1];
  if (type !== undefined) return { classes: "any", fits: (failure) => failure.type === type };
  if (/^[45*][0-9*]{0,2}$/.test(pattern) && pattern !== "*") {
    const fits = stars(pattern);
    return { classes: digitsOf(pattern), fits: ({ code }) => fits.test(String(code)) };
  }
  if (!/^[245*]\.(\d{1,3}|\*)(\.(\d{1,3}|\*))?$/.test(pattern) && pattern !== "*") {
    throw new ValueError(`bad pattern: ${shown(pattern)} (/expression/, a status, a code, or type=TYPE)`);
  }
  const fits = stars(pattern);
  return { classes: "any", fits: ({ status, dsn }) => fits.test(status ?? dsn) };
}

/** A star stands for any digits and dots. */
function stars(pattern: string): RegExp {
  return new RegExp(`^${pattern.replaceAll(".", "\\.").replaceAll("*", "[0-9.]*")}$`);
}

function digitsOf(pattern: string): string {
  return pattern.startsWith("*") ? "45" : pattern.charAt(0);
}

function parseExpression(source: string): Omit<Matcher, "row"> {
  const why = slowness(source);
  if (why !== undefined) throw new ValueError(`expression may be slow: ${shown(source)} (${why})`);
  const expression = compileExpression(source, "i", source);
  const classes = /^\^([45])/.exec(source)?.[1] ?? "45";
  return { classes, fits: (_, whole) => expression.test(whole) };
}

/**
 * Why an expression could take long on a text that was made for it. What is left takes at most the third power of
 * MOST_TEXT: no repeated groups, no references back, and at most two repetitions one after the other.
 */
function slowness(source: string): string | undefined {
  if (/\\[1-9k]/.test(source)) return "references back";
  const atoms = source.replaceAll(/\\./g, "x").replaceAll(/\[[^\]]*\]/g, "x"); // one letter each
  if (/\)[*+{]/.test(atoms)) return "a group is repeated";
  const repetitions = (part: string) => part.match(/[*+]|\{\d+,\d*\}/g)?.length ?? 0;
  return alternatives(atoms).some((part) => repetitions(part) > 2) ? "more than two repetitions" : undefined;
}

/** What stands between the bars outside of groups. */
function alternatives(source: string): string[] {
  const parts = [""];
  let depth = 0;
  for (const char of source) {
    if (char === "(") depth += 1;
    if (char === ")") depth -= 1;
    if (char === "|" && depth === 0) parts.push("");
    else parts.push(`${parts.pop()}${char}`);
  }
  return parts;
}
