/**
 * The one table of parameters. Parsing, `sces config`, `sces check` and docs/parameters.md come from it. The rows are
 * in parameters/, a file for a field of work:
 *
 *     name: row(kind, default, doc)
 *
 * The unit of a time is in its kind. Names and meanings are Postfix's wherever Postfix has the parameter.
 */
import type { Parameter, Section } from "./parameter.ts";
import { clientContent } from "./parameters/client-content.ts";
import { clientLogin } from "./parameters/client-login.ts";
import { aliasing, rewriting } from "./parameters/addresses.ts";
import { routing, smtpClient } from "./parameters/delivery.ts";
import { dkim } from "./parameters/dkim.ts";
import { general } from "./parameters/general.ts";
import { pipes } from "./parameters/pipe.ts";
import { processes } from "./parameters/processes.ts";
import { holding, retry, scheduling, spool } from "./parameters/queue.ts";
import { limits, listening, relayControl, security } from "./parameters/receiving.ts";
import { restricting } from "./parameters/restrictions.ts";
import { reports } from "./parameters/reports.ts";
import { sourceAddresses } from "./parameters/source-addresses.ts";
import { clientTls } from "./parameters/tls.ts";

export const parameters = {
  ...general,
  ...processes,
  ...listening,
  ...relayControl,
  ...restricting,
  ...limits,
  ...security,
  ...spool,
  ...scheduling,
  ...retry,
  ...holding,
  ...aliasing,
  ...rewriting,
  ...routing,
  ...pipes,
  ...smtpClient,
  ...clientContent,
  ...sourceAddresses,
  ...clientLogin,
  ...dkim,
  ...clientTls,
  ...reports,
};

export type ParameterName = keyof typeof parameters;

/** The values of all parameters, by name. */
export type Values = {
  readonly [N in ParameterName]: (typeof parameters)[N] extends Parameter<infer T> ? T : never;
};

/** The table in the order in which it is documented. */
export const SECTIONS: readonly { readonly title: string; readonly rows: Section }[] = [
  { title: "The mail system", rows: general },
  { title: "Processes", rows: processes },
  { title: "Listening", rows: listening },
  { title: "Receiving: who may send what", rows: relayControl },
  { title: "Receiving: restrictions", rows: restricting },
  { title: "Receiving: limits", rows: limits },
  { title: "Receiving: TLS and login", rows: security },
  { title: "The spool and dropped files", rows: spool },
  { title: "The queue manager", rows: scheduling },
  { title: "Retry and lifetime", rows: retry },
  { title: "Hold and quarantine", rows: holding },
  { title: "Aliases", rows: aliasing },
  { title: "Rewriting addresses", rows: rewriting },
  { title: "Routing", rows: routing },
  { title: "Delivery to commands", rows: pipes },
  { title: "The SMTP client", rows: smtpClient },
  { title: "The SMTP client: content", rows: clientContent },
  { title: "The SMTP client: source addresses", rows: sourceAddresses },
  { title: "The SMTP client: logins", rows: clientLogin },
  { title: "The SMTP client: DKIM and ARC", rows: dkim },
  { title: "The SMTP client: TLS", rows: clientTls },
  { title: "Reports", rows: reports },
];

export const PARAMETER_NAMES = Object.keys(parameters) as readonly ParameterName[];

export function isParameter(name: string): name is ParameterName {
  return Object.hasOwn(parameters, name);
}

/** Parameters of which a submission listener may have its own value. */
const PER_LISTENER: Section = { ...relayControl, ...restricting, ...limits, ...security };

export function isPerListener(name: string): name is ParameterName {
  return Object.hasOwn(PER_LISTENER, name);
}

export function parameterOf(name: ParameterName): Parameter<unknown> {
  return parameters[name];
}
