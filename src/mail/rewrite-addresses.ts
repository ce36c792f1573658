/**
 * Other addresses in the header of a message, and everything else as it was: names, comments, groups, folding, case.
 * What cannot be read as an address stays as it is.
 */
import { isAscii } from "node:buffer";
import { isAddressError, parsePath } from "./address.ts";
import { parseAddressList } from "./address-list.ts";
import type { Field, Header } from "./header.ts";

export type AddressRole = "sender" | "recipient";

/** The fields that hold addresses, as Postfix's header_opts.c has them. */
const ROLES: ReadonlyMap<string, AddressRole> = new Map([
  ...[
    ...["from", "sender", "reply-to", "resent-from", "resent-sender", "resent-reply-to", "errors-to", "return-path"],
    ...["return-receipt-to", "disposition-notification-to", "mail-reply-to", "mail-followup-to"],
  ].map((name) => [name, "sender"] as const),
  ...["to", "cc", "bcc", "apparently-to", "resent-to", "resent-cc", "resent-bcc"].map(
    (name) => [name, "recipient"] as const,
  ),
]);

/** Characters: far below 998 octets (RFC 5322 2.1.1), also where each has three. */
const MAX_LINE = 300;

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The bytes of a message up to any point behind its header, with the addresses in it replaced; the same Buffer where
 * nothing changes. `origin`: the domain of addresses that have none. `map`: whole addresses to whole addresses; it may
 * throw.
 */
export function rewriteHeader(
  bytes: Buffer,
  header: Header,
  origin: string,
  map: (address: string, role: AddressRole) => string,
): Buffer {
  const pieces: Buffer[] = [];
  let kept = 0;
  for (const field of header.fields) {
    const role = ROLES.get(field.name);
    const value = role === undefined ? undefined : textOf(bytes, field);
    if (role === undefined || value === undefined) continue;
    const rewritten = rewriteList(value, origin, (address) => map(address, role));
    if (rewritten === value) continue;
    pieces.push(bytes.subarray(kept, field.valueStart), Buffer.from(rewritten));
    kept = field.end;
  }
  return kept === 0 ? bytes : Buffer.concat([...pieces, bytes.subarray(kept)]);
}

/** Undefined for what is neither ASCII nor UTF-8: who knows what it means. */
function textOf(bytes: Buffer, { valueStart, end }: Field): string | undefined {
  const value = bytes.subarray(valueStart, end);
  if (isAscii(value)) return value.toString("latin1");
  try {
    return strictUtf8.decode(value);
  } catch {
    return undefined;
  }
}

/** An address list, folded or not, in linear time. Lines that grow too long are folded before an address. */
export function rewriteList(value: string, origin: string, map: (address: string) => string): string {
  let rewritten = "";
  let lineStart = 0; // in `rewritten`
  let kept = 0;
  for (const { address, start, end } of parseAddressList(value, { defaultDomain: origin }).mailboxes) {
    const mapped = map(address);
    if (mapped === address && hasDomain(value.slice(start, end))) continue;
    const before = value.slice(kept, start);
    const newline = before.lastIndexOf("\n");
    if (newline >= 0) lineStart = rewritten.length + newline + 1;
    rewritten += before;
    if (rewritten.length + mapped.length - lineStart > MAX_LINE) {
      rewritten += "\r\n\t"; // white space may stand here, also behind a bracket (RFC 5322 3.2.3)
      lineStart = rewritten.length - 1;
    }
    rewritten += mapped;
    kept = end;
  }
  return rewritten + value.slice(kept);
}

function hasDomain(written: string): boolean {
  if (!written.includes("@")) return false;
  return !written.endsWith('"') || !isAddressError(parsePath(written, { smtputf8: true }));
}
