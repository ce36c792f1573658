/**
 * `$name` and its relatives in values, as Postfix has them:
 *
 *   $name  ${name}  $(name)              the value of name, itself expanded; nothing if there is no such name
 *   ${name?text}  ${name?{text}}         text, if the value of name is not empty
 *   ${name:text}  ${name:{text}}         text, if it is empty
 *   ${name?{text}:{other}}               one or the other
 *   ${{a} == {b} ? {text} : {other}}     compared: == != < <= > >=, as numbers if both are all digits
 *   $$                                   a dollar sign
 */

/** The unexpanded value of a name; undefined if there is none. */
export type Lookup = (name: string) => string | undefined;

/** How deep values may refer to values. Only a loop gets there. */
const MAX_DEPTH = 100;

/** Throws ExpandError with what is wrong with the text. */
export function expand(text: string, lookup: Lookup): string {
  return new Expansion(text, lookup, 0).all();
}

export class ExpandError extends Error {
  override readonly name = "ExpandError";
}

const REFERENCE = /\$\$|\$[({]?\s*([A-Za-z0-9_]+)/g;

/** Every name that a text refers to, in any form, also in branches that would not be taken. */
export function references(text: string): Set<string> {
  const names = new Set<string>();
  for (const match of text.matchAll(REFERENCE)) if (match[1] !== undefined) names.add(match[1]);
  return names;
}

const NAME = /[A-Za-z0-9_]+/y;
const OPERATOR = /\s*(==|!=|<=|>=|<|>)\s*/y;
const CLOSERS: Readonly<Record<string, string>> = { "{": "}", "(": ")" };

class Expansion {
  readonly #text: string;
  readonly #lookup: Lookup;
  readonly #depth: number;
  #at = 0;

  constructor(text: string, lookup: Lookup, depth: number) {
    if (depth > MAX_DEPTH) throw new ExpandError("the value refers to itself");
    this.#text = text;
    this.#lookup = lookup;
    this.#depth = depth;
  }

  all(): string {
    let result = "";
    for (;;) {
      const dollar = this.#text.indexOf("$", this.#at);
      if (dollar < 0) return result + this.#text.slice(this.#at);
      result += this.#text.slice(this.#at, dollar);
      this.#at = dollar + 1;
      result += this.#reference();
    }
  }

  /** Behind a dollar sign. */
  #reference(): string {
    const next = this.#text[this.#at] ?? "";
    if (next === "$") {
      this.#at++;
      return "$";
    }
    if (next in CLOSERS) return this.#deeper(this.#balanced()).#inside();
    const name = this.#match(NAME);
    if (name === undefined) throw new ExpandError(`a lone $ (write $$ for a dollar sign): ${this.#text}`);
    return this.#value(name[0]);
  }

  /** What stands between the braces of `${...}`. */
  #inside(): string {
    this.#space();
    const isComparison = this.#text[this.#at] === "{";
    let holds: boolean;
    let value = "";
    if (isComparison) {
      holds = this.#comparison();
    } else {
      const name = this.#match(NAME);
      if (name === undefined) throw new ExpandError(`no name in \${${this.#text}}`);
      value = this.#value(name[0]);
      holds = value !== "";
    }
    const beforeSpace = this.#at;
    this.#space();
    const sign = this.#text[this.#at];
    if (sign === undefined && !isComparison) return value;
    if (sign !== "?" && (sign !== ":" || isComparison)) {
      this.#at = beforeSpace;
      throw new ExpandError(`unexpected "${this.#text.slice(this.#at)}" in \${${this.#text}}`);
    }
    this.#at++;
    return this.#branches(sign === "?" ? holds : !holds);
  }

  /** Behind `?` or `:`. Text in braces may be followed by `:` and another; bare text goes on to the end. */
  #branches(takeFirst: boolean): string {
    const start = this.#at;
    this.#space();
    if (this.#text[this.#at] !== "{") {
      this.#at = start;
      return takeFirst ? this.#expand(this.#text.slice(start)) : "";
    }
    const first = this.#balanced();
    this.#space();
    if (this.#at === this.#text.length) return takeFirst ? this.#expand(first) : "";
    if (this.#text[this.#at] !== ":") {
      throw new ExpandError(`unexpected "${this.#text.slice(this.#at)}" in \${${this.#text}}`);
    }
    this.#at++;
    this.#space();
    if (this.#text[this.#at] !== "{") throw new ExpandError(`expected "{" after ":" in \${${this.#text}}`);
    const other = this.#balanced();
    this.#space();
    if (this.#at < this.#text.length) {
      throw new ExpandError(`unexpected "${this.#text.slice(this.#at)}" in \${${this.#text}}`);
    }
    return this.#expand(takeFirst ? first : other);
  }

  #comparison(): boolean {
    const left = this.#expand(this.#balanced());
    const operator = this.#match(OPERATOR)?.[1];
    if (operator === undefined || this.#text[this.#at] !== "{") {
      throw new ExpandError(`expected "{a} == {b}" (or != < <= > >=) in \${${this.#text}}`);
    }
    return compare(left, operator, this.#expand(this.#balanced()));
  }

  /** The text within the brackets that open here; stands behind them afterwards. */
  #balanced(): string {
    const opener = this.#text[this.#at] ?? "";
    const closer = CLOSERS[opener] ?? "";
    const start = this.#at + 1;
    let level = 0;
    for (let at = this.#at; at < this.#text.length; at++) {
      if (this.#text[at] === opener) level++;
      else if (this.#text[at] === closer && --level === 0) {
        this.#at = at + 1;
        return this.#text.slice(start, at);
      }
    }
    throw new ExpandError(`"${opener}" without "${closer}": ${this.#text}`);
  }

  #value(name: string): string {
    return this.#expand(this.#lookup(name) ?? "");
  }
  #expand(text: string): string {
    return text.includes("$") ? this.#deeper(text).all() : text;
  }
  #deeper(text: string): Expansion {
    return new Expansion(text, this.#lookup, this.#depth + 1);
  }
  #space(): void {
    this.#match(/\s*/y);
  }
  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#at = pattern.lastIndex;
    return match;
  }
}

function compare(left: string, operator: string, right: string): boolean {
  const areNumbers = /^\d+$/.test(left) && /^\d+$/.test(right);
  const order = areNumbers ? Number(BigInt(left) - BigInt(right)) : left < right ? -1 : left > right ? 1 : 0;
  switch (operator) {
    case "==":
      return order === 0;
    case "!=":
      return order !== 0;
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    case ">":
      return order > 0;
    default:
      return order >= 0;
  }
}
