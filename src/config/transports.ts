/** Transports: the ways out, each delivered by an agent. */
import { shown, splitList, textLike, ValueError, type Kind } from "./values.ts";

/** The agents, which are transports of their own names. */
export const AGENTS = ["smtp", "maildir"] as const;
export type Agent = (typeof AGENTS)[number];

export interface Transport {
  readonly name: string;
  readonly agent: Agent;
}

const NAME = /^[a-z][a-z0-9_-]{0,31}$/;
/** Beginnings of parameter names: a transport called so would make them ambiguous. */
const TAKEN = new Set<string>([...AGENTS, "default", "smtpd", "submission", "submissions", "local", "initial"]);

export const transports: Kind<readonly Transport[]> = {
  name: "transports",
  takes: "list of name:agent (the agents are smtp and maildir)",
  parse(text) {
    const seen = new Set(TAKEN);
    const declared = splitList(text).map((item): Transport => {
      const [name = "", agent = ""] = item.split(":", 2);
      if (!isAgent(agent))
        throw new ValueError(`bad transport: ${shown(item)} (name:agent, the agents are ${AGENTS.join(", ")})`);
      if (!NAME.test(name))
        throw new ValueError(`bad transport name: ${shown(name)} (a lower-case letter, then letters, digits, _ or -)`);
      if (seen.has(name)) throw new ValueError(`transport name in use: ${shown(name)}`);
      seen.add(name);
      return Object.freeze({ name, agent });
    });
    return Object.freeze(declared);
  },
};

/** The name of one transport. That it is declared is seen when all values are known. */
export const transport: Kind<string> = textLike(NAME, "name of a transport");

export function isAgent(text: string): text is Agent {
  return (AGENTS as readonly string[]).includes(text);
}
