/**
 * The file for drop/: the envelope as header fields in front (X-Sender, X-Receiver, x-mq-dsn-*; pickup takes them out
 * again), then the message as it was given. Fields of these names that were given are left out, since they would
 * change the envelope. What a message must have and does not (Date, Message-ID, Received) is added by pickup.
 */
import { ScesError } from "../../base/errors.ts";
import { EX_DATAERR } from "../../base/exit.ts";
import type { Config } from "../../config/config.ts";
import { formatAddress } from "../../mail/address-list.ts";
import { findField, formatField, type Header, removeFields, splitHeader } from "../../mail/header.ts";
import {
  argumentRecipients,
  BadAddress,
  headerRecipients,
  originOf,
  senderAddress,
  uniqueRecipients,
} from "./addresses.ts";
import type { SendmailOptions } from "./options.ts";

const READ_MAX = 2 * 1024 * 1024; // bytes of a header

/** The file in pieces: first all of the header, then the body as it comes. Throws before the first if it is not to be sent. */
export async function* writeLetter(
  input: AsyncGenerator<Buffer, void>,
  options: SendmailOptions,
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
): AsyncGenerator<Buffer, void> {
  const origin = originOf(config);
  // Judged before anything is read: who types at a terminal hears of it at once.
  const sender = senderAddress(options.sender, origin, env);
  const named = argumentRecipients(options.recipients, origin);
  if (!options.fromHeader) uniqueRecipients(named, false);

  const { bytes, header } = await readHeader(input);
  const recipients = uniqueRecipients(
    options.fromHeader ? [...named, ...headerRecipients(header, origin)] : named,
    options.fromHeader,
  );
  const head = Buffer.concat([
    Buffer.from(envelopeFields(sender, recipients, options)),
    givenHeader(bytes, header),
    Buffer.from(ownFields(header, sender, options)),
  ]);
  // pickup's own bound: beyond it the file would end in quarantine.
  if (head.length > config.header_size_limit * 10) {
    throw new BadAddress(
      EX_DATAERR,
      `${recipients.length} recipients and the header are ${head.length} bytes: too long`,
    );
  }
  yield head;
  // Where no empty line ends the header, the body began (or the message ended) without one.
  if (header.ending !== "blank") yield Buffer.from("\n");
  yield bytes.subarray(header.headerEnd);
  for await (const chunk of input) yield chunk;
}

async function readHeader(input: AsyncGenerator<Buffer, void>): Promise<{ bytes: Buffer; header: Header }> {
  let bytes: Buffer = Buffer.alloc(0);
  for (;;) {
    const { value, done } = await input.next();
    if (value !== undefined) bytes = withoutPostmark(Buffer.concat([bytes, value]));
    const header = splitHeader(bytes);
    if (done === true || header.ending !== "cut") return { bytes, header };
    if (bytes.length > READ_MAX) throw new ScesError("USAGE", "the header does not end; is this a message?");
  }
}

/** The line `From user date` of a mailbox file is no header field. */
function withoutPostmark(bytes: Buffer): Buffer {
  if (bytes.toString("latin1", 0, 5) !== "From ") return bytes;
  const end = bytes.indexOf(10);
  return end < 0 ? bytes : bytes.subarray(end + 1);
}

/** One line each, never folded: a quoted local part may hold blanks, which folding would change. */
function envelopeFields(sender: string, recipients: readonly string[], options: SendmailOptions): string {
  const lines = [`X-Sender: <${sender}>`, ...recipients.map((address) => `X-Receiver: <${address}>`)];
  if (options.notify !== undefined) lines.push(`X-MQ-DSN-Notify: ${options.notify.join(",")}`);
  if (options.ret !== undefined) lines.push(`X-MQ-DSN-Ret: ${options.ret}`);
  if (options.envid !== undefined) lines.push(`X-MQ-DSN-Envid: ${options.envid}`);
  return `${lines.join("\n")}\n`;
}

/** The fields as given, each line ended, without those that would be taken for the envelope. */
function givenHeader(bytes: Buffer, header: Header): Buffer {
  const given = bytes.subarray(0, header.headerEnd);
  const kept = removeFields(given, splitHeader(given), ({ name }) => {
    return name === "x-sender" || name === "x-receiver" || name.startsWith("x-mq-dsn-") || name === "x-mq-envelope";
  });
  return kept.length === 0 || kept[kept.length - 1] === 10 ? kept : Buffer.concat([kept, Buffer.from("\n")]);
}

/** A message is from somebody, also when nobody wrote it down (RFC 5322 3.6). */
function ownFields(header: Header, sender: string, options: SendmailOptions): string {
  if (findField(header, "from") !== undefined) return "";
  const name = options.fullName ?? "";
  const field = sender === "" ? undefined : formatField("From", formatAddress(sender, name));
  return (field ?? "").replaceAll("\r\n", "\n");
}
