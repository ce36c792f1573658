/**
 * What an address expands to: Postfix's virtual(5) aliases first, for addresses of every domain, then the local ones
 * (aliases(5)) for those of our own. Each result is expanded in turn, until it stands for itself.
 *
 *   virtual  its virtual alias is looked for   -> its targets, virtual in turn; itself among them, or none: local
 *   local    its local alias is looked for     -> its targets: local ones local, others virtual; none: the end
 *
 * An address that comes back to itself on its way is a loop, and known by that: no limit has to be reached first. Pure.
 */
import { ScesError } from "../base/errors.ts";

/** Where mail for an address ends up, or why it does not. */
export interface Destination {
  readonly address: string;
  readonly failure?: Failure; // it cannot be delivered there
}

export interface Failure {
  readonly dsn: string; // enhanced status, RFC 3463
  readonly text: string; // for log and report
}

export interface AliasRules {
  /** What a virtual alias makes of the address: whole addresses; undefined if there is none. */
  virtual(address: string): readonly string[] | undefined;
  /** What a local alias makes of it; undefined if there is none. Asked for local addresses only. */
  local(address: string): readonly LocalTarget[] | undefined;
  isLocal(address: string): boolean;
  readonly recursionLimit: number; // aliases that lead to aliases
  readonly expansionLimit: number; // addresses that one comes to
}

export type LocalTarget = Destination & { readonly isFinal?: true }; // \user: no further aliases

/** One step on the way to an address, for loops. */
interface Step {
  readonly key: string;
  readonly before: Step | undefined;
  readonly depth: number;
}

/**
 * The addresses in the order of the tables, each once; undefined if the address stands for itself. Throws ScesError
 * ALIAS_UNUSABLE beyond the limits, and what the rules throw.
 */
export function expandAddress(address: string, rules: AliasRules): readonly Destination[] | undefined {
  const found = new Expansion(address, rules).run();
  const only = found[0];
  return found.length === 1 && only?.address === address && only.failure === undefined ? undefined : found;
}

class Expansion {
  readonly #from: string;
  readonly #rules: AliasRules;
  readonly #seen = new Set<string>();
  readonly #found = new Map<string, Destination>();

  constructor(address: string, rules: AliasRules) {
    this.#from = address;
    this.#rules = rules;
  }

  run(): Destination[] {
    this.#virtual(this.#from, undefined);
    return [...this.#found.values()];
  }

  #virtual(address: string, before: Step | undefined): void {
    const step = this.#enter("virtual", address, before);
    if (step === undefined) return;
    const targets = this.#rules.virtual(address) ?? [address];
    for (const target of targets) {
      if (isSame(target, address)) this.#local(target, before);
      else this.#virtual(target, step);
    }
  }

  #local(address: string, before: Step | undefined): void {
    const rules = this.#rules;
    const targets = rules.isLocal(address) ? rules.local(address) : undefined;
    if (targets === undefined) {
      this.#end({ address });
      return;
    }
    const step = this.#enter("local", address, before);
    if (step === undefined) return;
    for (const target of targets) {
      // An alias that names itself means the mailbox of that name.
      if (target.failure !== undefined || target.isFinal || isSame(target.address, address)) this.#end(target);
      else if (rules.isLocal(target.address)) this.#local(target.address, step);
      else this.#virtual(target.address, step);
    }
  }

  #end({ address, failure }: Destination): void {
    const key = failure === undefined ? address : `${address} ${failure.text}`;
    this.#found.set(key, failure === undefined ? { address } : { address, failure });
    if (this.#found.size > this.#rules.expansionLimit) throw this.#unreasonable("expansion size");
  }

  /** Undefined: nothing more is to be done here, for the address was expanded before, or is a loop. */
  #enter(kind: "virtual" | "local", address: string, before: Step | undefined): Step | undefined {
    const key = `${kind} ${address.toLowerCase()}`;
    for (let step = before; step !== undefined; step = step.before) {
      if (step.key !== key) continue;
      this.#end({ address: this.#from, failure: { dsn: "5.4.6", text: `alias database loop for ${address}` } });
      return undefined;
    }
    if (this.#seen.has(key)) return undefined;
    this.#seen.add(key);
    const { recursionLimit, expansionLimit } = this.#rules;
    const depth = (before?.depth ?? 0) + 1;
    if (depth > recursionLimit + 1) throw this.#unreasonable("nesting");
    if (this.#seen.size > expansionLimit + recursionLimit) throw this.#unreasonable("expansion size");
    return { key, before, depth };
  }

  #unreasonable(what: string): ScesError {
    return new ScesError("ALIAS_UNUSABLE", `unreasonable alias ${what} for ${this.#from}`);
  }
}

/** As Postfix has it here: without regard to case. */
function isSame(one: string, other: string): boolean {
  return one === other || one.toLowerCase() === other.toLowerCase();
}
