/** The steps of a probe for people, as they come. */
import { clean } from "../../base/text.ts";
import type { NexthopStep, ProbedCertificate, ProbeStep, ResultStep, SessionStep } from "../../ipc/probe.ts";
import { mailDate } from "../../mail/date.ts";
import { sessionLines } from "../transcript-text.ts";

const OUTCOMES = { sent: "accepted", deferred: "put off", bounced: "refused" } as const;

/** With a newline at the end of each line. */
export function stepText(step: ProbeStep): string {
  return linesOf(step)
    .map((line) => `${line}\n`)
    .join("");
}

function linesOf(step: ProbeStep): string[] {
  switch (step.step) {
    case "route": {
      const { recipient, sender, transport, agent, nexthop } = step;
      const by = transport === agent ? transport : `${transport} (${agent})`;
      return [`<${clean(recipient)}> from <${clean(sender)}>: transport ${by}, next hop ${clean(nexthop) || "none"}`];
    }
    case "nexthop":
      return nexthopLines(step);
    case "session":
      return [...sessionLines(step), ...tlsLines(step), `  ${outcomeText(step)}`];
    case "warning":
      return [`warning: ${clean(step.text, 4096)}`];
    case "result":
      return [`Result: ${outcomeText(step)}`];
  }
}

function nexthopLines({ nexthop, ms, policy, hasOwnPolicy, mx, hosts }: NexthopStep): string[] {
  const own = hasOwnPolicy ? " by smtp_tls_policy_maps" : "";
  return [
    `${clean(nexthop)}: TLS policy ${policy}${own}; looked up in ${(ms / 1000).toFixed(3)} s`,
    ...mx.map(({ preference, host }) => `  MX ${preference} ${clean(host)}`),
    ...hosts.map(({ host, address, port }) => `  to try: ${clean(host)}[${clean(address)}]:${port}`),
  ];
}

function tlsLines({ state, tls, tlsPolicy, tlsPeer, certificate }: SessionStep): string[] {
  if (state === "connect") return [];
  if (tls === undefined) return [`  in the clear (TLS policy ${tlsPolicy})`];
  const whose = certificate === undefined ? [] : certificateLines(certificate);
  return [`  ${clean(tls)} (TLS policy ${tlsPolicy}): ${tlsPeer}`, ...whose];
}

function certificateLines({ subject, names, issuer, from, until, problem }: ProbedCertificate): string[] {
  return [
    `  certificate of ${clean(subject) || "nobody"}, for ${clean(names) || "no names"}`,
    `    issued by ${clean(issuer)}, valid from ${mailDate(from)} until ${mailDate(until)}`,
    ...(problem === undefined ? [] : [`    no authority vouches for it: ${clean(problem)}`]),
  ];
}

function outcomeText({ outcome, dsn, text }: ResultStep | SessionStep): string {
  return `${OUTCOMES[outcome]} (${dsn}): ${clean(text, 4096)}`;
}
