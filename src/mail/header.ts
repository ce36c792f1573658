/**
 * The header of a message, read and changed as bytes. Nothing is decoded that nobody asks for, and what is not
 * changed stays byte for byte as it came. Every function takes linear time, whatever the bytes.
 */

import { splitWord } from "./wrap.ts";

const LF = 10;
const CR = 13;
const SPACE = 32;
const TAB = 9;
const COLON = 58;

/** One header field with its folded lines. */
export class Field {
  readonly name: string; // lower case
  readonly start: number; // offset of the name
  readonly end: number; // offset behind the line end of its last line
  readonly #bytes: Buffer;
  readonly #colon: number;

  constructor(bytes: Buffer, name: string, start: number, colon: number, end: number) {
    this.#bytes = bytes;
    this.name = name;
    this.start = start;
    this.#colon = colon;
    this.end = end;
  }

  /** Offset behind the colon. */
  get valueStart(): number {
    return this.#colon + 1;
  }

  /** The name as it stands in the message. */
  get writtenName(): string {
    return this.#bytes.toString("latin1", this.start, this.start + this.name.length);
  }

  /** Unfolded, without the white space around it; UTF-8 (RFC 6532), with U+FFFD for what is not. */
  get value(): string {
    return unfold(this.#bytes.toString("utf8", this.#colon + 1, this.end));
  }

  /** As `value`, with one character for each byte. */
  get bytes(): string {
    return unfold(this.#bytes.toString("latin1", this.#colon + 1, this.end));
  }
}

/**
 * blank: the header ended at an empty line. body: at a line that is no field (the body began without an empty line).
 * cut: the bytes or the limit ended first; for a whole message that means that it has no body.
 */
export type HeaderEnding = "blank" | "body" | "cut";

export interface Header {
  readonly fields: readonly Field[];
  readonly headerEnd: number; // offset behind the last field
  readonly bodyStart: number; // offset behind the empty line; equals headerEnd where there is none
  readonly ending: HeaderEnding;
}

/**
 * Splits off the header. Lines end at LF or CRLF. At `cut` the last field may be incomplete.
 * limit: how many bytes to look at.
 */
export function splitHeader(bytes: Buffer, limit = bytes.length): Header {
  const stop = Math.min(limit, bytes.length);
  const fields: Field[] = [];
  let name = "";
  let start = 0;
  let colon = -1;
  let offset = 0;
  const close = () => {
    if (colon >= 0) fields.push(new Field(bytes, name, start, colon, offset));
    colon = -1;
  };
  while (offset < stop) {
    const newline = bytes.indexOf(LF, offset);
    const lineEnd = newline < 0 || newline >= stop ? stop : newline + 1;
    const first = bytes[offset];
    if (first === LF || (first === CR && bytes[offset + 1] === LF && offset + 1 < stop)) {
      close();
      return { fields, headerEnd: offset, bodyStart: lineEnd, ending: "blank" };
    }
    if ((first === SPACE || first === TAB) && colon >= 0) {
      offset = lineEnd;
      continue;
    }
    close();
    const found = findColon(bytes, offset, lineEnd);
    // A name that the limit cut through is neither a field nor the body.
    if (found < 0)
      return { fields, headerEnd: offset, bodyStart: offset, ending: endingAt(bytes, offset, lineEnd, stop) };
    start = offset;
    colon = found;
    let nameEnd = found;
    while (isBlank(bytes[nameEnd - 1])) nameEnd -= 1;
    name = bytes.toString("latin1", offset, nameEnd).toLowerCase();
    offset = lineEnd;
  }
  close();
  return { fields, headerEnd: offset, bodyStart: offset, ending: "cut" };
}

/** The colon behind a field name (RFC 5322 2.2; white space before it by 4.5), or -1 if the line is no field. */
function findColon(bytes: Buffer, from: number, to: number): number {
  let index = from;
  while (index < to && isNameByte(bytes[index])) index += 1;
  if (index === from) return -1;
  while (index < to && isBlank(bytes[index])) index += 1;
  return index < to && bytes[index] === COLON ? index : -1;
}

/** How the header ends at a line that is no field: one that the limit cut through may have become a field. */
function endingAt(bytes: Buffer, from: number, to: number, stop: number): HeaderEnding {
  if (to < stop || bytes[to - 1] === LF) return "body";
  for (let index = from; index < to; index += 1) {
    const isLastCr = bytes[index] === CR && index === to - 1;
    if (!isNameByte(bytes[index]) && !isBlank(bytes[index]) && !isLastCr) return "body";
  }
  return "cut";
}

function isNameByte(byte: number | undefined): boolean {
  return byte !== undefined && byte > SPACE && byte < 127 && byte !== COLON;
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}

/** A folded value as one line: line ends before white space vanish, the white space stays (RFC 5322 2.2.3). */
function unfold(text: string): string {
  return (text.includes("\n") ? text.replaceAll(/\r?\n/g, "") : text).trim();
}

/** The first field of that name (in lower case). */
export function findField(header: Header, name: string): Field | undefined {
  return header.fields.find((field) => field.name === name);
}

/** How many hosts the message has passed (RFC 5321 6.3). */
export function countReceived(header: Header): number {
  return header.fields.reduce((count, field) => (field.name === "received" ? count + 1 : count), 0);
}

/** The bytes without the fields that `isUnwanted` picks; the same Buffer if there are none. */
export function removeFields(bytes: Buffer, header: Header, isUnwanted: (field: Field) => boolean): Buffer {
  const pieces: Buffer[] = [];
  let kept = 0;
  for (const field of header.fields) {
    if (!isUnwanted(field)) continue;
    pieces.push(bytes.subarray(kept, field.start));
    kept = field.end;
  }
  if (kept === 0) return bytes;
  pieces.push(bytes.subarray(kept));
  return Buffer.concat(pieces);
}

export interface NewField {
  readonly name: string;
  readonly value: string;
}

/** The bytes with more fields behind those that are there; makes the empty line where the message has none. */
export function addFields(bytes: Buffer, header: Header, added: readonly NewField[]): Buffer {
  const head = bytes.subarray(0, header.headerEnd);
  const tail = bytes.subarray(header.headerEnd);
  const needsLineEnd = head.length > 0 && head[head.length - 1] !== LF;
  const text = added.map((field) => formatField(field.name, field.value)).join("");
  const blank = header.ending === "blank" ? "" : "\r\n";
  return Buffer.concat([head, Buffer.from(`${needsLineEnd ? "\r\n" : ""}${text}${blank}`), tail]);
}

const MAX_LINE = 78; // characters, RFC 5322 2.1.1
const MAX_WORD = 900; // octets: a line ends at 998 (RFC 5322 2.1.1), and a fold needs a space

/**
 * A field ready to be sent, with its CRLF, folded at spaces where longer than 78 characters. Line ends, NULs and other
 * controls in the value become spaces: no value can bring a field of its own. Throws on a name that is none.
 */
export function formatField(name: string, value: string): string {
  if (!/^[!-9;-~]+$/.test(name)) throw new Error(`no header field name: ${JSON.stringify(name)}`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not get through
  const safe = value.replaceAll(/[\u0000-\u001f\u007f\u0085\u2028\u2029]+/g, " ").trim();
  let line = `${name}:`;
  let text = "";
  let hasWord = false;
  for (const word of safe.split(" ").flatMap(bearable)) {
    if (hasWord && line.length + 1 + word.length > MAX_LINE) {
      text += `${line}\r\n`;
      line = "";
      hasWord = false;
    }
    line += ` ${word}`;
    hasWord ||= word !== ""; // no line of nothing but spaces
  }
  return `${text}${line}\r\n`;
}

/** A word that no line can hold is broken, which only text from outside can bring about. */
function bearable(word: string): string[] {
  return word.length > MAX_WORD / 3 && Buffer.byteLength(word) > MAX_WORD ? splitWord(word, MAX_WORD / 3) : [word];
}
