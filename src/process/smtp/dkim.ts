/**
 * Signs a message as it goes out: behind every conversion, for what a verifier sees is what the signature must be of.
 * A large message is read once more beforehand, since the signature stands in front of it.
 */
import { canonicalDomain } from "../../mail/domain.ts";
import { domainOf } from "../../mail/address.ts";
import { parseAddressList } from "../../mail/address-list.ts";
import { findField, splitHeader } from "../../mail/header.ts";
import type { Content } from "../../spool/file.ts";
import { RelaxedBodyHash } from "./dkim-body.ts";
import type { DkimKeys } from "./dkim-keys.ts";
import { type Signer, signatures } from "./dkim-sign.ts";
import { behind } from "./headed.ts";

const BLOCK_BYTES = 128 * 1024;
const MAX_HEADER = 1024 * 1024; // one that does not end before is not signed
const END = Buffer.from("\r\n\r\n");

/** The content with signatures in front; itself where nobody is to sign. Rejects with KEY_UNUSABLE and the like. */
export async function signed(content: Content, keys: DkimKeys): Promise<Content> {
  const hash = new RelaxedBodyHash();
  let header = Buffer.alloc(0);
  let bodyStart = -1;
  let signers: readonly Signer[] = [];
  for await (const chunk of piecesOf(content)) {
    if (bodyStart >= 0) {
      hash.push(chunk);
      continue;
    }
    const from = Math.max(0, header.length - END.length);
    header = Buffer.concat([header, chunk]);
    bodyStart = endOfHeader(header, from);
    if (bodyStart < 0 && header.length > MAX_HEADER) return content;
    if (bodyStart < 0) continue;
    hash.push(header.subarray(bodyStart));
    header = header.subarray(0, bodyStart);
    signers = signersFor(header, keys);
    if (signers.length === 0) return content;
  }
  if (bodyStart < 0) signers = signersFor(header, keys);
  if (signers.length === 0) return content;
  return behind(await signatures(header, hash.digest(), signers, Date.now()), content);
}

/** By the domain of the author, which is what DMARC looks at (RFC 7489 3.1). */
function signersFor(header: Buffer, keys: DkimKeys): Signer[] {
  const from = findField(splitHeader(header), "from");
  const author = from === undefined ? undefined : parseAddressList(from.value).mailboxes[0];
  const domain = author === undefined ? undefined : canonicalDomain(domainOf(author.address));
  return domain === undefined ? [] : keys.signersOf(domain);
}

function endOfHeader(bytes: Buffer, from: number): number {
  if (bytes[0] === 13 && bytes[1] === 10) return 2; // there is none
  const at = bytes.indexOf(END, from);
  return at < 0 ? -1 : at + END.length;
}

function piecesOf({ bytes, chunks }: Content): Iterable<Buffer> | AsyncIterable<Buffer> {
  return bytes === undefined ? chunks(BLOCK_BYTES, true) : [bytes];
}
