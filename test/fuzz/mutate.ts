/** Seeded chance does this to bytes. The same seed gives the same inputs in the same order. */
import type { Random } from "../harness/random.ts";

export interface Material {
  readonly seeds: readonly Buffer[]; // of which pieces are taken
  readonly dictionary: readonly string[]; // words that mean something to the target
  readonly maxBytes: number;
}

const TELLING_BYTES = [
  0, 9, 10, 13, 27, 32, 34, 39, 44, 45, 46, 58, 60, 62, 64, 91, 92, 93, 123, 125, 127, 128, 155, 255,
];
const TELLING_NUMBERS = [
  "0",
  "-1",
  "00",
  "1e9",
  "255",
  "256",
  "65536",
  "4294967296",
  "9007199254740993",
  "9".repeat(40),
];

type Change = (bytes: Buffer, random: Random, material: Material) => Buffer;

const CHANGES: readonly Change[] = [
  function flipBit(bytes, random) {
    const at = random.below(bytes.length);
    return replaced(bytes, at, 1, Buffer.from([(bytes[at] ?? 0) ^ (1 << random.below(8))]));
  },
  function setByte(bytes, random) {
    return replaced(bytes, random.below(bytes.length), 1, Buffer.from([random.pick(TELLING_BYTES)]));
  },
  function insertWord(bytes, random, { dictionary }) {
    const word = Buffer.from(random.pick(dictionary), "latin1");
    return replaced(bytes, random.below(bytes.length + 1), random.chance(0.5) ? word.length : 0, word);
  },
  function insertBytes(bytes, random) {
    const some = Buffer.from(Array.from({ length: random.length(16) }, () => random.below(256)));
    return replaced(bytes, random.below(bytes.length + 1), 0, some);
  },
  function remove(bytes, random) {
    return replaced(bytes, random.below(bytes.length), random.length(bytes.length), Buffer.alloc(0));
  },
  function cutShort(bytes, random) {
    return bytes.subarray(0, random.below(bytes.length + 1));
  },
  function repeat(bytes, random, { maxBytes }) {
    const at = random.below(bytes.length);
    const piece = bytes.subarray(at, at + random.length(random.chance(0.7) ? 4 : 200));
    const room = Math.max(1, Math.floor((maxBytes - bytes.length) / Math.max(1, piece.length)));
    return replaced(bytes, at, 0, Buffer.concat(Array(random.length(Math.min(room, 20_000))).fill(piece)));
  },
  function splice(bytes, random, { seeds }) {
    const other = random.pick(seeds);
    const from = random.below(other.length + 1);
    const piece = other.subarray(from, from + random.length(other.length));
    return replaced(bytes, random.below(bytes.length + 1), random.chance(0.5) ? piece.length : 0, piece);
  },
  function changeNumber(bytes, random) {
    const numbers = [...bytes.toString("latin1").matchAll(/\d+/g)];
    if (numbers.length === 0) return bytes;
    const { index, 0: digits } = random.pick(numbers);
    return replaced(bytes, index, digits.length, Buffer.from(random.pick(TELLING_NUMBERS)));
  },
  function moveLine(bytes, random) {
    const lines = bytes.toString("latin1").split("\n");
    const [line = ""] = random.chance(0.5) ? lines.splice(random.below(lines.length), 1) : [random.pick(lines)]; // the second time it is there twice
    lines.splice(random.below(lines.length + 1), 0, line);
    return Buffer.from(lines.join("\n"), "latin1");
  },
];

/** The bytes, changed in a few ways. */
export function mutate(bytes: Buffer, random: Random, material: Material): Buffer {
  let changed = bytes;
  for (let count = random.length(6); count > 0; count--) {
    const change = random.pick(CHANGES);
    changed = change(changed.length === 0 ? random.pick(material.seeds) : changed, random, material);
  }
  return changed.subarray(0, material.maxBytes);
}

/** The bytes in pieces of any size, as a network may deliver them. */
export function inPieces(bytes: Buffer, random: Random): Buffer[] {
  const pieces: Buffer[] = [];
  const most = random.pick([1 << 20, 1 << 20, 200, 7]);
  for (let at = 0; at < bytes.length && pieces.length < 200; ) {
    const size = pieces.length === 199 ? bytes.length : 1 + random.below(most);
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

function replaced(bytes: Buffer, at: number, count: number, by: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), by, bytes.subarray(at + count)]);
}
