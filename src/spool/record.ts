/** How journal records look in a file: a newline, the JSON with its CRC-32 as last member, a newline; one write. */
import { crc32 } from "node:zlib";
import type { JournalRecord } from "../mail/journal.ts";

const CRC_TAIL = /,"crc":"([0-9a-f]{8})"\}$/;
const CRC_TAIL_LENGTH = ',"crc":"00000000"}'.length;

export function hex8(value: number): string {
  return value.toString(16).padStart(8, "0");
}

export function encodeRecord(record: JournalRecord): string {
  const body = JSON.stringify(record);
  return `\n${body.slice(0, -1)},"crc":"${hex8(crc32(body))}"}\n`;
}

export interface Journal {
  readonly records: readonly JournalRecord[];
  readonly unreadable: number; // lines that were torn or damaged; their recipients count as undecided
}

/** Reads what follows the content. A line that cannot be parsed is passed over and counted. */
export function parseJournal(bytes: Buffer): Journal {
  const records: JournalRecord[] = [];
  let unreadable = 0;
  for (const line of bytes.toString("utf8").split("\n")) {
    if (line === "") continue;
    const record = parseRecord(line);
    if (record === undefined) unreadable += 1;
    else records.push(record);
  }
  return { records, unreadable };
}

function parseRecord(line: string): JournalRecord | undefined {
  const crc = CRC_TAIL.exec(line)?.[1];
  if (crc === undefined) return undefined;
  const body = `${line.slice(0, -CRC_TAIL_LENGTH)}}`;
  if (hex8(crc32(body)) !== crc) return undefined;
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null && "kind" in value ? (value as JournalRecord) : undefined;
  } catch {
    return undefined;
  }
}
