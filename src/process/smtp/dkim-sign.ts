/**
 * DKIM-Signature fields (RFC 6376, RFC 8463), relaxed/relaxed, over the message exactly as it goes out. Our own, for
 * the libraries at hand either hold the message in memory or cannot sign for the absence of a field.
 */
import { createHash, type KeyObject, sign } from "node:crypto";
import { splitHeader } from "../../mail/header.ts";

export interface Signer {
  readonly domain: string; // d=
  readonly selector: string; // s=
  readonly key: KeyObject; // private, rsa or ed25519
}

/** Signed also as absent, so that nobody can add one (RFC 6376 8.15). */
const ALWAYS = ["from", "to", "cc", "subject", "reply-to", "in-reply-to", "references"];
/** Signed, and no more of them may be added, if there is one. */
const IF_PRESENT = [
  "sender",
  "date",
  "message-id",
  "mime-version",
  "content-type",
  "content-transfer-encoding",
  "content-id",
  "content-description",
];
/** Signed if there; others on the way may rightly add more. */
const MAY_GROW = [
  "resent-date",
  "resent-from",
  "resent-sender",
  "resent-to",
  "resent-cc",
  "resent-message-id",
  "list-id",
  "list-help",
  "list-unsubscribe",
  "list-unsubscribe-post",
  "list-subscribe",
  "list-post",
  "list-owner",
  "list-archive",
];
const MAX_LINE = 76;

/** The fields with their CRLF, to go in front of the message. `header`: of the message; `timeMs`: since 1970. */
export async function signatures(
  header: Buffer,
  bodyHash: string,
  signers: readonly Signer[],
  timeMs: number,
): Promise<Buffer> {
  const signed = fieldsToSign(header);
  const fields = await Promise.all(signers.map((signer) => signature(signed, bodyHash, signer, timeMs)));
  return Buffer.from(fields.join(""), "latin1");
}

interface SignedFields {
  readonly names: readonly string[]; // h=
  readonly canonical: string;
}

async function signature(signed: SignedFields, bodyHash: string, signer: Signer, timeMs: number): Promise<string> {
  const { domain, selector, key } = signer;
  const isRsa = key.asymmetricKeyType === "rsa";
  const tags = [
    "v=1;",
    `a=${isRsa ? "rsa" : "ed25519"}-sha256;`,
    "c=relaxed/relaxed;",
    `d=${domain};`,
    `s=${selector};`,
    `t=${Math.floor(timeMs / 1000)};`,
    ...`h=${signed.names.join(":")};`.split(/(?<=:)/), // may be folded behind each colon
    `bh=${bodyHash};`,
    "b=",
  ];
  const unsigned = fold("DKIM-Signature:", tags);
  const input = Buffer.from(signed.canonical + canonicalField(unsigned), "latin1");
  // RFC 8463 3: Ed25519 signs the SHA-256 of what RSA would sign.
  const value = isRsa
    ? await signInPool("sha256", input, key)
    : await signInPool(null, createHash("sha256").update(input).digest(), key);
  const lines = `b=${value.toString("base64")}`.match(/.{1,70}/g) ?? [];
  return `${fold("DKIM-Signature:", [...tags.slice(0, -1), ...lines])}\r\n`;
}

/** An RSA signature takes a millisecond. */
function signInPool(algorithm: string | null, input: Buffer, key: KeyObject): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    sign(algorithm, input, key, (error, value) => (error === null ? resolve(value) : reject(error)));
  });
}

/** Several of one name count from the bottom (RFC 6376 5.4.2). */
function fieldsToSign(header: Buffer): SignedFields {
  const { fields } = splitHeader(header);
  const names: string[] = [];
  let canonical = "";
  for (const name of [...ALWAYS, ...IF_PRESENT, ...MAY_GROW]) {
    const found = fields.filter((field) => field.name === name).reverse();
    for (const { start, end } of found) {
      names.push(name);
      canonical += `${canonicalField(header.toString("latin1", start, end))}\r\n`;
    }
    const oneMore = ALWAYS.includes(name) || (found.length > 0 && IF_PRESENT.includes(name));
    if (oneMore) names.push(name);
  }
  return { names, canonical };
}

/** RFC 6376 3.4.2, without line end. Bytes as latin1: what JavaScript trims may be half a character here. */
function canonicalField(field: string): string {
  const colon = field.indexOf(":");
  const value = field
    .slice(colon + 1)
    .replaceAll(/\r?\n/g, "")
    .replaceAll(/[ \t]+/g, " ");
  return `${field.slice(0, colon).trimEnd().toLowerCase()}:${value.replace(/^ /, "").replace(/ $/, "")}`;
}

function fold(name: string, parts: readonly string[]): string {
  let text = name;
  let column = name.length;
  for (const [index, part] of parts.entries()) {
    const glue = index > 0 && parts[index - 1]?.endsWith(":") ? "" : " "; // of h=
    if (column + glue.length + part.length > MAX_LINE) {
      text += `\r\n ${part}`;
      column = part.length + 1;
    } else {
      text += glue + part;
      column += glue.length + part.length;
    }
  }
  return text;
}
