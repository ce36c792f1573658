/** From whom and to whom: addresses of the two kinds of dropped files, judged as at every other door. */
import { isAddressError, needsSmtputf8, parsePath } from "../../mail/address.ts";
import { canonicalDomain } from "../../mail/domain.ts";
import type { EnvelopeDraft, Recipient } from "../../mail/envelope.ts";
import { type DsnWords, parseDsnWish } from "./dsn-wish.ts";
import { isRefusal, type Refusal, refuse } from "./refusal.ts";

/** 50,000 of 300 bytes are what an envelope may hold at the most (MAX_OFFSET in spool/format.ts). */
const MAX_RECIPIENTS = 50_000;

export interface Written {
  readonly address: string; // as written; may be in brackets
  readonly where: string; // the field or property, for the reason
}

/** Who sends, to whom, and what the sender wants to hear: the envelope but for what the content tells. */
export type Addressing = Pick<EnvelopeDraft, "sender" | "recipients" | "ret" | "envid" | "smtputf8">;

/** `origin`: the domain of addresses that have none. */
export function addressing(
  sender: Written,
  recipients: readonly Written[],
  dsn: DsnWords,
  origin: string,
): Addressing | Refusal {
  const defaultDomain = canonicalDomain(origin);
  const options = { smtputf8: true, ...(defaultDomain === undefined ? {} : { defaultDomain }) };
  const from = parsePath(sender.address.trim(), { ...options, allowEmpty: true });
  if (isAddressError(from)) return refuse(`${sender.where}: ${from.text}: ${sender.address}`);
  const wish = parseDsnWish(dsn);
  if (isRefusal(wish)) return wish;
  const { notify, orcpt, ret, envid } = wish;

  const found = new Map<string, Recipient>();
  for (const { address, where } of recipients) {
    const to = parsePath(address.trim(), options);
    if (isAddressError(to)) return refuse(`${where}: ${to.text}: ${address}`);
    found.set(to.address, {
      address: to.address,
      ...(notify === undefined ? {} : { notify }),
      ...(orcpt === undefined ? {} : { orcpt }),
    });
    if (found.size > MAX_RECIPIENTS) return refuse(`more than ${MAX_RECIPIENTS} recipients`);
  }
  return {
    sender: from.address,
    recipients: [...found.values()],
    ...(ret === undefined ? {} : { ret }),
    ...(envid === undefined ? {} : { envid }),
    // Of the header nothing is asked: files with 8-bit headers were always sent as they are.
    ...([from.address, ...found.keys()].some(needsSmtputf8) ? { smtputf8: true as const } : {}),
  };
}
