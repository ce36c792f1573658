/**
 * The message as one server gets it: converted to 7 bits if it takes no more (seven-bit.ts), without lines that are too
 * long (long-lines.ts). What is small is converted in memory. What is large is read twice, once to see what there is to
 * do and once as it goes out, so that no more of it than a block is ever in memory and nothing is written.
 */
import { isAscii } from "node:buffer";
import { setImmediate as turn } from "node:timers/promises";
import { ScesError } from "../../base/errors.ts";
import type { Content } from "../../spool/file.ts";
import type { Features } from "./features.ts";
import { hasLongLine, LineBreaker } from "./long-lines.ts";
import { MalformedMime } from "./mime-walk.ts";
import { SevenBit, Survey } from "./seven-bit.ts";

/** Changes content that comes in pieces. */
export interface Encoder {
  push(chunk: Buffer): Buffer; // the chunk itself where nothing is to be changed
  end(): Buffer;
}

interface Wants {
  readonly sevenBit: boolean; // the server takes no 8-bit content
  readonly asciiHeader: boolean; // the server takes no UTF-8 in headers, and there may be some
  readonly lineLimit: number;
}

export interface Outgoing {
  readonly content: Content; // `length` is that of the original: SIZE need not be exact (RFC 1870 6)
  readonly hasUtf8Header?: true; // which the server does not take
  readonly unconvertible?: string; // why it cannot be made 7-bit
}

const HEADER_LOOK = 64 * 1024; // bytes at the start of a large message in which its header ends, or counts as ended
const AT_ONCE = HEADER_LOOK; // bytes that are taken apart in one turn of the loop: thousands of parts take long

export interface PreparationOptions {
  readonly convertsEightBit: boolean;
  readonly lineLimit: number; // bytes without CRLF; 0: none
}

/** Puts fields in front of a message as it goes out. */
export type Sign = (content: Content) => Promise<Content>;

/** The same message for one server after the other: made anew only when the next one wants another form. */
export class Preparation {
  readonly #content: Content;
  readonly #options: PreparationOptions;
  readonly #mayHaveUtf8Header: boolean;
  readonly #sign: Sign | undefined;
  #last: { readonly wants: Wants; readonly outgoing: Outgoing } | undefined;

  /** `mayHaveUtf8Header`: its sender asked for SMTPUTF8. `sign`: behind every conversion. */
  constructor(content: Content, options: PreparationOptions, mayHaveUtf8Header: boolean, sign: Sign | undefined) {
    this.#content = content;
    this.#options = options;
    this.#mayHaveUtf8Header = mayHaveUtf8Header;
    this.#sign = sign;
  }

  /** A promise only where the message has to be read first. It rejects with FILE_DAMAGED, SPOOL_IO, KEY_UNUSABLE. */
  for(features: Features): Outgoing | Promise<Outgoing> {
    const sevenBit = this.#options.convertsEightBit && !features.eightBitMime;
    const asciiHeader = this.#mayHaveUtf8Header && !features.smtputf8;
    const last = this.#last;
    if (last !== undefined && last.wants.sevenBit === sevenBit && last.wants.asciiHeader === asciiHeader)
      return last.outgoing;
    const wants = { sevenBit, asciiHeader, lineLimit: this.#options.lineLimit };
    const outgoing = prepare(this.#content, wants);
    if (outgoing instanceof Promise || this.#sign !== undefined) return this.#finish(wants, outgoing);
    return this.#keep(wants, outgoing);
  }

  async #finish(wants: Wants, converted: Outgoing | Promise<Outgoing>): Promise<Outgoing> {
    const outgoing = await converted;
    const isToGo = !outgoing.hasUtf8Header && outgoing.unconvertible === undefined;
    if (this.#sign === undefined || !isToGo) return this.#keep(wants, outgoing);
    return this.#keep(wants, { ...outgoing, content: await this.#sign(outgoing.content) });
  }

  #keep(wants: Wants, outgoing: Outgoing): Outgoing {
    this.#last = { wants, outgoing };
    return outgoing;
  }
}

function prepare(content: Content, wants: Wants): Outgoing | Promise<Outgoing> {
  const { bytes } = content;
  if (bytes !== undefined) {
    const takesTurns = wants.sevenBit && bytes.length > AT_ONCE && !isAscii(bytes);
    return takesTurns ? prepareStream(inTurns(content, bytes), wants) : prepareBytes(content, bytes, wants);
  }
  if (!wants.sevenBit && !wants.asciiHeader) return { content: throughEncoders(content, lineBreaker(wants)) };
  return prepareStream(content, wants);
}

function prepareBytes(content: Content, original: Buffer, wants: Wants): Outgoing {
  let bytes = original;
  if ((wants.sevenBit || wants.asciiHeader) && !isAscii(bytes)) {
    if (wants.asciiHeader && !isAscii(headerOf(bytes))) return { content, hasUtf8Header: true };
    if (wants.sevenBit) {
      try {
        const survey = new Survey();
        survey.push(bytes);
        const plan = survey.end();
        if (plan !== undefined) bytes = encode(bytes, new SevenBit(plan));
      } catch (error) {
        return { content, unconvertible: reasonOf(error) };
      }
    }
  }
  if (wants.lineLimit > 0 && hasLongLine(bytes, wants.lineLimit))
    bytes = encode(bytes, new LineBreaker(wants.lineLimit));
  return { content: bytes === original ? content : inMemory(bytes, content) };
}

function inMemory(bytes: Buffer, original: Content): Content {
  return {
    length: bytes.length,
    bytes,
    async *chunks() {
      yield bytes;
    },
    close: () => original.close(),
  };
}

/** What is in memory, as if it were not: with a turn of the loop for each block. */
function inTurns(original: Content, bytes: Buffer): Content {
  return {
    length: original.length,
    async *chunks() {
      for (let at = 0; at < bytes.length; at += AT_ONCE) {
        yield bytes.subarray(at, at + AT_ONCE);
        await turn();
      }
    },
    close: () => original.close(),
  };
}

async function prepareStream(content: Content, wants: Wants): Promise<Outgoing> {
  if (wants.asciiHeader && !isAscii(headerOf(await startOf(content)))) return { content, hasUtf8Header: true };
  const encoders = lineBreaker(wants);
  if (!wants.sevenBit) return { content: throughEncoders(content, encoders) };
  try {
    const survey = new Survey();
    for await (const chunk of content.chunks(HEADER_LOOK, true)) survey.push(chunk);
    const plan = survey.end();
    if (plan !== undefined) encoders.unshift(() => new SevenBit(plan));
  } catch (error) {
    return { content, unconvertible: reasonOf(error) };
  }
  return { content: throughEncoders(content, encoders) };
}

function lineBreaker({ lineLimit }: Wants): (() => Encoder)[] {
  return lineLimit > 0 ? [() => new LineBreaker(lineLimit)] : [];
}

/** Each reading begins with new encoders. Throws FILE_DAMAGED at the end of content that is not whole. */
function throughEncoders(content: Content, makers: readonly (() => Encoder)[]): Content {
  return {
    length: content.length,
    async *chunks(sizeBytes, reuse) {
      const encoders = makers.map((make) => make());
      let read = 0;
      for await (const chunk of content.chunks(sizeBytes, reuse)) {
        read += chunk.length;
        yield encoders.reduce((piece, encoder) => encoder.push(piece), chunk);
      }
      if (read !== content.length)
        throw new ScesError("FILE_DAMAGED", `${read} bytes of content where ${content.length} should be`);
      const last = encoders.reduce(
        (piece, encoder) => Buffer.concat([encoder.push(piece), encoder.end()]),
        Buffer.alloc(0),
      );
      if (last.length > 0) yield last;
    },
    close: () => content.close(),
  };
}

function encode(bytes: Buffer, encoder: Encoder): Buffer {
  return Buffer.concat([encoder.push(bytes), encoder.end()]);
}

function headerOf(bytes: Buffer): Buffer {
  const end = bytes.indexOf("\r\n\r\n");
  return end < 0 ? bytes : bytes.subarray(0, end);
}

async function startOf(content: Content): Promise<Buffer> {
  for await (const chunk of content.chunks(HEADER_LOOK)) return chunk;
  return Buffer.alloc(0);
}

function reasonOf(error: unknown): string {
  if (error instanceof MalformedMime) return error.message;
  throw error;
}
