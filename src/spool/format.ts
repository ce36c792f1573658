/**
 * The head of a queue file: a first line of fixed length, then the envelope as one line of JSON.
 *
 *   SCES1 <content offset, 10 digits> <content length, 15 digits> <crc of the envelope line> <crc of the content>\n
 *
 * Both CRCs are CRC-32 in 8 hexadecimal digits. A streamed message gets its first line last; until then it reads
 * "SCES0 ...", which no reader accepts.
 */
import { crc32 } from "node:zlib";
import { ScesError } from "../base/errors.ts";
import type { Envelope } from "../mail/envelope.ts";
import { isQueueId } from "../mail/queue-id.ts";
import { hex8 } from "./record.ts";

export const HEAD_LENGTH = 51;
/** No envelope is longer than this: 50,000 recipients of 300 bytes. */
export const MAX_OFFSET = 16 * 1024 * 1024;

export interface Head {
  readonly offset: number; // of the content, bytes
  readonly length: number; // of the content, bytes
  readonly envelopeCrc: string;
  readonly contentCrc: string;
}

export function encodeHead(head: { offset: number; length: number; envelopeCrc: number; contentCrc: number }): string {
  const offset = String(head.offset).padStart(10, "0");
  const length = String(head.length).padStart(15, "0");
  return `SCES1 ${offset} ${length} ${hex8(head.envelopeCrc)} ${hex8(head.contentCrc)}\n`;
}

/** Stands where the first line will be while a message streams in. */
export const UNFINISHED_HEAD = `SCES0${" ".repeat(HEAD_LENGTH - 6)}\n`;

const HEAD = /^SCES1 (\d{10}) (\d{15}) ([0-9a-f]{8}) ([0-9a-f]{8})\n$/;

/** Throws FILE_DAMAGED, in words for the log. */
export function parseHead(bytes: Buffer): Head {
  const match = HEAD.exec(bytes.toString("latin1", 0, HEAD_LENGTH));
  if (match === null) throw new ScesError("FILE_DAMAGED", "the first line is not that of a queue file");
  const offset = Number(match[1]);
  if (offset <= HEAD_LENGTH || offset > MAX_OFFSET) {
    throw new ScesError("FILE_DAMAGED", `the content cannot start at ${offset}`);
  }
  return { offset, length: Number(match[2]), envelopeCrc: match[3] ?? "", contentCrc: match[4] ?? "" };
}

export function encodeEnvelope(envelope: Envelope): Buffer {
  return Buffer.from(`${JSON.stringify(envelope)}\n`);
}

/** `line`: the envelope's bytes including its newline. Throws FILE_DAMAGED. */
export function parseEnvelope(line: Buffer, crc: string): Envelope {
  if (hex8(crc32(line)) !== crc) throw new ScesError("FILE_DAMAGED", "the envelope does not match its checksum");
  let value: unknown;
  try {
    value = JSON.parse(line.toString("utf8"));
  } catch (error) {
    throw new ScesError("FILE_DAMAGED", "the envelope is not JSON", { cause: error });
  }
  if (!isEnvelope(value)) throw new ScesError("FILE_DAMAGED", "the envelope lacks id, time, sender or recipients");
  return value;
}

function isEnvelope(value: unknown): value is Envelope {
  if (typeof value !== "object" || value === null) return false;
  const { id, arrival, sender, recipients } = value as Partial<Envelope>;
  return (
    typeof id === "string" &&
    isQueueId(id) &&
    typeof arrival === "number" &&
    typeof sender === "string" &&
    Array.isArray(recipients) &&
    recipients.length > 0 &&
    recipients.every((recipient) => typeof recipient?.address === "string" && recipient.address !== "")
  );
}
