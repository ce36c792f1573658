/** The steps of a probe as JSON, one object a line; times are milliseconds since 1970. */
import type { ProbeStep, SessionStep } from "../../ipc/probe.ts";
import { type Json, jsonLine } from "../queue/json-line.ts";
import { sessionJson } from "../transcript-json.ts";

export function stepJson(step: ProbeStep): string {
  switch (step.step) {
    case "nexthop": {
      const { ms, hasOwnPolicy, ...rest } = step;
      return jsonLine({ ...(rest as unknown as Record<string, Json>), own_policy: hasOwnPolicy, lookup_ms: ms });
    }
    case "session":
      return jsonLine(sessionStepJson(step));
    default:
      return jsonLine({ ...step });
  }
}

function sessionStepJson(step: SessionStep): Json {
  const { host: _, address: __, port: ___, time: ____, lines: _____, certificate, ...rest } = step;
  const { from, until, ...names } = certificate ?? {};
  return {
    ...rest,
    ...sessionJson(step),
    certificate: certificate === undefined ? undefined : { ...names, valid_from_ms: from, valid_until_ms: until },
  };
}
