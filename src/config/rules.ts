/**
 * Rules of the hold_*_checks: `pattern reason`, divided by commas. Patterns: `/expression/flags`, and for addresses
 * `user@example.org`, `user@`, `example.org` (and its subdomains) or `@`, which matches all.
 */
import { compileExpression } from "./expression.ts";
import { networkMatcher } from "./match.ts";
import { shown, ValueError, type Kind } from "./values.ts";

export interface Rule {
  readonly pattern: string; // as written
  readonly reason: string; // why; "" if the rule gives none
  /** Against an address, a header line ("Subject: x"), or a client's name or address. */
  matches(text: string): boolean;
}

type Subject = "address" | "header" | "client";

export function rules(subject: Subject): Kind<readonly Rule[]> {
  const forms = {
    address: "`/regexp/`, `user@example.org`, `user@`, `example.org` (with subdomains) or `<>`",
    header: "`/regexp/` on a whole header line",
    client: "`/regexp/`, a network, a host name or `.example.org`",
  };
  return {
    name: "rules",
    takes: `rules "pattern reason", divided by commas; a pattern is ${forms[subject]}`,
    parse: (text) => Object.freeze(splitRules(text).map(({ pattern, reason }) => rule(subject, pattern, reason))),
  };
}

interface RuleText {
  readonly pattern: string;
  readonly reason: string;
}

/** A comma inside an expression is the expression's. */
function splitRules(text: string): RuleText[] {
  const found: RuleText[] = [];
  let rest = text.replace(/^[\s,]+/, "");
  while (rest !== "") {
    const pattern = /^(\/(?:[^/\\]|\\.)+\/[a-z]*|[^\s,/][^\s,]*)(?=[\s,]|$)/.exec(rest)?.[0];
    if (pattern === undefined)
      throw new ValueError(`bad rule: ${shown(rest)} ("/expression/ reason" or "name reason")`);
    rest = rest.slice(pattern.length);
    const comma = rest.indexOf(",");
    const reason = comma < 0 ? rest : rest.slice(0, comma);
    found.push({ pattern, reason: reason.trim().replace(/\s+/g, " ") });
    rest = comma < 0 ? "" : rest.slice(comma).replace(/^[\s,]+/, "");
  }
  return found;
}

function rule(subject: Subject, pattern: string, reason: string): Rule {
  return Object.freeze({ pattern, reason, matches: matcher(subject, pattern) });
}

function matcher(subject: Subject, pattern: string): (text: string) => boolean {
  const [, source, flags] = /^\/(.+)\/([a-z]*)$/.exec(pattern) ?? [];
  if (source !== undefined) {
    // Case does not matter, as in Postfix's regexp tables; the flag i is allowed and changes nothing.
    const expression = compileExpression(source, `i${(flags ?? "").replace("i", "")}`, pattern);
    return (text) => {
      expression.lastIndex = 0;
      return expression.test(text);
    };
  }
  if (subject === "header") throw new ValueError(`bad rule: ${shown(pattern)} (a header rule is an /expression/)`);
  const lower = pattern.toLowerCase();
  if (subject === "client") return clientMatcher(lower);
  if (lower === "<>") return (text) => text === "";
  if (lower.startsWith("@")) return domainPart(lower.slice(1));
  if (lower.endsWith("@")) return (text) => text.toLowerCase().startsWith(lower);
  if (lower.includes("@")) return (text) => text.toLowerCase() === lower;
  return domainPart(lower);
}

function domainPart(domain: string): (text: string) => boolean {
  return (text) => {
    const own = text.slice(text.lastIndexOf("@") + 1).toLowerCase();
    return own === domain || own.endsWith(`.${domain.replace(/^\./, "")}`);
  };
}

function clientMatcher(pattern: string): (text: string) => boolean {
  if (/^[0-9a-f:.[\]]+(\/\d+)?$/.test(pattern) && /[:\d]/.test(pattern)) {
    try {
      return networkMatcher([pattern]);
    } catch {
      // A host name that looks like an address, e.g. "cafe.be".
    }
  }
  return (text) => text.toLowerCase() === pattern || (pattern.startsWith(".") && text.toLowerCase().endsWith(pattern));
}
