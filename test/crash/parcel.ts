/**
 * The messages of the crash run. Each has a token, and each recipient's local part says how the destination will
 * treat it and repeats the token, so that every delivery and every report can be laid beside what was promised.
 */
import { createHash } from "node:crypto";
import type { Random } from "../harness/random.ts";

/** What the destination does with a recipient; the destination heals at the end, so only `hard` fails for good. */
export const TREATMENTS = {
  ok: 0.62, // 250
  soft: 0.12, // 450 to RCPT TO twice, then 250
  hard: 0.1, // 550
  slow: 0.08, // 250, late
  late: 0.05, // 451 to the content once, then 250
  lost: 0.03, // connection closed instead of a reply to the content, once
} as const;
export type Treatment = keyof typeof TREATMENTS;

export interface Parcel {
  readonly token: string;
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly content: Buffer; // CRLF, not dot-stuffed
  readonly digest: string; // of the content from the token's line on
}

const TOKEN_FIELD = "X-Crash-Token: ";
const LINES = [
  "The quick brown fox jumps over the lazy dog, and the dog does not mind.",
  ".a line that begins with a dot",
  "..",
  ".",
  "From here on nothing is said that has not been said before.",
  "",
];

/** What is not left to chance. */
export interface ParcelWish {
  readonly recipients?: readonly { readonly treatment: Treatment; readonly domain: string }[];
  readonly sender?: string; // local part, before the token
  readonly bytes?: number; // about so many
}

export function makeParcel(random: Random, number: number, wish: ParcelWish = {}): Parcel {
  const token = `t${random.seed.toString(36)}x${number.toString(36)}`;
  const recipients = (wish.recipients ?? chosenRecipients(random)).map(({ treatment, domain }, index) => {
    return `${treatment}.${token}.${index}@${domain}`;
  });
  const size = wish.bytes ?? chosenSize(random);
  const sender = `${wish.sender ?? "sender"}.${token}@origin.test`;
  const lines = [
    `${TOKEN_FIELD}${token}`,
    `From: <${sender}>`,
    "To: undisclosed-recipients:;",
    `Subject: parcel ${number}`,
    "Date: Sun, 22 Nov 2026 12:00:00 +0000",
    `Message-ID: <${token}@origin.test>`,
    "",
  ];
  for (let bytes = 0; bytes < size; bytes += (lines.at(-1) as string).length + 2) lines.push(random.pick(LINES));
  lines.push(`end of ${token}`, "");
  const content = Buffer.from(lines.join("\r\n"));
  return { token, sender, recipients, content, digest: digestOf(content) };
}

/** Everybody at d9.test is written to under an alias; whoever sends so sets `ALIASES`. */
export function writtenAs(recipient: string): string {
  return recipient.replace(/@d9\.test$/, "@alias.test");
}

export const ALIASES = { virtual_alias_maps: "inline:{@alias.test=@d9.test}" } as const;

export function treatmentOf(recipient: string): Treatment | undefined {
  const word = recipient.slice(0, recipient.indexOf("."));
  return word in TREATMENTS ? (word as Treatment) : undefined;
}

/** The token in an address of ours, a sender's or a recipient's. */
export function tokenOf(address: string): string | undefined {
  return /^[a-z]+\.(t[0-9a-z]+)[.@]/.exec(address)?.[1];
}

/** Token and digest of a message as it arrived: what stands before the token's line is not the sender's. */
export function recognize(content: Buffer): { readonly token: string; readonly digest: string } | undefined {
  const start = content.indexOf(TOKEN_FIELD);
  if (start < 0) return undefined;
  const end = content.indexOf("\r\n", start);
  const token = content.toString("latin1", start + TOKEN_FIELD.length, end);
  return { token, digest: digestOf(content.subarray(start)) };
}

/** No JSON that anybody could read. */
export function rubbish(token: string): Buffer {
  return Buffer.from(`{"envelope": rubbish ${token}\n`);
}

/** The token, if this is whole rubbish of ours. */
export function rubbishToken(content: Buffer): string | undefined {
  const token = /rubbish (t[0-9a-z]+)/.exec(content.toString("latin1", 0, 200))?.[1];
  return token && content.equals(rubbish(token)) ? token : undefined;
}

function digestOf(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

function chosenRecipients(random: Random): NonNullable<ParcelWish["recipients"]> {
  const count = random.chance(0.6) ? 1 : random.between(2, 6);
  return Array.from({ length: count }, () => {
    return { treatment: chosenTreatment(random), domain: `d${random.between(1, 9)}.test` };
  });
}

function chosenSize(random: Random): number {
  if (random.chance(0.02)) return random.between(200_000, 900_000);
  return random.between(200, random.chance(0.1) ? 60_000 : 5_000);
}

function chosenTreatment(random: Random): Treatment {
  let rest = random.next();
  for (const [treatment, share] of Object.entries(TREATMENTS)) {
    rest -= share;
    if (rest < 0) return treatment as Treatment;
  }
  return "ok";
}
