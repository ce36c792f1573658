/** MAIL and RCPT with the parameters that the server knows, and what cannot be said to it at all. */
import type { DeliverRecipient } from "../../ipc/messages.ts";
import type { Content } from "../../spool/file.ts";
import type { Features } from "./features.ts";
import type { Session } from "./session.ts";
import { ownVerdict, type Verdict } from "./verdict.ts";

export interface Mail {
  readonly sender: string;
  readonly recipients: readonly DeliverRecipient[];
  readonly ret?: "FULL" | "HDRS";
  readonly envid?: string;
  readonly smtputf8?: true;
  readonly body?: "8BITMIME";
  readonly content: Content;
  readonly hasUtf8Header?: true; // and the server takes none
  readonly unconvertible?: string; // why it cannot be made 7-bit, as the server needs it
}

const NON_ASCII = /[\u0080-\uffff]/;
const CONTROL = /[^ -~\u0080-\uffff]/;

export function mailCommand(mail: Mail, features: Features): string {
  let line = `MAIL FROM:<${mail.sender}>`;
  if (features.sizeLimit !== undefined) line += ` SIZE=${mail.content.length}`; // RFC 1870
  if (features.eightBitMime && mail.body === "8BITMIME") line += " BODY=8BITMIME"; // RFC 6152
  if (features.smtputf8 && needsUtf8(mail)) line += " SMTPUTF8"; // RFC 6531
  if (features.dsn) {
    if (mail.ret !== undefined) line += ` RET=${mail.ret}`; // RFC 3461 4.3
    if (mail.envid !== undefined) line += ` ENVID=${xtext(mail.envid)}`;
  }
  return `${line}\r\n`;
}

export function rcptCommand(recipient: DeliverRecipient, features: Features): string {
  let line = `RCPT TO:<${recipient.address}>`;
  if (features.dsn) {
    if (recipient.notify !== undefined && recipient.notify.length > 0) line += ` NOTIFY=${recipient.notify.join(",")}`;
    const orcpt = recipient.orcpt === undefined ? undefined : originalRecipient(recipient.orcpt);
    if (orcpt !== undefined) line += ` ORCPT=${orcpt}`;
  }
  return `${line}\r\n`;
}

/** Why this recipient cannot be named to this server with this message; undefined if it can. */
export function unsendable(mail: Mail, recipient: DeliverRecipient, session: Session): Verdict | undefined {
  const { features, peer } = session;
  const { length } = mail.content;
  if (features.sizeLimit !== undefined && features.sizeLimit > 0 && length > features.sizeLimit) {
    const text = `message size ${length} exceeds size limit ${features.sizeLimit} of server ${peer}`;
    return ownVerdict("bounced", "error", "5.3.4", text, "mail");
  }
  // Not to happen; but a line break in an address would be a command of the sender's choice.
  if (CONTROL.test(recipient.address) || CONTROL.test(mail.sender)) {
    return ownVerdict("bounced", "error", "5.1.3", "control character in an address", "mail");
  }
  const hasUtf8Address = NON_ASCII.test(mail.sender) || NON_ASCII.test(recipient.address);
  if (mail.hasUtf8Header || (hasUtf8Address && !features.smtputf8)) {
    return ownVerdict("bounced", "error", "5.6.7", `SMTPUTF8 is required, but was not offered by host ${peer}`, "mail");
  }
  if (mail.unconvertible !== undefined) {
    const text = `8BITMIME is required, but was not offered by host ${peer}: ${mail.unconvertible} cannot be converted`;
    return ownVerdict("bounced", "error", "5.6.3", text, "mail");
  }
  return undefined;
}

/** SMTPUTF8 asked for by the sender counts only where something is not ASCII: most mail can go on without it. */
function needsUtf8(mail: Mail): boolean {
  if (NON_ASCII.test(mail.sender) || mail.recipients.some((recipient) => NON_ASCII.test(recipient.address)))
    return true;
  return mail.smtputf8 === true;
}

/** RFC 3461 4: printable ASCII but for + and =, everything else as +XX. */
export function xtext(text: string): string {
  let encoded = "";
  for (const byte of Buffer.from(text)) {
    const isPlain = byte >= 33 && byte <= 126 && byte !== 43 && byte !== 61;
    encoded += isPlain ? String.fromCharCode(byte) : `+${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}

/** `type;address`, encoded as its type wants it; undefined for what cannot be said. */
function originalRecipient(orcpt: string): string | undefined {
  const at = orcpt.indexOf(";");
  const type = orcpt.slice(0, at);
  const address = orcpt.slice(at + 1);
  if (at < 1 || !/^[A-Za-z0-9-]+$/.test(type) || CONTROL.test(address)) return undefined;
  if (!NON_ASCII.test(address)) return `${type};${xtext(address)}`;
  if (type.toLowerCase() !== "utf-8") return undefined;
  // RFC 6533 3: utf-8-addr-xtext, which goes over every connection.
  const escaped = Array.from(address, (char) => {
    const code = char.codePointAt(0) ?? 0;
    const isPlain = code >= 33 && code <= 126 && char !== "+" && char !== "=" && char !== "\\";
    return isPlain ? char : `\\x{${code.toString(16).toUpperCase().padStart(2, "0")}}`;
  });
  return `${type};${escaped.join("")}`;
}
