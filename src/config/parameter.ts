/** What a row of the parameter table says. */
import type { Kind } from "./values.ts";

export interface Parameter<T> {
  readonly kind: Kind<T>;
  readonly default: string; // as it would be written in main.cf; may refer to others
  readonly doc: string; // one paragraph
  readonly compute?: (known: Known) => string; // the default, where the machine decides; `default` then says how, in words
  readonly listener?: string; // another default for the submission listeners
  readonly macros?: readonly string[]; // names that $name leaves alone: whoever reads the value has them
  readonly lmtp?: string; // another default of an smtp_ parameter for transports on lmtp
  readonly relay?: string; // another default for the transport relay, whatever is set for smtp
  readonly isTemplate?: true; // `$name` in it is for the program: it is not expanded when main.cf is read
}

/** What a computed default may look at. */
export interface Known {
  readonly directory: string; // of main.cf
  /** The value that was set, expanded; undefined where none was. */
  explicit(name: string): string | undefined;
  /** The value that holds, expanded. */
  value(name: string): string;
}

// biome-ignore lint/suspicious/noExplicitAny: rows of every type stand in one table
export type Section = Readonly<Record<string, Parameter<any>>>;

type Extra<T> = Pick<Parameter<T>, "compute" | "listener" | "lmtp" | "relay" | "macros" | "isTemplate">;

/** One row. */
export function row<T>(kind: Kind<T>, fallback: string, doc: string, extra: Extra<T> = {}): Parameter<T> {
  return { kind, default: fallback, doc: doc.replace(/\s+/g, " ").trim(), ...extra };
}
