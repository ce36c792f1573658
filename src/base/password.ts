/**
 * Passwords at rest: one `user:hash` on a line, the hash in the PHC string format,
 *
 *   alice:$scrypt$ln=14,r=8,p=5$<salt>$<key>
 *
 * scrypt with 16 MB and five rounds is as hard on a guesser as OWASP's other choices, and does not make a mail process
 * of 60 MB one of 200.
 */
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";

const LN = 14; // log2 of the cost
const R = 8; // block size
const P = 5; // parallelization
const SALT_BYTES = 16;
const KEY_BYTES = 32;

const HASH = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: what a name must not have
const NOT_IN_USER = /[\s:#\u0000-\u001f\u007f-\u009f\ufffd]/;

interface Hash {
  readonly ln: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Buffer;
  readonly key: Buffer;
}

/** A hash that no password has, as hard to compare with as a real one: for users that do not exist. */
export const NO_PASSWORD: string = format({
  ln: LN,
  r: R,
  p: P,
  salt: Buffer.alloc(SALT_BYTES),
  key: Buffer.alloc(KEY_BYTES),
});

export async function hashPassword(password: string): Promise<string> {
  const cost = { ln: LN, r: R, p: P, salt: randomBytes(SALT_BYTES) };
  return format({ ...cost, key: await derive(password, cost, KEY_BYTES) });
}

/** Takes the same time whether it holds or not. False, too, for a hash that is none. */
export async function verifyPassword(password: string, hash: string): Promise<boolean> {
  const parsed = parse(hash);
  if (parsed === undefined) return false;
  return timingSafeEqual(await derive(password, parsed, parsed.key.length), parsed.key);
}

export function isUserName(name: string): boolean {
  return name !== "" && name.length <= 255 && !NOT_IN_USER.test(name);
}

/** The users of a password file. Lines that are none, comments among them, are nothing. */
export function parsePasswords(text: string): Map<string, string> {
  const users = new Map<string, string>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0 && isUserName(line.slice(0, colon))) users.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return users;
}

function format(hash: Hash): string {
  return `$scrypt$ln=${hash.ln},r=${hash.r},p=${hash.p}$${base64(hash.salt)}$${base64(hash.key)}`;
}

function parse(text: string): Hash | undefined {
  const match = HASH.exec(text);
  if (match === null) return undefined;
  const [, ln = "", r = "", p = "", salt = "", key = ""] = match;
  const hash = { ln: Number(ln), r: Number(r), p: Number(p) };
  // Whoever can write the file could otherwise take all memory.
  if (hash.ln < 1 || hash.ln > 18 || hash.r < 1 || hash.r > 16 || hash.p < 1) return undefined;
  return { ...hash, salt: Buffer.from(salt, "base64"), key: Buffer.from(key, "base64") };
}

function derive(password: string, cost: Omit<Hash, "key">, keyBytes: number): Promise<Buffer> {
  const options = { N: 2 ** cost.ln, r: cost.r, p: cost.p, maxmem: 2 ** cost.ln * cost.r * 128 + 1024 * 1024 };
  return new Promise((resolve, reject) => {
    scrypt(password.normalize("NFC"), cost.salt, keyBytes, options, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
}

function base64(bytes: Buffer): string {
  return bytes.toString("base64").replace(/=+$/, "");
}
