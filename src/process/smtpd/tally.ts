/** How many commands of each kind a session had, and how many of them succeeded: the end of the disconnect line. */

/** In the order of Postfix's line; what is none of these is "unknown". */
export const COMMANDS = [
  "helo",
  "ehlo",
  "xclient",
  "xforward",
  "starttls",
  "auth",
  "mail",
  "rcpt",
  "data",
  "bdat",
  "rset",
  "noop",
  "vrfy",
  "etrn",
  "quit",
  "help",
  "unknown",
] as const;

export type CommandName = (typeof COMMANDS)[number];

export class Tally {
  readonly #good = new Map<CommandName, number>();
  readonly #all = new Map<CommandName, number>();

  count(name: CommandName, isGood: boolean): void {
    this.#all.set(name, (this.#all.get(name) ?? 0) + 1);
    if (isGood) this.#good.set(name, (this.#good.get(name) ?? 0) + 1);
  }

  /** ` ehlo=1 mail=1/2 commands=2/3`: successes, and the total where some failed. */
  toString(): string {
    let text = "";
    let good = 0;
    let all = 0;
    for (const name of COMMANDS) {
      const total = this.#all.get(name) ?? 0;
      if (total === 0) continue;
      const successes = this.#good.get(name) ?? 0;
      text += ` ${name}=${ratio(successes, total)}`;
      good += successes;
      all += total;
    }
    // "0/0" stands out: any slash says that something went wrong.
    return `${text} commands=${all === 0 ? "0/0" : ratio(good, all)}`;
  }
}

function ratio(good: number, all: number): string {
  return good === all ? String(all) : `${good}/${all}`;
}
