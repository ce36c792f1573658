/** A dropped file, understood: the envelope that it asks for and the message in it. */
import { clean } from "../../base/text.ts";
import type { Config } from "../../config/config.ts";
import type { EnvelopeDraft } from "../../mail/envelope.ts";
import { countReceived, findField, type Header, splitHeader } from "../../mail/header.ts";
import type { Canonical } from "../../service/canonical.ts";
import type { Addressing } from "./addressing.ts";
import { type Content, contentOf, contentOfFile } from "./content.ts";
import type { DroppedFile } from "./dropped-file.ts";
import { emlAddressing } from "./eml-addressing.ts";
import { JSON_SIZE_LIMIT } from "./json-bounds.ts";
import { parseJsonMessage } from "./json-message.ts";
import { outgoingHeader, ownMessageId, type Passage } from "./outgoing-header.ts";
import { isRefusal, type Refusal, refuse } from "./refusal.ts";

export interface Submission {
  readonly addressing: Addressing;
  readonly content: Content;
  readonly header: Header; // of content.start
  readonly own: Pick<EnvelopeDraft, "dialect" | "retry">; // what only JSON can say
}

/** Reads the file. Throws SPOOL_IO for trouble that may pass. */
export async function readSubmission(
  file: DroppedFile,
  kind: "eml" | "json",
  config: Config,
): Promise<Submission | Refusal> {
  const limit = config.drop_size_limit;
  if (limit > 0 && file.size > limit) return refuse(`is ${file.size} bytes long; drop_size_limit is ${limit}`);
  if (file.size === 0) return refuse("is empty");
  if (kind === "json") return readJson(file, config);
  // More than a header may be long, so that a longer one shows; line ends only become longer.
  const content =
    file.size <= config.spool_memory_limit
      ? contentOf(file.readWhole())
      : await contentOfFile(file, headerLimit(config) + 1024);
  return understand(content, config, (header) => emlAddressing(header, config.myorigin));
}

/** header_size_limit is for one field, as in Postfix and at our SMTP door; the whole may be as long as ten of them. */
function headerLimit(config: Config): number {
  return config.header_size_limit * 10;
}

function readJson(file: DroppedFile, config: Config): Submission | Refusal {
  if (file.size > JSON_SIZE_LIMIT) {
    return refuse(
      `is ${file.size} bytes of JSON; the limit is ${JSON_SIZE_LIMIT}, longer messages can be dropped as .eml`,
    );
  }
  const message = parseJsonMessage(file.readWhole(), config.myorigin);
  if (isRefusal(message)) return message;
  const { addressing, mime, retry } = message;
  const own = { dialect: "mailerq", ...(Object.keys(retry).length === 0 ? {} : { retry }) } as const;
  return understand(contentOf(Buffer.from(mime)), config, () => addressing, own);
}

function understand(
  content: Content,
  config: Config,
  address: (header: Header) => Addressing | Refusal,
  own: Submission["own"] = {},
): Submission | Refusal {
  const { message_size_limit, header_size_limit, hopcount_limit } = config;
  if (content.hasNul) return refuse("holds a NUL byte (UTF-16, or no text?)");
  if (message_size_limit > 0 && content.size > message_size_limit) {
    return refuse(`is a message of ${content.size} bytes; message_size_limit is ${message_size_limit}`);
  }
  const limit = headerLimit(config);
  const header = splitHeader(content.start, limit);
  const isTooLong = header.fields.some((field) => field.end - field.start > header_size_limit);
  if (isTooLong || (header.ending === "cut" && content.size > limit)) {
    return refuse(`has a header that is too long (header_size_limit is ${header_size_limit})`);
  }
  // What follows such a line is text: a Bcc, too, would be sent. Where the envelope is given apart from the header it
  // does no harm, and is what `sendmail` is given by many scripts.
  const isAddressed = findField(header, "x-receiver") !== undefined;
  if (header.ending === "body" && !isAddressed) {
    return refuse(`has no header field in line ${lineAt(content.start, header.headerEnd)}`);
  }
  if (header.fields.length === 0) return refuse("has no header");
  const hops = countReceived(header);
  // As Postfix counts: ours will be one more.
  if (hops + 1 >= hopcount_limit) return refuse(`has passed ${hops} hosts, which looks like a mail loop`);
  const addressing = address(header);
  return isRefusal(addressing) ? addressing : { addressing, content, header, own };
}

function lineAt(bytes: Buffer, offset: number): number {
  let line = 1;
  for (let at = bytes.indexOf(10); at >= 0 && at < offset; at = bytes.indexOf(10, at + 1)) line += 1;
  return line;
}

export interface Composed {
  readonly draft: EnvelopeDraft;
  readonly header: Buffer; // as it is sent, with its empty line
  readonly body: Buffer; // as far as it is in content.start
}

/** What goes into the queue file, now that its id is known. Throws ScesError where addresses cannot be looked up. */
export function compose(submission: Submission, passage: Passage, canonical: Canonical): Composed {
  const { addressing, content, own } = submission;
  const { bytes, header } = canonical.header({ bytes: content.start, header: submission.header });
  const messageId = findField(header, "message-id")?.value ?? ownMessageId(passage);
  const subject = findField(header, "subject")?.value;
  return {
    draft: canonical.envelope({
      ...addressing,
      ...own,
      origin: "pickup",
      ...(content.has8bit ? { body: "8BITMIME" as const } : {}),
      messageId: clean(messageId, 300),
      ...(subject === undefined ? {} : { subject: clean(subject, 200) }),
      hops: countReceived(header),
    }),
    header: outgoingHeader(bytes.subarray(0, header.bodyStart), header, passage),
    body: bytes.subarray(header.bodyStart),
  };
}
