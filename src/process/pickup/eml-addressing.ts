/**
 * The envelope of a dropped RFC 5322 file, from its header. `X-Sender` and `X-Receiver` are the envelope itself, as
 * in the pickup directories of other systems; x-mq-* are MailerQ's fields. Without them the header says whom the mail
 * is from and to, as with `sendmail -t`.
 */
import { parseAddressList } from "../../mail/address-list.ts";
import { canonicalDomain } from "../../mail/domain.ts";
import { type Field, findField, type Header } from "../../mail/header.ts";
import { type Addressing, addressing, type Written } from "./addressing.ts";
import { isRefusal, type Refusal, refuse } from "./refusal.ts";

/** Fields that hold a path, then fields that hold a list whose first mailbox counts; the first that is there decides. */
const SENDER_PATHS = ["x-mq-envelope", "return-path"];
const SENDER_LISTS = ["sender", "from"];
const RECIPIENT_LISTS = ["to", "cc", "bcc"];

/** `origin`: the domain of addresses that have none. */
export function emlAddressing(header: Header, origin: string): Addressing | Refusal {
  const domain = canonicalDomain(origin);
  const sender = findSender(header, domain);
  if (isRefusal(sender)) return sender;
  const recipients = findRecipients(header, domain);
  if (isRefusal(recipients)) return recipients;
  if (recipients.length === 0) return refuse("has no recipients: no X-Receiver, To, Cc or Bcc names any");
  const text = (name: string) => findField(header, name)?.value;
  const dsn = {
    notify: text("x-mq-dsn-notify"),
    ret: text("x-mq-dsn-ret"),
    envid: text("x-mq-dsn-envid"),
    orcpt: text("x-mq-dsn-orcpt"),
  };
  return addressing(sender, recipients, dsn, origin);
}

function findSender(header: Header, domain: string | undefined): Written | Refusal {
  const given = header.fields.filter((field) => field.name === "x-sender");
  if (given.length > 1) return refuse("has more than one X-Sender");
  const field = given[0] ?? firstOf(header, SENDER_PATHS);
  if (field !== undefined) return { address: field.value, where: shown(field) };
  const author = firstOf(header, SENDER_LISTS);
  if (author === undefined) return refuse("has no sender: no X-Sender, Return-Path, Sender or From");
  const { mailboxes, bad } = listOf(author, domain);
  const mailbox = mailboxes[0];
  if (mailbox !== undefined) return { address: mailbox.address, where: shown(author) };
  return refuse(`${shown(author)}: ${bad[0] === undefined ? "empty" : `${bad[0].reason}: ${bad[0].text}`}`);
}

function findRecipients(header: Header, domain: string | undefined): Written[] | Refusal {
  const given = header.fields.filter((field) => field.name === "x-receiver");
  if (given.length > 0) return given.map((field) => ({ address: field.value, where: shown(field) }));
  const found: Written[] = [];
  for (const field of header.fields) {
    if (!RECIPIENT_LISTS.includes(field.name)) continue;
    const { mailboxes, bad } = listOf(field, domain);
    // One that cannot be read would be left out silently: the sender is to hear of it.
    if (bad[0] !== undefined) return refuse(`${shown(field)}: ${bad[0].reason}: ${bad[0].text}`);
    for (const mailbox of mailboxes) found.push({ address: mailbox.address, where: shown(field) });
  }
  return found;
}

function listOf(field: Field, domain: string | undefined): ReturnType<typeof parseAddressList> {
  return parseAddressList(field.value, domain === undefined ? {} : { defaultDomain: domain });
}

function firstOf(header: Header, names: readonly string[]): Field | undefined {
  for (const name of names) {
    const field = findField(header, name);
    if (field !== undefined) return field;
  }
  return undefined;
}

/** `return-path` as `Return-Path`, for people. */
function shown(field: Field): string {
  return field.name.replaceAll(/\b[a-z]/g, (letter) => letter.toUpperCase());
}
