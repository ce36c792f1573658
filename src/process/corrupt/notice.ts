/** What the postmaster is told of files that have come to quarantine: one mail, however many there are. */
import { isAscii } from "node:buffer";
import { clean } from "../../base/text.ts";
import { needsSmtputf8 } from "../../mail/address.ts";
import { mailDate } from "../../mail/date.ts";
import type { EnvelopeDraft } from "../../mail/envelope.ts";
import { formatField } from "../../mail/header.ts";
import { wrap } from "../../mail/wrap.ts";
import type { Reason } from "../../spool/quarantine.ts";

export interface Noticed {
  readonly name: string; // in corrupt/
  readonly reason: Reason | undefined;
}

export interface NoticeInput {
  readonly objects: readonly Noticed[];
  readonly id: string; // queue id that the notice will have
  readonly time: number; // ms
  readonly recipient: string;
  readonly hostname: string; // ours
  readonly mailName: string;
  readonly retentionMs: number; // 0: they stay
}

export interface Notice {
  readonly draft: EnvelopeDraft;
  readonly content: Buffer; // CRLF, our Received first
}

/** Beyond that the list is of no use in a mail. */
const MAX_LISTED = 50;
const DAY_MS = 86_400_000;

export function buildNotice(input: NoticeInput): Notice {
  const { objects, id, time, recipient, hostname, mailName } = input;
  const count = objects.length === 1 ? "1 file" : `${objects.length} files`;
  const subject = `Postmaster notice: ${count} in quarantine on ${hostname}`;
  const body = Buffer.from(`${textLines(input, count).join("\r\n")}\r\n`);
  const isPlain = isAscii(body);
  const messageId = `<${id}@${hostname}>`;
  const header = [
    ["Received", `by ${hostname} (${mailName}) id ${id}; ${mailDate(time)}`],
    ["Date", mailDate(time)],
    ["From", `Mail Delivery System <MAILER-DAEMON@${hostname}>`],
    ["To", recipient],
    ["Subject", subject],
    ["Auto-Submitted", "auto-generated"], // RFC 3834 5
    ["Message-ID", messageId],
    ["MIME-Version", "1.0"],
    ["Content-Type", `text/plain; charset=${isPlain ? "us-ascii" : "utf-8"}`],
    ...(isPlain ? [] : [["Content-Transfer-Encoding", "8bit"]]),
  ].map(([name = "", value = ""]) => formatField(name, value));
  return {
    content: Buffer.concat([Buffer.from(`${header.join("")}\r\n`), body]),
    draft: {
      sender: "", // nobody is to be told that nobody could be told
      recipients: [{ address: recipient }],
      origin: "corrupt",
      messageId,
      subject,
      ...(isPlain ? {} : { body: "8BITMIME" as const }),
      ...(needsSmtputf8(recipient) ? { smtputf8: true as const } : {}),
    },
  };
}

function textLines({ objects, hostname, retentionMs }: NoticeInput, count: string): string[] {
  const days = Math.round(retentionMs / DAY_MS);
  const stay = retentionMs === 0 ? "until you remove them" : `for ${days === 1 ? "1 day" : `${days} days`}`;
  const lines = [
    ...wrap(
      `This is the mail system at ${hostname}. It could not use ${count}, which ${objects.length === 1 ? "is" : "are"} kept unchanged in its quarantine (the directory corrupt/ of the spool) ${stay}.`,
    ),
    "",
  ];
  for (const { name, reason } of objects.slice(0, MAX_LISTED)) {
    lines.push(name);
    if (reason === undefined) lines.push("    reason unknown");
    else {
      lines.push(
        ...wrap(`${clean(reason.from, 100)}/${clean(reason.name, 255)}: ${clean(reason.reason, 500)}`, "    "),
      );
      lines.push(`    found by ${clean(reason.by, 40)}, ${mailDate(reason.time)}`);
    }
  }
  if (objects.length > MAX_LISTED) lines.push("", `... and ${objects.length - MAX_LISTED} more.`);
  lines.push(
    "",
    "To see them:                  sces-queue list --queue corrupt",
    "To give one another chance:   sces-queue release NAME",
    "To remove one:                sces-queue delete NAME",
    "",
    ...wrap(
      "NAME is as above. A message that can be read after all goes on its way; a file that was dropped (its name begins with f and ends in .eml or .json) goes back to the drop directory.",
    ),
  );
  return lines;
}
