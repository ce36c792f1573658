/** Deliveries without the processes around them: the SMTP client alone against a destination server. */
import { memoryLog } from "../../src/base/log.ts";
import { testConfig } from "../../src/config/load.ts";
import type { Deliver, DeliverRecipient, RemoteFault } from "../../src/ipc/messages.ts";
import type { Attempt } from "../../src/mail/attempt.ts";
import type { TranscriptRecord } from "../../src/mail/transcript.ts";
import { createDeliverer, type Deliverer, type DelivererOptions } from "../../src/process/smtp/deliverer.ts";
import type { Content } from "../../src/spool/file.ts";

export interface Letter {
  readonly to?: readonly (string | Partial<DeliverRecipient>)[]; // default: one, at the next hop if it is a domain
  readonly text?: string | Buffer; // the content; default: a short one
  readonly content?: Content; // instead of `text`
  readonly envelope?: Partial<Deliver>;
  readonly signal?: AbortSignal;
}

export interface Result {
  readonly attempts: readonly Attempt[];
  readonly fault: string | undefined;
  readonly remoteFaults: readonly RemoteFault[];
  readonly damaged: string | undefined;
  readonly transcript: TranscriptRecord | undefined;
  readonly dots: number; // how often the final dot was announced
}

export interface Agent extends AsyncDisposable {
  readonly log: { readonly lines: string[] };
  readonly deliverer: Deliverer;
  /** Delivers one message and tells what became of it. */
  send(nexthop: string, letter?: Letter): Promise<Result>;
}

export const SHORT_TEXT = "Subject: test\r\n\r\nHello.\r\n";

/** The client with these settings in main.cf. */
export function agent(
  settings: Readonly<Record<string, string>> = {},
  more: Pick<DelivererOptions, "stsDirectory" | "countTls"> = {},
): Agent {
  const log = memoryLog();
  const letters = new Map<number, Letter>();
  const deliverer = createDeliverer({
    config: testConfig({ myhostname: "sces.test", smtp_dns_timeout: "2s", inet_protocols: "ipv4", ...settings }),
    log,
    ...more,
    openContent: ({ job }) => {
      const { content, text = SHORT_TEXT } = letters.get(job) ?? {};
      return content ?? contentOf(text);
    },
  });
  let job = 0;
  return {
    log,
    deliverer,
    async send(nexthop, letter = {}) {
      letters.set(++job, letter);
      let dots = 0;
      const hooks = {
        pastFinalDot() {
          dots++;
        },
      };
      const delivery = deliveryOf(job, nexthop, letter);
      const done = await deliverer.deliver(delivery, hooks, letter.signal ?? new AbortController().signal);
      letters.delete(delivery.job);
      const { results: attempts, fault, remoteFaults = [], damaged, transcript } = done;
      return { attempts, fault, remoteFaults, damaged, transcript, dots };
    },
    async [Symbol.asyncDispose]() {
      deliverer.stop();
    },
  };
}

/** Content that is in memory at once. */
export function contentOf(text: string | Buffer): Content {
  const bytes = Buffer.from(text as string);
  return { length: bytes.length, bytes, chunks: () => piecesOf(bytes, [bytes.length]), close() {} };
}

/** Content that comes in pieces of these sizes, the last of them again and again. */
export function streamed(text: string | Buffer, sizes: readonly number[], length?: number): Content {
  const bytes = Buffer.from(text as string);
  return { length: length ?? bytes.length, chunks: () => piecesOf(bytes, sizes), close() {} };
}

async function* piecesOf(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer, void> {
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const size = Math.max(1, sizes[Math.min(index, sizes.length - 1)] ?? 1);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

function deliveryOf(
  job: number,
  nexthop: string,
  {
    to = [/^[a-z]+\.[a-z]+$/.test(nexthop) ? `bob@${nexthop}` : "bob@example.org"],
    envelope = {},
    text,
    content,
  }: Letter,
): Deliver {
  const now = Date.now();
  return {
    type: "deliver",
    job,
    id: "4jXCKj2RJyz7k",
    transport: "smtp",
    nexthop,
    sender: "alice@example.com",
    recipients: to.map((one, index) => ({
      index,
      attempt: 1,
      ...(typeof one === "string" ? { address: one } : { address: "bob@example.org", ...one }),
    })),
    offset: 0,
    length: content?.length ?? Buffer.byteLength(text ?? SHORT_TEXT),
    arrival: now,
    queued: now,
    ...envelope,
  };
}
