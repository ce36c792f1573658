/**
 * What is said in a session, kept at hand until it is known whether anybody will want it. Most mail is sent, so nothing
 * is copied, cleaned or measured before an attempt has failed: there are only references to strings that were there.
 *
 * A session begins with one for its opening. Each message that it carries gets another, `continued` from that one, and
 * what was said for the message before is let go. Never content, never credentials.
 */
import { clean, cleanBytes } from "../../base/text.ts";
import type { Attempt } from "../../mail/attempt.ts";
import type { SessionTranscript, TranscriptLine, TranscriptRecord } from "../../mail/transcript.ts";
import type { Host } from "./route.ts";

type Who = TranscriptLine[1];
type Entry = readonly [ms: number, who: Who, text: string]; // text: one or many lines, raw

const MOST_ENTRIES = 200; // beyond it, some in the middle go
const FIRST_ENTRIES = 50; // those at the start that stay
const LINE_MAX = 1000; // characters of a line
const LINE_OVERHEAD = 16; // characters of a line in JSON beside its text

export class Transcript {
  readonly #host: Host;
  readonly #opening: Transcript | undefined;
  readonly #time: number; // ms since 1970
  readonly #begun: number; // monotonic clock, ms
  readonly #entries: Entry[] = [];
  #leftOut = 0; // entries behind the first ones
  #contentBytes = 0; // of the content that is going out

  constructor(host: Host, opening?: Transcript) {
    this.#host = host;
    this.#opening = opening;
    this.#time = opening === undefined ? Date.now() : opening.#time;
    this.#begun = opening === undefined ? performance.now() : opening.#begun;
  }

  /** For the next message of the same session. `earlier`: how many messages it has carried before. */
  continued(earlier: number): Transcript {
    const next = new Transcript(this.#host, this);
    if (earlier > 0) next.note(`${earlier} earlier ${earlier === 1 ? "message" : "messages"} over this connection`);
    return next;
  }

  /** One or many commands, as they go out. */
  command(lines: string): void {
    this.#add("C", lines);
  }

  /** What could be a secret: of AUTH the mechanism is kept, of its further lines nothing. */
  secret(line: string): void {
    this.#add("C", masked(line));
  }

  /** A reply, its bytes as latin1, lines parted by \n. */
  reply(text: string): void {
    this.#add("S", text);
  }

  /** So many bytes of a message. */
  content(bytes: number): void {
    this.#contentBytes += bytes;
  }

  /** What happened that is neither command nor reply, cleaned. */
  note(text: string): void {
    this.#add("*", text);
  }

  /** As the journal has it: no more than about `limit` characters, of the first and the last lines. */
  written(limit: number): SessionTranscript {
    const { name, address, port } = this.#host;
    const opening = this.#opening === undefined ? [] : this.#opening.#lines();
    const lines = [...opening, ...this.#lines()];
    return { host: name, address, port, time: this.#time, lines: shortened(lines, limit) };
  }

  #add(who: Who, text: string): void {
    if (this.#contentBytes > 0) this.#closeContent();
    this.#entries.push([performance.now() - this.#begun, who, text]);
    if (this.#entries.length <= MOST_ENTRIES) return;
    const count = (MOST_ENTRIES - FIRST_ENTRIES) / 2;
    this.#entries.splice(FIRST_ENTRIES, count);
    this.#leftOut += count;
  }

  #closeContent(): void {
    const bytes = this.#contentBytes;
    this.#contentBytes = 0;
    this.#add("C", `[content, ${bytes} bytes]`);
  }

  #lines(): TranscriptLine[] {
    if (this.#contentBytes > 0) this.#closeContent();
    return this.#entries.flatMap(([ms, who, text], index) => {
      const at = Math.round(ms);
      const lines = text
        .split(/\r?\n/)
        .filter((line) => line !== "")
        .map((line): TranscriptLine => [at, who, who === "S" ? replyLine(line) : clean(line, LINE_MAX)]);
      const hasGap = this.#leftOut > 0 && index === FIRST_ENTRIES;
      return hasGap ? [[at, "*", leftOut(`${this.#leftOut} commands and replies`)], ...lines] : lines;
    });
  }
}

/** For the journal, if a recipient was not delivered. The hosts share the room of `limit` characters; 0: no record. */
export function recordOf(
  transcripts: readonly Transcript[],
  results: readonly Attempt[],
  time: number,
  limit: number,
): TranscriptRecord | undefined {
  const failed = results.filter((attempt) => attempt.outcome !== "sent");
  if (failed.length === 0 || limit === 0 || transcripts.length === 0) return undefined;
  return {
    kind: "transcript",
    time,
    recipients: failed.map((attempt) => attempt.recipient),
    sessions: transcripts.map((transcript) => transcript.written(limit / transcripts.length)),
  };
}

function replyLine(line: string): string {
  return cleanBytes(Buffer.from(line, "latin1"), LINE_MAX);
}

function masked(line: string): string {
  const mechanism = /^AUTH\s+[A-Za-z0-9_-]{1,20}(?=\s|$)/i.exec(line)?.[0];
  return mechanism === undefined
    ? "[not shown]"
    : `${mechanism}${line.length > mechanism.length ? " [not shown]" : ""}`;
}

function leftOut(what: string): string {
  return `[${what} left out]`;
}

function shortened(lines: readonly TranscriptLine[], limit: number): readonly TranscriptLine[] {
  if (countFitting(lines, limit) === lines.length) return lines;
  const first = lines.slice(0, countFitting(lines, limit / 2));
  const last = lines.slice(lines.length - countFitting(lines.toReversed(), limit / 2));
  const gone = lines.length - first.length - last.length;
  const at = lines[first.length]?.[0] ?? 0;
  return [...first, [at, "*", leftOut(`${gone} ${gone === 1 ? "line" : "lines"}`)], ...last];
}

/** How many lines, from the first on, `room` characters hold. */
function countFitting(lines: readonly TranscriptLine[], room: number): number {
  let left = room;
  let count = 0;
  for (const [, , text] of lines) {
    left -= text.length + LINE_OVERHEAD;
    if (left < 0) break;
    count++;
  }
  return count;
}
