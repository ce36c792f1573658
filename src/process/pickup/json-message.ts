/**
 * A dropped JSON file in MailerQ's form: `envelope` (the sender; absent means <>), `recipient` or `recipients`, `mime`
 * (the message), `dsn`, and `retries`, `maxattempts`, `maxdelivertime`, `nextattempt`. Other properties are passed over;
 * those that we know must be of the right type.
 */
import { type RetryWish, readRetryWish } from "../../mail/retry-wish.ts";
import { type Addressing, addressing, type Written } from "./addressing.ts";
import type { DsnWords } from "./dsn-wish.ts";
import { parseBounded } from "./json-bounds.ts";
import { isRefusal, type Refusal, refuse } from "./refusal.ts";

export interface JsonMessage {
  readonly addressing: Addressing;
  readonly mime: string;
  readonly retry: RetryWish;
}

export function parseJsonMessage(bytes: Buffer, origin: string): JsonMessage | Refusal {
  const parsed = parseBounded(bytes);
  if (isRefusal(parsed)) return parsed;
  const { value } = parsed;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return refuse("is JSON, but no object");
  const given = new Map<string, unknown>(Object.entries(value));

  const envelope = given.get("envelope") ?? "";
  if (typeof envelope !== "string") return refuse("envelope is no string");
  const recipients = readRecipients(given);
  if (isRefusal(recipients)) return recipients;
  const mime = given.get("mime");
  if (mime === undefined && given.has("key")) return refuse("has a key and no mime: there is no message store");
  if (mime === undefined) return refuse("has no mime");
  if (typeof mime === "object" && mime !== null) return refuse("mime is an object: responsive email is not supported");
  if (typeof mime !== "string") return refuse("mime is no string");
  if (!mime.isWellFormed()) return refuse("mime is no Unicode text: half of a surrogate pair");
  const dsn = readDsn(given.get("dsn"));
  if (isRefusal(dsn)) return dsn;
  const retry = readRetryWish(given);
  if (typeof retry === "string") return refuse(retry);

  const result = addressing({ address: envelope, where: "envelope" }, recipients, dsn, origin);
  return isRefusal(result) ? result : { addressing: result, mime, retry };
}

function readRecipients(given: ReadonlyMap<string, unknown>): Written[] | Refusal {
  const one = given.get("recipient");
  const many = given.get("recipients");
  if (one !== undefined && many !== undefined) return refuse("has both recipient and recipients");
  if (one === undefined && many === undefined) return refuse("has no recipient");
  if (many === undefined) {
    return typeof one === "string" ? [{ address: one, where: "recipient" }] : refuse("recipient is no string");
  }
  if (!Array.isArray(many)) return refuse("recipients is no array");
  if (many.length === 0) return refuse("recipients is empty");
  const found: Written[] = [];
  for (const address of many as unknown[]) {
    if (typeof address !== "string") return refuse(`recipients[${found.length}] is no string`);
    found.push({ address, where: `recipients[${found.length}]` });
  }
  return found;
}

function readDsn(value: unknown): DsnWords | Refusal {
  if (value === undefined || value === null) return {};
  if (typeof value !== "object" || Array.isArray(value)) return refuse("dsn is no object");
  const given = new Map(Object.entries(value));
  const words: Record<string, string> = {};
  for (const name of ["notify", "ret", "envid", "orcpt"]) {
    const word: unknown = given.get(name);
    if (word === undefined || word === null) continue;
    if (typeof word !== "string") return refuse(`dsn.${name} is no string`);
    words[name] = word;
  }
  return words;
}
