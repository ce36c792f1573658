/** Whether a table of recipients has an address: smtpd asks before it takes mail, maildir before it makes a mailbox. */
import type { Maps } from "../config/tables.ts";
import { localOf } from "../mail/address.ts";
import { aliasKeys } from "../mail/lookup-keys.ts";

/** RFC 5321 4.5.1: whoever looks after our mail can always be reached; and so can what our reports come from. */
const ALWAYS = /^(postmaster|mailer-daemon|double-bounce)$/i;

/** `isLocal`: of mydestination, so that the local part alone may be there. Throws ScesError TABLE_UNREADABLE. */
export function hasAddress(maps: Maps, address: string, delimiters: string, isLocal: boolean): boolean {
  return maps.lookup(aliasKeys(address, delimiters, isLocal).map(({ key }) => key)) !== undefined;
}

/** Whether mail for the address is taken, by a table of all recipients. Throws the same. */
export function isListed(maps: Maps, address: string, delimiters: string, isLocal: boolean): boolean {
  return ALWAYS.test(localOf(address)) || hasAddress(maps, address, delimiters, isLocal);
}
