/** The directory of a mailbox: its local part, made safe as one file name that never means anything else. */

import { unquoteLocal } from "../../mail/address.ts";

const PLAIN = /[a-z0-9_+=.-]/;

/**
 * Lower case (in our own domains case makes no difference, so that Postmaster is postmaster), everything but plain
 * characters as %XX of its UTF-8 bytes, a dot or hyphen in front too: no separators, no hidden names, no options.
 */
export function mailboxName(local: string): string {
  let name = "";
  for (const char of unquoteLocal(local).normalize("NFC").toLowerCase()) {
    const isLeading = name === "" && (char === "." || char === "-");
    name += PLAIN.test(char) && char.length === 1 && !isLeading ? char : escapeBytes(char);
  }
  return name === "" ? "%" : name;
}

function escapeBytes(char: string): string {
  return Array.from(Buffer.from(char), (byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
}
