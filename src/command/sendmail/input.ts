/** A message on standard input: as it comes, up to its end or, as sendmail has it, up to a line that is a lone dot. */

const DOT = 46;
const CR = 13;
const LF = 10;

/** Ends before a line `.` if `dotEnds`. Line ends may be LF or CRLF; chunks may end anywhere. */
export async function* readMessage(
  input: AsyncIterable<Buffer | string>,
  dotEnds: boolean,
): AsyncGenerator<Buffer, void> {
  let held: Buffer = Buffer.alloc(0); // the start of a line that may be the dot
  let isLineStart = true;
  for await (const chunk of input) {
    const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    if (bytes.length === 0) continue;
    if (!dotEnds) {
      yield bytes;
      continue;
    }
    const data = held.length > 0 ? Buffer.concat([held, bytes]) : bytes;
    const found = findDot(data, isLineStart);
    const ready = data.subarray(0, found.at);
    if (ready.length > 0) yield ready;
    if (found.isEnd) return;
    held = data.subarray(found.at);
    isLineStart = held.length > 0 || data[data.length - 1] === LF;
  }
  // A lone dot without a line end is one, too.
  if (held.length > 0 && !isLoneDot(held)) yield held;
}

interface Dot {
  readonly at: number; // where the dot's line begins; the end of the data if there is none
  readonly isEnd: boolean; // false: the line is not complete yet
}

function findDot(data: Buffer, isLineStart: boolean): Dot {
  let at = isLineStart ? 0 : nextLine(data, 0);
  while (at >= 0 && at < data.length) {
    if (data[at] === DOT) {
      const next = data[at + 1];
      const afterNext = data[at + 2];
      if (next === LF || (next === CR && afterNext === LF)) return { at, isEnd: true };
      if (next === undefined || (next === CR && afterNext === undefined)) return { at, isEnd: false };
    }
    at = nextLine(data, at);
  }
  return { at: data.length, isEnd: false };
}

/** Start of the next line that begins with a dot, or -1. */
function nextLine(data: Buffer, from: number): number {
  const found = data.indexOf("\n.", from, "latin1");
  return found < 0 ? -1 : found + 1;
}

function isLoneDot(line: Buffer): boolean {
  return line[0] === DOT && (line.length === 1 || (line.length === 2 && line[1] === CR));
}
