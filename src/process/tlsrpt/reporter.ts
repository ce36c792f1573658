/**
 * Makes the reports of the days that are over. What went out is noted for each address, so that whoever cannot be
 * reached now is tried again at the next run, and nobody gets a day twice; after two days a day is given up. A crash
 * between sending and noting costs a second report with the same id.
 */
import { gzipSync } from "node:zlib";
import type { Log } from "../../base/log.ts";
import { clean } from "../../base/text.ts";
import type { Config } from "../../config/config.ts";
import type { Dns } from "../../dns/dns.ts";
import { isAddressError, parsePath } from "../../mail/address.ts";
import type { Envelope } from "../../mail/envelope.ts";
import { type PolicyTally, reportUris, TallyBook, tlsReport } from "../../mail/tls-report.ts";
import { askHttps } from "../../service/foreign-https.ts";
import type { Intake } from "../../spool/intake.ts";
import { daysToReport, noteSent, readSent, readTallies, removeDay } from "../../spool/tls-tallies.ts";
import { reportMessage } from "./report-message.ts";

export interface ReporterOptions {
  readonly log: Log;
  readonly intake: Intake;
  readonly dns: Dns;
  now(): number; // ms
  config(): Config;
  /** A new message is durable in incoming/. */
  accepted(envelope: Envelope, offset: number, length: number): void;
  /** No more messages for now. */
  isFull(): boolean;
}

interface Report {
  readonly domain: string;
  readonly day: string;
  readonly id: string;
  readonly gzipped: Buffer;
}

const GIVEN_UP_MS = 3 * 86_400_000; // from the beginning of the day
const MOST_URIS = 5;
const UNWANTED = "-"; // for an address: nobody is to be asked again

export class Reporter {
  readonly #options: ReporterOptions;

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /** Throws SPOOL_FULL, SPOOL_IO; what is left is for the next run. */
  async run(): Promise<void> {
    const { now, config } = this.#options;
    for (const day of daysToReport(now(), config().myhostname)) {
      const isDone = await this.#reportDay(day);
      if (isDone || Date.parse(day) + GIVEN_UP_MS < now()) removeDay(day);
    }
  }

  /** Returns whether nothing is left to be tried again. */
  async #reportDay(day: string): Promise<boolean> {
    const book = new TallyBook();
    for (const tally of readTallies(day)) book.add(tally);
    const byDomain = Map.groupBy(book.all, ({ policy }) => policy.domain);
    const sent = readSent(day);
    let isDone = true;
    for (const [domain, tallies] of byDomain) {
      if (sent.has(noteOf(domain, UNWANTED))) continue;
      if (this.#options.isFull()) return false;
      const answer = await this.#options.dns.txt(`_smtp._tls.${domain}`);
      if (answer.kind === "again") isDone = false;
      const uris = answer.kind === "found" ? reportUris(answer.records).slice(0, MOST_URIS) : [];
      if (answer.kind !== "again" && uris.length === 0) noteSent(day, noteOf(domain, UNWANTED));
      for (const uri of uris.filter((one) => !sent.has(noteOf(domain, one)))) {
        const trouble = await this.#send(this.#report(domain, day, tallies), uri);
        if (trouble === undefined) noteSent(day, noteOf(domain, uri));
        else {
          isDone = false;
          this.#options.log.warn(`TLS report on ${domain} for ${day} not sent to ${clean(uri, 200)}: ${trouble}`);
        }
      }
    }
    return isDone;
  }

  #report(domain: string, day: string, tallies: readonly PolicyTally[]): Report {
    const { myhostname, tlsrpt_contact, tlsrpt_organization } = this.#options.config();
    const id = `${day}.${domain}@${myhostname}`;
    const json = tlsReport({ organization: tlsrpt_organization, contact: tlsrpt_contact, id, day }, tallies);
    return { domain, day, id, gzipped: gzipSync(json) };
  }

  /** Resolves to why it did not work. Throws SPOOL_FULL, SPOOL_IO. */
  async #send(report: Report, uri: string): Promise<string | undefined> {
    const { log, config } = this.#options;
    const { domain, day } = report;
    if (/^https:/i.test(uri)) {
      const trouble = await this.#post(uri, report.gzipped);
      if (trouble === undefined) log.info(`TLS report on ${domain} for ${day} sent to ${clean(uri, 200)}`);
      return trouble;
    }
    const to = addressIn(uri);
    const from = parsePath(config().tlsrpt_from.trim(), { smtputf8: false, defaultDomain: config().myhostname });
    if (isAddressError(from)) return `tlsrpt_from is no address: ${from.text}`;
    if (to === undefined) {
      log.warn(`TLS report on ${domain} for ${day}: no address in ${clean(uri, 200)}`);
      return undefined; // nor will there be
    }
    await this.#mail(report, from.address, to);
    return undefined;
  }

  /** RFC 8460 5.4. Resolves to why it did not work. */
  async #post(url: string, body: Buffer): Promise<string | undefined> {
    const { dns, config } = this.#options;
    const { tlsrpt_timeout: timeoutMs, smtp_mta_sts_CAfile: caFile } = config();
    const post = { type: "application/tlsrpt+gzip", body };
    const answer = await askHttps({ url, post, dns, caFile, timeoutMs });
    if ("problem" in answer) return answer.problem;
    return answer.status >= 200 && answer.status < 300 ? undefined : `status ${answer.status}`;
  }

  async #mail(report: Report, from: string, to: string): Promise<void> {
    const { log, intake, now, config, accepted } = this.#options;
    const { domain, day, id: reportId, gzipped } = report;
    const { myhostname: hostname, mail_name: mailName } = config();
    const entry = intake.open();
    const about = { queueId: entry.id, hostname, mailName, time: now() };
    const { draft, content } = reportMessage({ domain, day, reportId, gzipped, from, to, ...about });
    const envelope = await entry.commit(draft, [content]);
    log.info(`${entry.id}: TLS report on ${domain} for ${day}`);
    accepted(envelope, entry.offset, entry.length);
  }
}

function noteOf(domain: string, uri: string): string {
  return clean(`${domain} ${uri}`, 500);
}

/** The one address of a mailto: URI, without its header fields (RFC 6068). */
function addressIn(uri: string): string | undefined {
  try {
    const text = decodeURIComponent(uri.replace(/^mailto:/i, "").replace(/\?.*$/, ""));
    const parsed = parsePath(text, { smtputf8: false });
    return isAddressError(parsed) ? undefined : parsed.address;
  } catch {
    return undefined;
  }
}
