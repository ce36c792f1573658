/** Transports: the ways out. Each is carried out by an agent, most of which are processes. */
import { shown, splitList, ValueError, type Kind } from "./values.ts";

/**
 * The agents, which are transports of their own names, and the process that each runs in. Without one the queue
 * manager concludes the mail itself: nothing is sent anywhere.
 */
const PROCESSES = {
  smtp: "smtp",
  lmtp: "smtp",
  maildir: "maildir",
  pipe: "pipe",
  discard: undefined,
  error: undefined,
  hold: undefined,
} as const;

export type Agent = keyof typeof PROCESSES;
export const AGENTS = Object.keys(PROCESSES) as readonly Agent[];

/** An agent that needs no process. */
export type OwnAgent = { [A in Agent]: (typeof PROCESSES)[A] extends undefined ? A : never }[Agent];

export interface Transport {
  readonly name: string;
  readonly agent: Agent;
}

/** What is there without being declared. relay and retry as in Postfix: smtp for relay_domains, errors for now. */
export const BUILT_IN: readonly Transport[] = [
  ...AGENTS.map((agent) => ({ name: agent, agent })),
  { name: "relay", agent: "smtp" },
  { name: "retry", agent: "error" },
];

/** A transport and a next hop, as they are written together: `smtp:[192.0.2.1]:25`, `error:5.7.1 text`, `smtp`. */
export interface Way {
  readonly transport: string;
  readonly nexthop: string; // "": as relayhost or the recipient's domain says
}

const NAME = /^[a-z][a-z0-9_-]{0,31}$/;
/** Beginnings of parameter names: a transport called so would make them ambiguous. */
const TAKEN = ["default", "smtpd", "submission", "submissions", "local", "initial"];

export const transports: Kind<readonly Transport[]> = {
  name: "transports",
  takes: `list of name:agent (the agents are ${AGENTS.join(", ")})`,
  parse(text) {
    const seen = new Set([...TAKEN, ...BUILT_IN.map(({ name }) => name)]);
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

/** A way out. That its transport is declared is seen when all values are known. */
export const way: Kind<Way> = {
  name: "transport",
  takes: "transport, or transport:nexthop",
  parse(text) {
    const { transport, nexthop } = splitWay(text);
    if (!NAME.test(transport))
      throw new ValueError(`bad value: ${shown(text)} (a transport, or transport:nexthop, as smtp:[192.0.2.1]:25)`);
    return Object.freeze({ transport, nexthop });
  },
};

/** Both parts may be empty. */
export function splitWay(text: string): Way {
  const colon = text.indexOf(":");
  if (colon < 0) return { transport: text.trim(), nexthop: "" };
  return { transport: text.slice(0, colon).trim(), nexthop: text.slice(colon + 1).trim() };
}

export function processOf<A extends Agent>(agent: A): (typeof PROCESSES)[A] {
  return PROCESSES[agent];
}

/** The beginning of the parameters that an agent reads: LMTP has the SMTP client's, with defaults of its own. */
export function prefixOf(agent: Agent): string {
  return agent === "lmtp" ? "smtp_" : `${agent}_`;
}

/** The agent, if the queue manager itself is it. */
export function ownAgent(agent: Agent | undefined): OwnAgent | undefined {
  return agent !== undefined && processOf(agent) === undefined ? (agent as OwnAgent) : undefined;
}

export function isAgent(text: string): text is Agent {
  return Object.hasOwn(PROCESSES, text);
}
