/** The text of a dropped message, line ends made right: whole in memory if small, else read twice from its file. */
import type { DroppedFile } from "./dropped-file.ts";
import { LineEnds } from "./line-ends.ts";

const CHUNK = 64 * 1024;

export interface Content {
  readonly size: number; // bytes, all of it
  readonly hasNul: boolean;
  readonly has8bit: boolean;
  readonly isWhole: boolean; // `start` is all of it
  /** The beginning: all of it, or more than the header may be long. */
  readonly start: Buffer;
  /** What follows `start`. Each piece is valid until the next one is asked for. */
  rest(): AsyncGenerator<Buffer, void>;
}

export function contentOf(bytes: Buffer): Content {
  const lines = new LineEnds();
  const start = withoutPreamble(joined(lines.push(bytes), lines.end()));
  return {
    size: start.length,
    hasNul: lines.hasNul,
    has8bit: lines.has8bit,
    isWhole: true,
    start,
    async *rest() {},
  };
}

/** Reads the file once to judge it; `rest` reads it again. `startBytes`: how much of it to keep. */
export async function contentOfFile(file: DroppedFile, startBytes: number): Promise<Content> {
  const lines = new LineEnds();
  const first = Buffer.allocUnsafe(Math.min(startBytes, file.size));
  const readTo = await file.read(first, 0);
  if (readTo === file.size) return contentOf(first.subarray(0, readTo)); // nothing follows: no line end either
  // A copy: what push gives is overwritten by the next one.
  const begun = Buffer.from(lines.push(first.subarray(0, readTo)));
  const start = withoutPreamble(begun);
  const buffer = Buffer.allocUnsafe(CHUNK);
  for await (const piece of readFrom(file, readTo, buffer)) lines.push(piece);
  lines.end();
  return {
    size: lines.size - (begun.length - start.length),
    hasNul: lines.hasNul,
    has8bit: lines.has8bit,
    isWhole: false,
    start,
    async *rest() {
      const again = new LineEnds();
      again.push(first.subarray(0, readTo));
      for await (const piece of readFrom(file, readTo, buffer)) yield again.push(piece);
      yield again.end();
    },
  };
}

async function* readFrom(file: DroppedFile, from: number, buffer: Buffer): AsyncGenerator<Buffer, void> {
  for (let position = from; ; ) {
    const count = await file.read(buffer, position);
    if (count === 0) return;
    yield buffer.subarray(0, count);
    position += count;
  }
}

/** Less than what is read of a large file beyond its header: the file has the same fate if it is small. */
const MAX_POSTMARK = 900; // bytes
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** Without what editors (a byte order mark) and mailboxes (a `From ` line) put in front of the header. */
function withoutPreamble(bytes: Buffer): Buffer {
  let start = 0;
  if (bytes.subarray(0, 3).equals(BYTE_ORDER_MARK)) start = 3;
  if (/^>*From /.test(bytes.toString("latin1", start, start + 100))) {
    const newline = bytes.indexOf(10, start);
    if (newline >= 0 && newline - start <= MAX_POSTMARK) start = newline + 1;
  }
  return bytes.subarray(start);
}

function joined(first: Buffer, last: Buffer): Buffer {
  return last.length === 0 ? first : Buffer.concat([first, last]);
}
