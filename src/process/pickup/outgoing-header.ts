/** The header as it is sent: our Received first, what only we were to read gone, what every message needs added. */
import { mailDate } from "../../mail/date.ts";
import {
  addFields,
  type Field,
  findField,
  type Header,
  type NewField,
  removeFields,
  splitHeader,
} from "../../mail/header.ts";

export interface Passage {
  readonly id: string;
  readonly time: number; // ms, of arrival
  readonly uid: number; // owner of the dropped file
  readonly hostname: string; // ours
  readonly mailName: string;
}

/** As Postfix's message_drop_headers, and the fields that told us the envelope. */
const DROPPED = new Set(["bcc", "resent-bcc", "return-path", "content-length", "x-sender", "x-receiver"]);

function isDropped(field: Field): boolean {
  return DROPPED.has(field.name) || field.name.startsWith("x-mq-");
}

/** `bytes`: of the message up to its body; `header`: the same, split. */
export function outgoingHeader(bytes: Buffer, header: Header, passage: Passage): Buffer {
  const { id, time, uid, hostname, mailName } = passage;
  const received = `Received: by ${hostname} (${mailName}, from userid ${uid})\r\n\tid ${id}; ${mailDate(time)}\r\n`;
  const added: NewField[] = [];
  if (findField(header, "message-id") === undefined) added.push({ name: "Message-ID", value: ownMessageId(passage) });
  if (findField(header, "date") === undefined) added.push({ name: "Date", value: mailDate(time) });
  const kept = removeFields(bytes, header, isDropped);
  // Offsets have changed where something was removed; and a header that the end of the file cut has no empty line yet.
  const complete = added.length === 0 && header.ending === "blank" ? kept : addFields(kept, splitHeader(kept), added);
  return Buffer.concat([Buffer.from(received), complete]);
}

/** RFC 5322 3.6.4: unique, since the queue id is. */
export function ownMessageId({ id, hostname }: Passage): string {
  return `<${id}@${hostname}>`;
}
