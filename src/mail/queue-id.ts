/**
 * Queue ids in Postfix's long form: seconds in base 52 (at least 6 digits), microseconds in base 52 (exactly 4), `z`,
 * inode in base 51. They sort by time and are not used twice: an inode is unique while its file lives.
 */
const ALPHABET = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
// `z` is a digit of base 52 and not of base 51: the last one divides.
const QUEUE_ID = /^[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,20}z[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-y]{1,16}$/;

/** Whether the text has the form of a queue id. Asked before any such text is joined to a path. */
export function isQueueId(text: string): boolean {
  return text.length <= 40 && QUEUE_ID.test(text);
}

function encode(value: number | bigint, base: number, minimum: number): string {
  let rest = BigInt(value);
  let text = "";
  do {
    text = ALPHABET.charAt(Number(rest % BigInt(base))) + text;
    rest /= BigInt(base);
  } while (rest > 0n);
  return text.padStart(minimum, "0");
}

function encodeNumber(value: number, base: number, minimum: number): string {
  let rest = value;
  let text = "";
  do {
    const quotient = Math.floor(rest / base);
    text = ALPHABET.charAt(rest - quotient * base) + text;
    rest = quotient;
  } while (rest > 0);
  return text.length >= minimum ? text : text.padStart(minimum, "0");
}

let secondsText = "";
let secondsValue = -1;

/** seconds: since 1970, whole; micros: 0..999999; inode: of the file. */
export function makeQueueId(seconds: number, micros: number, inode: number | bigint): string {
  if (seconds !== secondsValue) {
    secondsValue = seconds;
    secondsText = encodeNumber(seconds, 52, 6);
  }
  const tail =
    typeof inode === "number" && Number.isSafeInteger(inode) ? encodeNumber(inode, 51, 1) : encode(inode, 51, 1);
  return `${secondsText}${encodeNumber(micros, 52, 4)}z${tail}`;
}

/** When the message was accepted, ms since 1970, as its id tells; undefined if it is none. For millions of them. */
export function arrivalOf(id: string): number | undefined {
  if (!isQueueId(id)) return undefined;
  const cut = id.lastIndexOf("z") - 4;
  let seconds = 0;
  for (let at = 0; at < cut; at += 1) seconds = seconds * 52 + ALPHABET.indexOf(id.charAt(at));
  let micros = 0;
  for (let at = cut; at < cut + 4; at += 1) micros = micros * 52 + ALPHABET.indexOf(id.charAt(at));
  return micros > 999_999 ? undefined : seconds * 1000 + Math.floor(micros / 1000);
}

export interface DecodedQueueId {
  readonly seconds: number;
  readonly micros: number;
  readonly inode: bigint;
}

/** The parts of an id, or undefined if it is none. */
export function decodeQueueId(id: string): DecodedQueueId | undefined {
  if (!isQueueId(id)) return undefined;
  const cut = id.lastIndexOf("z");
  const decode = (text: string, base: bigint) => {
    let value = 0n;
    for (const char of text) value = value * base + BigInt(ALPHABET.indexOf(char));
    return value;
  };
  const micros = Number(decode(id.slice(cut - 4, cut), 52n));
  if (micros > 999_999) return undefined;
  return { seconds: Number(decode(id.slice(0, cut - 4), 52n)), micros, inode: decode(id.slice(cut + 1), 51n) };
}
