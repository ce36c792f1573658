/** What a restriction says of a client's wish. */
import type { Restriction } from "../../../config/restrictions.ts";

export interface Refusal {
  readonly code: number; // 4nn or 5nn
  readonly status: string; // RFC 3463; its first digit will be that of the code
  readonly text: string;
  readonly isTrouble?: true; // ours, not the client's: warn_if_reject makes no warning of it
}

export type Verdict =
  | "ok" // permitted: the rest of the list does not matter
  | "dunno" // the next restriction decides
  | Refusal
  | { readonly deferIfPermit: Refusal } // something that could have refused is out of order
  | { readonly deferIfReject: Refusal } // something that could have permitted is out of order
  | { readonly more: readonly Restriction[] }; // a class, or what a table says is to be asked

export type Ruling = Verdict | Promise<Verdict>;

/** What a refusal names: `<unknown[192.0.2.1]>: Client host rejected: ...`. */
export interface About {
  readonly name: string;
  readonly kind: AboutKind;
}

export type AboutKind =
  | "Client host"
  | "Unverified Client host"
  | "Helo command"
  | "Sender address"
  | "Recipient address"
  | "Data command"
  | "End-of-data"
  | "SASL login name";

export function refusal(code: number, status: string, text: string): Refusal {
  return { code, status, text };
}

/** `<name>: Kind rejected: why`. */
export function rejected(about: About, code: number, status: string, why: string): Refusal {
  return { code, status, text: `<${about.name}>: ${about.kind} rejected: ${why}` };
}

/** A table that cannot be read. */
export function lookupTrouble(name: string): Refusal {
  return { code: 451, status: "4.3.0", text: `<${name}>: Temporary lookup failure`, isTrouble: true };
}

export const CONFIGURATION_ERROR: Refusal = {
  code: 451,
  status: "4.3.5",
  text: "Server configuration error",
  isTrouble: true,
};

export function isRefusal(verdict: Verdict): verdict is Refusal {
  return typeof verdict === "object" && "code" in verdict;
}

/** `5.7.1 text`, or text alone. */
export function splitStatus(text: string, fallback: string): { readonly status: string; readonly text: string } {
  const match = /^([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)(.*)$/s.exec(text);
  return match === null ? { status: fallback, text } : { status: match[1] ?? fallback, text: match[2] ?? "" };
}

/** What a status about recipients (x.1.n) is about senders, and the other way round; elsewhere it is neither. */
const OF_SENDER: Readonly<Record<string, string>> = { "2": "8", "3": "7", "7": "7", "8": "8" };
const OF_RECIPIENT: Readonly<Record<string, string>> = {
  ...{ "1": "1", "2": "2", "3": "3", "4": "4", "5": "5", "6": "6" },
  ...{ "7": "3", "8": "2" },
};

/** One table may serve clients, senders and recipients (access(5), ENHANCED STATUS CODES). */
export function fittingStatus(status: string, kind: AboutKind): string {
  const detail = /^\d\.1\.(\d+)$/.exec(status)?.[1];
  if (detail === undefined) return status;
  if (kind === "Sender address") return `${status.charAt(0)}.1.${OF_SENDER[detail] ?? "0"}`;
  if (kind === "Recipient address") return `${status.charAt(0)}.1.${OF_RECIPIENT[detail] ?? "0"}`;
  return `${status.charAt(0)}.0.0`;
}
