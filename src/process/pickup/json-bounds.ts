/**
 * JSON from outside, judged before it is parsed: what is small as text may be large in memory (a thousand times for
 * `[[[[`), or too deep for whoever walks over it.
 */
import { messageOf } from "../../base/errors.ts";
import { type Refusal, refuse } from "./refusal.ts";

/** A JSON file is read whole. A larger message is dropped as .eml, which streams. */
export const JSON_SIZE_LIMIT = 32 * 1024 * 1024;
/** Brackets, commas and colons outside of strings: enough for MAX_RECIPIENTS in addressing.ts. */
const MAX_MARKS = 200_000;
const MAX_DEPTH = 64;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const decoder = new TextDecoder("utf-8", { fatal: true }); // drops a byte order mark

export function parseBounded(bytes: Buffer): { readonly value: unknown } | Refusal {
  const excess = excessOf(bytes);
  if (excess !== undefined) return refuse(excess);
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    return refuse("is no UTF-8");
  }
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return refuse(`is no JSON: ${messageOf(error)}`);
  }
}

/** What is too much in it, or undefined. What is no JSON may pass. */
function excessOf(bytes: Buffer): string | undefined {
  let depth = 0;
  let marks = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    switch (bytes[at]) {
      case QUOTE:
        at = stringEnd(bytes, at);
        if (at < 0) return "is no JSON: a string does not end";
        break;
      case 0x7b: // {
      case 0x5b: // [
        depth += 1;
        marks += 1;
        if (depth > MAX_DEPTH) return `is JSON deeper than ${MAX_DEPTH} levels`;
        break;
      case 0x7d: // }
      case 0x5d: // ]
        depth -= 1;
        break;
      case 0x2c: // ,
      case 0x3a: // :
        marks += 1;
        break;
    }
    if (marks > MAX_MARKS) return `is JSON of more than ${MAX_MARKS} parts`;
  }
  return undefined;
}

/** Offset of the quote that ends the string, or -1. */
function stringEnd(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(QUOTE, from + 1); at >= 0; at = bytes.indexOf(QUOTE, at + 1)) {
    let slashes = 0;
    while (bytes[at - 1 - slashes] === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return at;
  }
  return -1;
}
