/**
 * Replies of SMTP servers: their code, their enhanced status (RFC 2034, RFC 3463) and their words, which are text
 * from outside and cleaned here.
 */
import { clean } from "../base/text.ts";
import type { AttemptState } from "./attempt.ts";

const MAX_TEXT = 4096; // characters kept of a reply

export interface SmtpReply {
  readonly code: number; // 200..599
  readonly status?: string; // the enhanced status that the server gave, if it fits the code
  readonly text: string; // the words of all lines in one, without codes; cleaned, at most 4096 characters
}

/**
 * A whole reply, its lines parted by CRLF or LF. Undefined if it is none: no code, codes that differ between lines
 * (`250-ok` / `550 no` is neither yes nor no), or a code of another length.
 */
export function parseReply(raw: string): SmtpReply | undefined {
  const kept = raw.slice(0, 16 * MAX_TEXT);
  const lines = kept.includes("\n") ? kept.replace(/\r?\n$/, "").split(/\r?\n/) : [kept];
  let code = 0;
  let status: string | undefined;
  const texts: string[] = [];
  for (const line of lines) {
    const match = /^([2-5][0-9]{2})(?:[ -](.*))?$/s.exec(line);
    if (match === null) return undefined;
    const lineCode = Number(match[1]);
    if (code !== 0 && lineCode !== code) return undefined;
    code = lineCode;
    const rest = match[2] ?? "";
    const found = enhancedStatus(rest, code);
    status ??= found;
    texts.push((found === undefined ? rest : rest.slice(found.length)).trim());
  }
  const text = clean(texts.filter((part) => part !== "").join(" "), MAX_TEXT);
  return status === undefined ? { code, text } : { code, status, text };
}

/** The enhanced status at the start of a reply's text; one whose class contradicts the code is not believed. */
export function enhancedStatus(text: string, code: number): string | undefined {
  const match = /^([245]\.(?:0|[1-9][0-9]{0,2})\.(?:0|[1-9][0-9]{0,2}))(?![^\s])/.exec(text);
  const status = match?.[1];
  return status !== undefined && Number(status.charAt(0)) === Math.floor(code / 100) ? status : undefined;
}

/** Whether the text is an enhanced status code of RFC 3463. */
export function isStatus(text: string): boolean {
  return /^[245]\.(?:0|[1-9][0-9]{0,2})\.(?:0|[1-9][0-9]{0,2})$/.test(text);
}

// What a bare code means, by where it was said (RFC 5321 4.2.2, 4.2.3; RFC 3463). Where a code has several usual
// meanings (550: no such user, or not welcome) the least specific detail stands.
const BARE: Readonly<Record<number, string>> = {
  421: "3.2", // shutting down
  432: "7.12",
  450: "2.0", // mailbox busy, greylisted
  451: "3.0", // local error
  452: "3.1", // no room
  454: "7.0", // TLS or AUTH not available now
  455: "5.4",
  500: "5.2",
  501: "5.4",
  502: "5.1",
  503: "5.1",
  504: "5.4",
  521: "3.2", // accepts no mail, RFC 7504
  530: "7.0",
  534: "7.9",
  535: "7.8",
  538: "7.11",
  551: "1.6", // moved
  552: "3.4", // too big
  553: "1.3",
  555: "5.4",
  556: "1.10", // the domain accepts no mail, RFC 7504
};
const BARE_AT: Readonly<Record<string, string>> = {
  "mail from 553": "1.7",
  "mail from 550": "7.1",
  "rcpt to 452": "5.3", // too many recipients, RFC 5321 4.5.3.1.10
  "rcpt to 550": "1.0",
  "rcpt to 552": "2.2", // mailbox full
};

/** The enhanced status for a reply that has none. `state`: where in the conversation it came. */
export function defaultStatus(code: number, state?: AttemptState): string {
  const detail = BARE_AT[`${state} ${code}`] ?? BARE[code] ?? "0.0";
  return `${Math.floor(code / 100)}.${detail}`;
}
