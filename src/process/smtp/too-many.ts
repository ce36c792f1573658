/**
 * Recipients that a server refuses only because there are many already: another transaction at once takes them
 * (RFC 5321 4.5.3.1.10). As there, a 552 counts like a 452; OpenSMTPD says 451 4.5.3.
 */
import { parseReply } from "../../mail/reply.ts";
import type { Verdict } from "./verdict.ts";

type Verdicts = readonly (Verdict | undefined)[];

/**
 * Whether the same message should be given to the same server once more, for those of its recipients that are left.
 * Only after a transaction that sent it to somebody: so it ends, whatever the server means by its 452.
 */
export function wantsAnother(verdicts: Verdicts): boolean {
  return verdicts.some((verdict) => verdict?.outcome === "sent") && verdicts.some(isOneTooMany);
}

/** Whether a recipient was refused for the number of them. */
export function isOneTooMany(verdict: Verdict | undefined): boolean {
  if (verdict?.state !== "rcpt to") return false;
  if (verdict.code !== 452 && verdict.code !== 552) return verdict.status === "4.5.3";
  if (/too many|recipient limit/i.test(verdict.description ?? "")) return true;
  // X.5.3 is "too many recipients" (RFC 3463 3.6); a 552 without it is a full mailbox.
  return verdict.status === undefined ? verdict.code === 452 : verdict.status.endsWith(".5.3");
}

/** The verdict on such a recipient is for now, also by a 552. */
export function forNow(verdict: Verdict): Verdict {
  if (verdict.outcome !== "bounced" || !isOneTooMany(verdict)) return verdict;
  return { ...verdict, outcome: "deferred", dsn: `4${verdict.dsn.slice(1)}` };
}

/**
 * Whether a server's answer to MAIL says that this connection has carried enough messages. Most say 421; OpenSMTPD says
 * 452 4.5.3 and would say it to every further message.
 */
export function isConnectionFull(raw: string): boolean {
  const reply = parseReply(raw);
  if (reply === undefined || reply.code < 400 || reply.code > 499) return false;
  return reply.status === "4.5.3" || /too many (messages|mails|transactions)/i.test(reply.text);
}
