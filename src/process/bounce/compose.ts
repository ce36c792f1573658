/** From a message in bounce/ and the settings to the report that is owed on it. */
import { randomBytes } from "node:crypto";
import type { Config } from "../../config/config.ts";
import type { Tables } from "../../config/tables.ts";
import { isAddressError, parsePath } from "../../mail/address.ts";
import type { OwedReport } from "../../mail/owed.ts";
import { type BuiltReport, buildReport, type Original, returnsWhole } from "../../mail/report.ts";
import type { MessageState } from "../../mail/state.ts";
import { reportRules } from "../../service/report-rules.ts";
import { RetryRules } from "../../service/retry-rules.ts";
import { Timeline } from "../../service/timeline.ts";
import { openContent, type QueueFile, readContentStart } from "../../spool/file.ts";

export interface ComposeInput {
  readonly path: string; // a name of the message
  readonly file: QueueFile;
  readonly state: MessageState;
  readonly owed: OwedReport;
  readonly id: string; // that the report will have
  readonly time: number; // ms
  readonly config: Config;
  readonly tables: Tables; // of the retry profiles
}

/** The report itself. Throws FILE_GONE, FILE_DAMAGED, SPOOL_IO of the message. */
export function composeReport(input: ComposeInput): BuiltReport {
  const { file, owed, config } = input;
  const { envelope } = file;
  if (owed.to === "sender") return compose(input, envelope.sender, "", false);
  const reader = noticeAddress(config, "2bounce_notice_recipient");
  return compose(input, reader, reportRules(config).doubleBounceSender, false);
}

/** Whether notify_classes asks for a copy of this report for the postmaster. */
export function wantsCopy({ action, to }: OwedReport, config: Config): boolean {
  if (to !== "sender" || action === "delivered") return false;
  return (config.notify_classes as readonly string[]).includes(action === "delayed" ? "delay" : "bounce");
}

/** The copy for the postmaster, without the message. Throws as composeReport. */
export function composeCopy(input: ComposeInput): BuiltReport {
  const isDelay = input.owed.action === "delayed";
  const reader = noticeAddress(input.config, isDelay ? "delay_notice_recipient" : "bounce_notice_recipient");
  return compose(input, reader, reportRules(input.config).doubleBounceSender, true);
}

function compose(input: ComposeInput, reader: string, sender: string, isCopy: boolean): BuiltReport {
  const { file, state, owed, config } = input;
  const isWhole = !isCopy && returnsWhole(file.envelope, owed.action, file.length, config.bounce_size_limit);
  return buildReport({
    envelope: file.envelope,
    state,
    owed,
    original: readOriginal(input, isWhole),
    id: input.id,
    time: input.time,
    sender,
    reader,
    isCopy,
    hostname: config.myhostname,
    mailName: config.mail_name,
    contact: config.bounce_contact,
    ...(owed.action === "delayed" ? { retryUntil: lastExpiry(input) } : {}),
    boundary: () => randomBytes(16).toString("hex"),
  });
}

/** When the last of the delayed recipients will be given up. */
function lastExpiry({ file, state, owed, config, time, tables }: ComposeInput): number {
  const retry = new RetryRules(config, tables, new Timeline());
  const first = state.firstDeferred ?? time;
  return owed.recipients.reduce((latest, index) => {
    const recipient = state.recipients[index];
    return recipient === undefined ? latest : Math.max(latest, retry.expiry(file.envelope, index, recipient, first));
  }, first);
}

/** A whole message is checked against its checksum; of a header alone only as much is read as may be one. */
function readOriginal({ path, file, config }: ComposeInput, isWhole: boolean): Original {
  if (!isWhole) return { bytes: readContentStart(path, config.header_size_limit), isWhole };
  const { bytes } = openContent(path, file.length);
  if (bytes === undefined) throw new Error(`${path} grew while it was read`);
  return { bytes, isWhole };
}

type NoticeParameter = "2bounce_notice_recipient" | "bounce_notice_recipient" | "delay_notice_recipient";

function noticeAddress(config: Config, name: NoticeParameter): string {
  const parsed = parsePath(config[name], { smtputf8: true, defaultDomain: config.myorigin });
  if (isAddressError(parsed)) throw new Error(`${name} = ${config[name]}: ${parsed.text}`);
  return parsed.address;
}
