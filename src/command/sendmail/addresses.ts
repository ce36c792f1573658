/** Who sends and who is to get it: from the command line, the header (-t), the user. Judged as at every other door. */
import { userInfo } from "node:os";
import { ScesError } from "../../base/errors.ts";
import { EX_DATAERR, EX_NOUSER } from "../../base/exit.ts";
import { clean } from "../../base/text.ts";
import type { Config } from "../../config/config.ts";
import { isAddressError, parsePath, quoteLocal } from "../../mail/address.ts";
import { parseAddressList } from "../../mail/address-list.ts";
import { canonicalDomain } from "../../mail/domain.ts";
import type { Header } from "../../mail/header.ts";

/** An address that is none: nothing is queued. */
export class BadAddress extends Error {
  override readonly name = "BadAddress";
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The domain of addresses that have none. */
export function originOf(config: Config): string {
  return canonicalDomain(config.myorigin) ?? config.myhostname.toLowerCase();
}

/** -f, else the user who calls. Throws BadAddress. "" is the null sender. */
export function senderAddress(
  given: string | undefined,
  origin: string,
  env: Readonly<Record<string, string | undefined>>,
): string {
  const text = given ?? userAddress(env);
  // `-f "Name <a@b>"` is used, too.
  const bare = /<[^<>]*>\s*$/.exec(text)?.[0]?.trim() ?? text.trim();
  const parsed = parsePath(bare, { smtputf8: true, allowEmpty: true, defaultDomain: origin });
  if (isAddressError(parsed)) throw new BadAddress(EX_DATAERR, `sender ${clean(text, 300)}: ${parsed.text}`);
  return parsed.address;
}

function userAddress(env: Readonly<Record<string, string | undefined>>): string {
  let name = env["LOGNAME"] ?? env["USER"] ?? "nobody";
  try {
    name = userInfo().username;
  } catch {
    // a uid without a name
  }
  return quoteLocal(name) ?? "nobody";
}

/** Each argument may be a list. Throws BadAddress for any that cannot be read. */
export function argumentRecipients(texts: readonly string[], origin: string): string[] {
  return texts.flatMap((text) => listed(text, origin, "recipient", EX_NOUSER));
}

/** -t: To, Cc and Bcc; if the message is resent, Resent-To, -Cc and -Bcc instead (RFC 5322 3.6.6). */
export function headerRecipients(header: Header, origin: string): string[] {
  const isResent = header.fields.some(({ name }) => name.startsWith("resent-"));
  const wanted = isResent ? ["resent-to", "resent-cc", "resent-bcc"] : ["to", "cc", "bcc"];
  const found: string[] = [];
  for (const field of header.fields) {
    if (wanted.includes(field.name)) found.push(...listed(field.value, origin, field.name, EX_DATAERR));
  }
  return found;
}

function listed(text: string, origin: string, where: string, status: number): string[] {
  const { mailboxes, bad } = parseAddressList(text, { defaultDomain: origin });
  const wrong = bad[0];
  if (wrong !== undefined) throw new BadAddress(status, `${where} ${clean(wrong.text, 300)}: ${wrong.reason}`);
  return mailboxes.map(({ address }) => address);
}

/** In order, each once. Throws when there is none. */
export function uniqueRecipients(found: readonly string[], fromHeader: boolean): readonly string[] {
  const unique = [...new Set(found)];
  if (unique.length > 0) return unique;
  if (fromHeader) throw new BadAddress(EX_DATAERR, "no recipients in the header: To, Cc and Bcc name nobody");
  throw new ScesError("USAGE", "to whom? Name recipients, or take them from the header with -t");
}
