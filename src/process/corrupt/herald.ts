/**
 * Tells the postmaster what has come to quarantine. A burst of broken files makes one mail: the first is waited for
 * until nothing more comes, and then there is no other mail for a while. Only a reason that is marked was told of; a
 * crash in between costs a second notice.
 */
import { closeSync, lstatSync, openSync, utimesSync } from "node:fs";
import type { Log } from "../../base/log.ts";
import type { Config } from "../../config/config.ts";
import { isAddressError, parsePath } from "../../mail/address.ts";
import type { Envelope } from "../../mail/envelope.ts";
import type { Intake } from "../../spool/intake.ts";
import { readReason } from "../../spool/quarantine.ts";
import { STATE } from "../../spool/queues.ts";
import { markTold } from "../../spool/told.ts";
import type { News } from "./kept.ts";
import { buildNotice } from "./notice.ts";

/** Its mtime is when the last notice went out. */
const LAST_FILE = `${STATE}/corrupt-notice`;

export interface Pace {
  readonly quietMs: number; // so long nothing more must have come
  readonly patienceMs: number; // after which it is told of all the same
  readonly intervalMs: number; // between two notices
}

export const PACE: Pace = { quietMs: 3000, patienceMs: 30_000, intervalMs: 600_000 };

export interface HeraldOptions {
  readonly log: Log;
  readonly intake: Intake;
  readonly pace?: Pace;
  now(): number; // ms
  config(): Config;
  /** A new message is durable in incoming/. */
  accepted(envelope: Envelope, offset: number, length: number): void;
}

export class Herald {
  readonly #options: HeraldOptions;
  readonly #pace: Pace;
  #hasComplained = false;

  constructor(options: HeraldOptions) {
    this.#options = options;
    this.#pace = options.pace ?? PACE;
  }

  /** Tells of the news, oldest first, if it is time. Resolves with the ms until it is. Throws SPOOL_FULL, SPOOL_IO. */
  async tell(news: readonly News[]): Promise<number> {
    const recipient = this.#recipient();
    const waitMs = this.#waitMs(news);
    if (recipient === undefined || waitMs > 0) return recipient === undefined ? Number.POSITIVE_INFINITY : waitMs;
    const { log, intake, now, config } = this.#options;
    const { myhostname, mail_name, corrupt_retention_time } = config();
    const entry = intake.open();
    const { draft, content } = buildNotice({
      objects: news.map(({ name }) => ({ name, reason: readReason(name) })),
      id: entry.id,
      time: now(),
      recipient,
      hostname: myhostname,
      mailName: mail_name,
      retentionMs: corrupt_retention_time,
    });
    const envelope = await entry.commit(draft, [content]);
    for (const { name } of news) markTold(name);
    this.#noteTime();
    log.info(`${entry.id}: postmaster notice of ${news.length} in quarantine`);
    this.#options.accepted(envelope, entry.offset, entry.length);
    return Number.POSITIVE_INFINITY;
  }

  /** Undefined if nobody wants to be told. */
  #recipient(): string | undefined {
    const { notify_classes, error_notice_recipient, myhostname } = this.#options.config();
    if (!notify_classes.includes("software")) return undefined;
    const parsed = parsePath(error_notice_recipient.trim(), { smtputf8: true, defaultDomain: myhostname });
    if (!isAddressError(parsed)) return parsed.address;
    if (!this.#hasComplained) this.#options.log.warn(`error_notice_recipient: ${parsed.text}; nobody is told`);
    this.#hasComplained = true;
    return undefined;
  }

  #waitMs(news: readonly News[]): number {
    const [first, last] = [news[0], news[news.length - 1]];
    if (first === undefined || last === undefined) return Number.POSITIVE_INFINITY;
    const now = this.#options.now();
    const { quietMs, patienceMs, intervalMs } = this.#pace;
    const quiet = Math.min(last.since + quietMs, first.since + patienceMs) - now;
    const lastNotice = lstatSync(LAST_FILE, { throwIfNoEntry: false })?.mtimeMs ?? Number.NEGATIVE_INFINITY;
    // A time that is still to come is that of a clock that was set back since.
    const rest = lastNotice > now ? 0 : lastNotice + intervalMs - now;
    return Math.min(Math.max(quiet, rest), patienceMs + intervalMs);
  }

  #noteTime(): void {
    closeSync(openSync(LAST_FILE, "a", 0o600));
    const now = this.#options.now() / 1000;
    utimesSync(LAST_FILE, now, now);
  }
}
