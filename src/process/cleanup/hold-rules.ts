/** Hold rules of main.cf: which new messages wait for an administrator, and why. */
import { readContentStart } from "../../spool/file.ts";
import { queuePath } from "../../spool/queues.ts";
import type { Config } from "../../config/config.ts";
import { MOST_TEXT } from "../../config/expression.ts";
import type { Envelope } from "../../mail/envelope.ts";
import { splitHeader } from "../../mail/header.ts";

export interface HoldMatch {
  readonly about: string; // what matched, in Postfix's words: "header Subject: x", "sender <a@b>"
  readonly reason: string; // the rule's own words, or "" if it has none
}

/** What smtpd was told, else the first rule that a message in incoming/ matches, client first, header last. */
export function matchHoldRules(config: Config, envelope: Envelope): HoldMatch | undefined {
  const { client, sender, recipients } = envelope;
  if (envelope.hold !== undefined) return { about: "access table", reason: envelope.hold };
  if (client !== undefined) {
    for (const rule of config.hold_client_checks) {
      if (rule.matches(client.address) || rule.matches(client.name)) {
        return { about: `client ${client.name}[${client.address}]`, reason: rule.reason };
      }
    }
  }
  for (const rule of config.hold_sender_checks) {
    if (rule.matches(sender)) return { about: `sender <${sender}>`, reason: rule.reason };
  }
  for (const rule of config.hold_recipient_checks) {
    const match = recipients.find((recipient) => rule.matches(recipient.address));
    if (match !== undefined) return { about: `recipient <${match.address}>`, reason: rule.reason };
  }
  return config.hold_header_checks.length > 0 ? matchHeader(config, envelope.id) : undefined;
}

function matchHeader(config: Config, id: string): HoldMatch | undefined {
  for (const line of headerLines(config, id)) {
    const rule = config.hold_header_checks.find((one) => one.matches(line));
    if (rule !== undefined) return { about: `header ${line}`, reason: rule.reason };
  }
  return undefined;
}

function headerLines(config: Config, id: string): string[] {
  const limit = config.header_size_limit;
  const header = splitHeader(readContentStart(queuePath("incoming", id), limit), limit);
  return header.fields.map((field) => `${field.writtenName}: ${field.value}`.slice(0, MOST_TEXT));
}
