/**
 * ARC (RFC 8617): mail of others that is passed on gets a seal on what SPF, DKIM and DMARC said of it here, so that
 * those behind us need not take our changes, or our address, against it. mailauth judges the message as it came in,
 * with our resolver, and seals it as it goes out. It is loaded when the first message is to be sealed: it is large.
 *
 * A seal is a kindness and no duty: if judging fails or takes too long, the message goes without. So does one whose
 * header was made to take long: mailauth takes the square of a field's length, without a turn of the loop.
 */
import { Readable } from "node:stream";
import { messageOf, ScesError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { clean } from "../../base/text.ts";
import { keyFile } from "../../config/dkim-keys.ts";
import type { Dns } from "../../dns/dns.ts";
import type { DeliverClient } from "../../ipc/messages.ts";
import { splitHeader } from "../../mail/header.ts";
import type { Content } from "../../spool/file.ts";
import { resolverOf } from "./arc-resolver.ts";
import { KeyCache } from "./key-cache.ts";
import { behind } from "./headed.ts";

export interface ArcOptions {
  readonly domain: string; // d=; "": nothing is sealed
  readonly selector: string;
  readonly directory: string; // of keys
  readonly ownName: string; // of this mail system, for whose judgement it is
  readonly timeoutMs: number; // for all look-ups
}

export interface Origin {
  readonly client: DeliverClient;
  readonly sender: string;
}

const BLOCK_BYTES = 128 * 1024; // the header of a message that is to be sealed ends in the first
/** One field of 10 kB, or a hundred of 1 kB: 0.1 s at the most. */
const MOST_SQUARES = 1e8; // sum of the squares of the lengths of fields, in bytes
const MOST_FIELDS = 1000;
const MOST_SIGNATURES = 20; // each is a question for the DNS

export class ArcSealer {
  readonly #options: ArcOptions;
  readonly #log: Log;
  readonly #resolver: ReturnType<typeof resolverOf>;
  readonly #keys = new KeyCache();

  constructor(options: ArcOptions, dns: Dns, log: Log) {
    this.#options = options;
    this.#log = log;
    this.#resolver = resolverOf(dns);
  }

  /** Rejects with KEY_UNUSABLE, FILE_DAMAGED, SPOOL_IO. */
  async seal(original: Content, outgoing: Content, origin: Origin): Promise<Content> {
    const { directory, domain, selector } = this.#options;
    const key = this.#keys.read(keyFile(directory, domain, selector));
    const privateKey = key.export({ type: "pkcs8", format: "pem" }).toString();
    try {
      const head = await this.#set(original, outgoing, origin, privateKey);
      return head.length === 0 ? outgoing : behind(head, outgoing);
    } catch (error) {
      if (error instanceof ScesError) throw error;
      this.#log.warn(`sent without an ARC seal: ${clean(messageOf(error), 200)}`);
      return outgoing;
    }
  }

  /** The three fields of an ARC set; none where the chain is broken already (RFC 8617 5.1.1.2). */
  async #set(original: Content, outgoing: Content, origin: Origin, privateKey: string): Promise<Buffer> {
    const { authenticate, sealMessage } = await import("mailauth");
    const { domain: signingDomain, selector, ownName } = this.#options;
    if (await isLaborious(original)) throw new Error("its header is too much to be judged");
    const input = readable(original);
    const judging = authenticate(input, {
      ip: origin.client.address,
      helo: origin.client.helo,
      sender: origin.sender,
      mta: ownName,
      resolver: this.#resolver,
      disableBimi: true,
    });
    const { arc } = await this.#inTime(judging).finally(() => {
      // Given up, it must not go on reading: the file is closed soon.
      if (input instanceof Readable) input.destroy();
    });
    const cv = arc === false ? undefined : arc.status.result;
    if (arc === false || (cv !== "none" && cv !== "pass")) return Buffer.alloc(0);
    const authResults = arc.authResults ?? "";
    return sealMessage(readable(outgoing), { signingDomain, selector, privateKey, authResults, cv });
  }

  async #inTime<T>(judging: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("its authentication took too long")), this.#options.timeoutMs);
    });
    try {
      return await Promise.race([judging, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

async function isLaborious(content: Content): Promise<boolean> {
  const start = content.bytes ?? (await firstBlock(content));
  const { fields, ending } = splitHeader(start);
  if (ending === "cut" && start.length < content.length) return true;
  const signatures = fields.filter(({ name }) => name === "dkim-signature").length;
  if (fields.length > MOST_FIELDS || signatures > MOST_SIGNATURES) return true;
  return fields.reduce((sum, { start: from, end }) => sum + (end - from) ** 2, 0) > MOST_SQUARES;
}

async function firstBlock(content: Content): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of content.chunks(BLOCK_BYTES)) {
    pieces.push(piece);
    length += piece.length;
    if (length >= BLOCK_BYTES) break;
  }
  return Buffer.concat(pieces);
}

function readable({ bytes, chunks }: Content): Readable | Buffer {
  return bytes ?? Readable.from(chunks(BLOCK_BYTES), { objectMode: false });
}
