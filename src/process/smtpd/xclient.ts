/**
 * XCLIENT (Postfix's XCLIENT_README): an authorized host goes on as another client, to try what that one may do, or on
 * behalf of it. `swaks --xclient-addr 192.0.2.1 --quit-after RCPT ...` tries restrictions without sending anything.
 */
import { isIP } from "node:net";
import { clean } from "../../base/text.ts";
import { canonicalDomain } from "../../mail/domain.ts";
import { decodeXtext } from "./path-argument.ts";
import { lookUpName, type PeerName, presetName } from "./peer-name.ts";
import type { Session } from "./session.ts";

export const XCLIENT_OFFER = "XCLIENT NAME ADDR PROTO HELO LOGIN PORT";

/** What the host says of the client whose place it takes. */
interface Attributes {
  readonly name?: string | undefined;
  readonly addr?: string | undefined;
  readonly helo?: string | undefined;
  readonly login?: string | undefined;
  readonly proto?: string | undefined;
}

export function mayXclient({ settings, remoteAddress }: Session): boolean {
  return settings.maySayXclient(remoteAddress);
}

export function xclient(session: Session, argument: string): string | undefined {
  if (!mayXclient(session)) return "550 5.7.0 Error: insufficient authorization";
  if (session.transaction !== undefined) return "503 5.5.1 Error: MAIL transaction in progress";
  if (argument === "") return "501 5.5.4 Syntax: XCLIENT attribute=value...";
  const attributes = readAttributes(argument);
  return typeof attributes === "string" ? attributes : session.later(takePlace(session, attributes));
}

async function takePlace(session: Session, { name, addr, helo, login, proto }: Attributes): Promise<string> {
  const before = session.peer;
  const address = addr ?? session.remoteAddress;
  session.takePlace(address, await namesOf(session, name, addr));
  session.introduce(helo ?? "", proto === "ESMTP");
  if (login !== undefined) session.loggedIn(login, login === "" ? "" : "XCLIENT");
  session.station.log.info(`XCLIENT from ${before}: goes on as ${session.peer}`);
  return (await session.judgeClient()) ?? `220 ${session.settings.config.smtpd_banner}`;
}

/** As it says; of an address alone, what the DNS says. */
async function namesOf(session: Session, name: string | undefined, addr: string | undefined): Promise<PeerName> {
  const { config, rules } = session.settings;
  if (name === "[TEMPUNAVAIL]") {
    return { name: "unknown", status: "again", reverseName: "unknown", reverseStatus: "again" };
  }
  if (name !== undefined && name !== "") {
    return { name, status: "known", reverseName: name, reverseStatus: "known" };
  }
  if (name === undefined && addr === undefined) return session.names;
  const isLookedUp = name === undefined && config.smtpd_peername_lookup;
  return presetName(addr ?? session.remoteAddress, isLookedUp) ?? lookUpName(rules.dns, addr ?? session.remoteAddress);
}

const JUDGES: Readonly<Record<string, (value: string) => string | undefined>> = {
  NAME: (value) => (value === "" || value === "[TEMPUNAVAIL]" ? value : canonicalDomain(value)),
  ADDR(value) {
    const address = value.replace(/^ipv6:/i, "");
    return isIP(address) > 0 ? address : undefined;
  },
  PORT: (value) => (/^\d{0,5}$/.test(value) ? value : undefined),
  PROTO: (value) => (/^E?SMTP$/i.test(value) ? value.toUpperCase() : undefined),
  HELO: (value) => value,
  LOGIN: (value) => value,
};

/** A string is the reply of a refusal. [UNAVAILABLE] is "". */
function readAttributes(argument: string): Attributes | string {
  const found: Record<string, string> = {};
  for (const part of argument.split(/ +/)) {
    const equals = part.indexOf("=");
    const name = part.slice(0, Math.max(0, equals)).toUpperCase();
    const bad = `501 5.5.4 Bad XCLIENT attribute: ${clean(part, 100)}`;
    const decoded = decodeXtext(part.slice(equals + 1));
    const value = decoded === undefined ? undefined : JUDGES[name]?.(word(decoded));
    if (value === undefined) return bad;
    found[name.toLowerCase()] = value;
  }
  return found;
}

function word(value: string): string {
  const upper = value.toUpperCase();
  if (upper === "[UNAVAILABLE]") return "";
  return upper === "[TEMPUNAVAIL]" ? upper : value;
}
