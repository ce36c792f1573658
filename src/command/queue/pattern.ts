/** What a filter value stands for: a test of an address, a domain, a text, an amount. */
import { ScesError } from "../../base/errors.ts";
import { parseTime } from "../../config/values.ts";
import { domainOf, localOf } from "../../mail/address.ts";
import { canonicalDomain } from "../../mail/domain.ts";

export type Test<T> = (value: T) => boolean;

/**
 * `user@example.org`, `user@` (anywhere), `example.org` or `@example.org` (that domain), `.example.org` (its
 * subdomains), `<>` (the null sender), `*` and `?` as in file names, or `/expression/`. Case does not matter.
 */
export function addressPattern(option: string, text: string): Test<string> {
  const expression = expressionIn(option, text);
  if (expression !== undefined) return expression;
  if (text === "<>" || text === "" || text === "MAILER-DAEMON") return (address) => address === "";
  const bare = /^<(.*)>$/.exec(text)?.[1] ?? text;
  if (/[*?]/.test(bare)) return glob(bare);
  const at = bare.lastIndexOf("@");
  if (at < 0) return byDomain(option, bare);
  const local = bare.slice(0, at).toLowerCase();
  if (at === bare.length - 1) return (address) => localOf(address).toLowerCase() === local;
  const isThere = byDomain(option, bare.slice(at + 1));
  if (at === 0) return isThere;
  return (address) => localOf(address).toLowerCase() === local && isThere(address);
}

/** `example.org`, `.example.org` (its subdomains), `*.example.*`, or `/expression/`. */
export function domainPattern(option: string, text: string): Test<string> {
  const expression = expressionIn(option, text);
  if (expression !== undefined) return (address) => expression(domainOf(address));
  const bare = text.replace(/^@/, "");
  if (/[*?]/.test(bare)) {
    const matches = glob(bare);
    return (address) => matches(domainOf(address));
  }
  return byDomain(option, bare);
}

/** `/expression/`, or words that must occur. Case does not matter. */
export function textPattern(option: string, text: string): Test<string> {
  const expression = expressionIn(option, text);
  if (expression !== undefined) return expression;
  if (text === "") throw new ScesError("USAGE", `${option} needs words or an /expression/`);
  const lower = text.toLowerCase();
  return (value) => value.toLowerCase().includes(lower);
}

/** `>1h`, `<=30m`, `2d` (at least). Milliseconds. */
export function agePattern(option: string, text: string): Test<number> {
  return comparison(option, text, (amount) => parseTime(amount, "s"), "a time such as '>1h' or '<30m'");
}

/** `>10k`, `<=1m`, `512` (at least). Bytes. */
export function sizePattern(option: string, text: string): Test<number> {
  return comparison(option, text, parseSize, "a size such as '>10k' or '<1m'");
}

function parseSize(text: string): number | undefined {
  const match = /^(\d{1,12})([kmg]?)b?$/i.exec(text);
  return match === null ? undefined : Number(match[1]) * 1024 ** " kmg".indexOf(match[2]?.toLowerCase() || " ");
}

function comparison(
  option: string,
  text: string,
  parse: (amount: string) => number | undefined,
  wanted: string,
): Test<number> {
  const [, sign = "", amount = ""] = /^\s*(>=|<=|>|<)?\s*(.*?)\s*$/s.exec(text) ?? [];
  const limit = parse(amount);
  if (limit === undefined) throw new ScesError("USAGE", `${option} ${text}: needs ${wanted}`);
  if (sign === ">") return (value) => value > limit;
  if (sign === "<") return (value) => value < limit;
  if (sign === "<=") return (value) => value <= limit;
  return (value) => value >= limit;
}

function byDomain(option: string, text: string): Test<string> {
  const isSubdomains = text.startsWith(".");
  const domain = canonicalDomain(isSubdomains ? text.slice(1) : text);
  if (domain === undefined) throw new ScesError("USAGE", `${option} ${text}: this is neither an address nor a domain`);
  if (isSubdomains) return (address) => domainOf(address).endsWith(`.${domain}`);
  return (address) => domainOf(address) === domain;
}

function glob(text: string): Test<string> {
  const source = text.toLowerCase().replace(/[.+^${}()|[\]\\/]/g, "\\$&");
  const expression = new RegExp(`^${source.replaceAll("*", ".*").replaceAll("?", ".")}$`, "s");
  return (value) => expression.test(value.toLowerCase());
}

function expressionIn(option: string, text: string): Test<string> | undefined {
  const [, source, flags] = /^\/(.+)\/([a-z]*)$/s.exec(text) ?? [];
  if (source === undefined) return undefined;
  try {
    const expression = new RegExp(source, `${(flags ?? "").replace(/[gyi]/g, "")}i`);
    return (value) => expression.test(value);
  } catch (error) {
    throw new ScesError("USAGE", `${option} ${text}: ${(error as Error).message}`, { cause: error });
  }
}
