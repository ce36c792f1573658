/** A TLS report as a mail (RFC 8460 5.3). */
import { randomBytes } from "node:crypto";
import { mailDate } from "../../mail/date.ts";
import type { EnvelopeDraft } from "../../mail/envelope.ts";
import { formatField } from "../../mail/header.ts";

export interface ReportMail {
  readonly domain: string; // that it is about
  readonly day: string; // YYYY-MM-DD, UTC
  readonly reportId: string;
  readonly gzipped: Buffer; // the report
  readonly from: string; // address
  readonly to: string; // address
  readonly queueId: string;
  readonly hostname: string; // ours
  readonly mailName: string;
  readonly time: number; // ms since 1970
}

const LINE = 76; // RFC 2045 6.8
const DAY_S = 86_400;

/** Content with CRLF, our Received first. */
export function reportMessage(mail: ReportMail): { readonly draft: EnvelopeDraft; readonly content: Buffer } {
  const { domain, day, reportId, gzipped, from, to, queueId, hostname, mailName, time } = mail;
  const subject = `Report Domain: ${domain} Submitter: ${hostname} Report-ID: <${reportId}>`;
  const messageId = `<${queueId}@${hostname}>`;
  const boundary = `${queueId}/${randomBytes(16).toString("hex")}`;
  const start = Date.parse(day) / 1000;
  const file = `${hostname}!${domain}!${start}!${start + DAY_S - 1}.json.gz`;
  const header = [
    ["Received", `by ${hostname} (${mailName}) id ${queueId}; ${mailDate(time)}`],
    ["Date", mailDate(time)],
    ["From", from],
    ["To", to],
    ["Subject", subject],
    ["Message-ID", messageId],
    ["Auto-Submitted", "auto-generated"], // RFC 3834 5
    ["TLS-Report-Domain", domain],
    ["TLS-Report-Submitter", hostname],
    ["TLS-Required", "No"], // RFC 8689 5: the trouble that it tells of must not keep it back
    ["MIME-Version", "1.0"],
    ["Content-Type", `multipart/report; report-type="tlsrpt"; boundary="${boundary}"`],
  ].map(([name = "", value = ""]) => formatField(name, value));
  const parts = [
    `--${boundary}`,
    'Content-Type: text/plain; charset="us-ascii"',
    "",
    `This is a report of how TLS between ${hostname} and the mail hosts of`,
    `${domain} went on ${day} (UTC). RFC 8460 says how it is read.`,
    `--${boundary}`,
    "Content-Type: application/tlsrpt+gzip",
    "Content-Transfer-Encoding: base64",
    `Content-Disposition: attachment; filename="${file}"`,
    "",
    ...(gzipped.toString("base64").match(new RegExp(`.{1,${LINE}}`, "g")) ?? []),
    `--${boundary}--`,
    "",
  ];
  return {
    content: Buffer.from(`${header.join("")}\r\n${parts.join("\r\n")}`),
    draft: {
      sender: from,
      // RFC 8460 5.6: nobody here waits for it.
      recipients: [{ address: to, notify: ["NEVER"] }],
      origin: "tlsrpt",
      tlsOptional: true,
      messageId,
      subject,
    },
  };
}
