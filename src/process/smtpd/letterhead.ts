/** The header of a message that comes in: what is wrong with it, what we note of it, and ours put in front. */
import { clean } from "../../base/text.ts";
import type { Config } from "../../config/config.ts";
import type { EnvelopeDraft } from "../../mail/envelope.ts";
import { countReceived, findField, type Header, splitHeader } from "../../mail/header.ts";

export interface Examined {
  readonly bytes: Buffer; // what was examined, mended
  readonly header: Header; // of `bytes`
}

// header_size_limit is for one field, as in Postfix; the header as a whole may be as long as ten of them.
const FIELDS_OF_LIMIT = 10;
const MAX_MESSAGE_ID = 998;
const MAX_SUBJECT = 200;
const TOO_LARGE = "554 5.6.0 Error: message header too large";

/**
 * `isWhole`: no bytes follow. "incomplete": the header goes on behind `bytes`. Another string is the reply of a
 * refusal.
 */
export function examineHeader(bytes: Buffer, isWhole: boolean, config: Config): Examined | string {
  const mended = nameMailboxLine(bytes);
  const limit = config.header_size_limit * FIELDS_OF_LIMIT;
  const header = splitHeader(mended, limit);
  if (header.ending === "cut" && (!isWhole || mended.length > limit))
    return mended.length > limit ? TOO_LARGE : "incomplete";
  if (header.fields.some((field) => field.end - field.start > config.header_size_limit)) return TOO_LARGE;
  // Ours will be one more.
  if (countReceived(header) + 1 >= config.hopcount_limit) return "554 5.4.6 Error: too many hops";
  return { bytes: mended, header };
}

/** What the envelope keeps of the header. */
export function noteHeader(header: Header): Pick<EnvelopeDraft, "messageId" | "subject" | "hops"> {
  const messageId = findField(header, "message-id")?.value ?? "";
  const subject = findField(header, "subject")?.value ?? "";
  return {
    hops: countReceived(header),
    ...(messageId === "" ? {} : { messageId: clean(messageId, MAX_MESSAGE_ID) }),
    ...(subject === "" ? {} : { subject: clean(subject, MAX_SUBJECT) }),
  };
}

/**
 * The message from its first byte on: `received` first, `added` fields behind the others, and the empty line where
 * the body began without one.
 */
export function dress({ bytes, header }: Examined, received: Buffer, added: string): Buffer[] {
  const gap = header.ending === "body" ? `${added}\r\n` : added;
  if (gap === "") return [received, bytes];
  return [received, bytes.subarray(0, header.headerEnd), Buffer.from(gap), bytes.subarray(header.headerEnd)];
}

/** A mailbox's "From " line in front of a message is no field; as Postfix and sendmail we give it a name. */
function nameMailboxLine(bytes: Buffer): Buffer {
  if (bytes[0] !== 0x46 && bytes[0] !== 0x3e) return bytes; // F, >
  return /^>*From /.test(bytes.toString("latin1", 0, 100))
    ? Buffer.concat([Buffer.from("X-Mailbox-Line: "), bytes])
    : bytes;
}
