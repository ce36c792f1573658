/** The commands of SMTP: what each does, and what it may follow. Replies and their codes are Postfix's. */
import { clean } from "../../base/text.ts";
import { isAddressError, parsePath } from "../../mail/address.ts";
import { startAuth } from "./auth-command.ts";
import { parseMail } from "./mail-command.ts";
import { parseRcpt } from "./rcpt-command.ts";
import type { Session } from "./session.ts";
import type { CommandName } from "./tally.ts";
import { overHandshakes, overMessages, overRecipients } from "./rate-limits.ts";
import { askData, askHelo, askRecipient, askSender } from "./restrict/ask.ts";
import { isOurs } from "./restrict/rules.ts";
import { mayXclient, XCLIENT_OFFER, xclient } from "./xclient.ts";
import { Transaction } from "./transaction.ts";

export interface Verb {
  readonly name: CommandName;
  /**
   * `argument`: behind the verb, trimmed. `line`: all of it. No control characters, valid UTF-8. Returns the reply, or
   * undefined where it is given elsewhere.
   */
  run(session: Session, argument: string, line: string): string | undefined;
  readonly isBeforeTls?: true; // taken where TLS is required and not there yet
  readonly endsGroup?: true; // nothing may be sent behind it ahead of its reply (RFC 2920 3.1)
  readonly syntaxReply?: string; // to bytes that no command may have
}

function helo(session: Session, argument: string, line: string): string | undefined {
  if (argument === "") return `501 Syntax: ${line.slice(0, 4).toUpperCase()} hostname`;
  session.introduce(argument, false);
  return askHelo(session, "HELO", `250 ${session.settings.config.myhostname}`);
}

function ehlo(session: Session, argument: string): string | undefined {
  if (argument === "") return "501 Syntax: EHLO hostname";
  session.introduce(argument, true);
  const { config, secureContext } = session.settings;
  const lines = [
    config.myhostname,
    "PIPELINING",
    config.message_size_limit > 0 ? `SIZE ${config.message_size_limit}` : "SIZE",
    "VRFY",
    ...(secureContext !== undefined && !session.secure ? ["STARTTLS"] : []),
    ...(offersAuth(session) ? ["AUTH PLAIN LOGIN"] : []),
    ...(mayXclient(session) ? [XCLIENT_OFFER] : []),
    "ENHANCEDSTATUSCODES",
    "8BITMIME",
    "DSN",
    "SMTPUTF8",
  ];
  const reply = lines.map((line, index) => `250${index < lines.length - 1 ? "-" : " "}${line}`).join("\r\n");
  return askHelo(session, "EHLO", reply);
}

export function offersAuth(session: Session): boolean {
  const { authenticator, config } = session.settings;
  return authenticator !== undefined && (session.secure || !config.smtpd_tls_auth_only);
}

function mail(session: Session, argument: string): string | undefined {
  const { station } = session;
  // RFC 5321 4.1.4, and after STARTTLS everything begins anew (RFC 3207 4.2).
  const { smtpd_helo_required: isHeloRequired } = session.settings.config;
  if (isHeloRequired && session.helo === "") return "503 5.5.1 Error: send HELO/EHLO first";
  if (session.transaction !== undefined) return "503 5.5.1 Error: nested MAIL command";
  session.refreshSettings();
  const { settings } = session;
  const tooMany = overMessages(session);
  if (tooMany !== undefined) return tooMany;
  const request = parseMail(argument, {
    isEsmtp: session.isEsmtp,
    offersAuth: offersAuth(session),
    defaultDomain: session.mayRelay ? settings.origin : undefined,
    postmasterDomain: settings.origin,
  });
  if (typeof request === "string") {
    if (request.startsWith("501 5.1.7"))
      station.log.warn(`Illegal address syntax from ${session.peer} in MAIL command: ${clean(argument, 200)}`);
    return request;
  }
  const transaction = new Transaction(request);
  // So that the log line of a refusal shows the sender.
  session.transaction = transaction;
  const refusal = refuseMail(session, request.sizeBytes);
  if (refusal === undefined) return askSender(session);
  session.note("reject", "MAIL", refusal);
  session.transaction = undefined;
  return refusal;
}

function refuseMail(session: Session, sizeBytes: number): string | undefined {
  const { station, settings } = session;
  const { config } = settings;
  if (settings.requiresUser && !session.mayRelay) return "530 5.7.0 Authentication required";
  if (config.message_size_limit > 0 && sizeBytes > config.message_size_limit) {
    return "552 5.3.4 Message size exceeds fixed limit";
  }
  if (station.door.flow.stop) return "451 4.3.2 Error: queue is overloaded, try again later";
  const { bytes, inodes } = station.freeSpace();
  const neededBytes = Math.max(config.queue_minfree || config.message_size_limit * 1.5, sizeBytes);
  if (bytes < neededBytes || inodes < config.queue_minfree_inodes) {
    station.log.warn(`not enough free space in mail queue: ${bytes} bytes, ${inodes} inodes`);
    return "452 4.3.1 Insufficient system storage";
  }
  return undefined;
}

function rcpt(session: Session, argument: string): string | undefined {
  const { station, transaction, settings } = session;
  const { config } = settings;
  if (transaction === undefined) return "503 5.5.1 Error: need MAIL command";
  const tooMany = overRecipients(session);
  if (tooMany !== undefined) return tooMany;
  const request = parseRcpt(argument, {
    isEsmtp: session.isEsmtp,
    smtputf8: transaction.request.smtputf8,
    defaultDomain: session.mayRelay ? settings.origin : undefined,
    postmasterDomain: settings.origin,
  });
  if (typeof request === "string") {
    if (request.startsWith("501 5.1.3")) {
      station.log.warn(`Illegal address syntax from ${session.peer} in RCPT command: ${clean(argument, 200)}`);
    }
    return request;
  }
  if (transaction.accepted >= config.smtpd_recipient_limit) {
    // RFC 5321 4.5.3.1.10: the client sends the rest in another transaction; up to a point that is no error.
    if (transaction.overshoot++ < config.smtpd_recipient_overshoot_limit) session.excuse();
    return "452 4.5.3 Error: too many recipients";
  }
  const { address, isPostmaster, recipient } = request;
  const take = () => {
    transaction.add(recipient);
    return "250 2.1.5 Ok";
  };
  if (isPostmaster) return take();
  if (!settings.isPlain) return askRecipient(session, address, take);
  return session.mayRelay || isOurs(address, settings.rules) ? take() : denied(session, "RCPT", address.address);
}

function denied(session: Session, where: string, address: string): string {
  const { relay_domains_reject_code: code } = session.settings.config;
  const reply = `${code} ${code >= 500 ? 5 : 4}.7.1 <${address}>: Relay access denied`;
  session.note("reject", where, reply, address);
  return reply;
}

function data(session: Session, argument: string): string | undefined {
  const { transaction } = session;
  if (transaction === undefined) return "503 5.5.1 Error: need RCPT command";
  // With pipelining a client may say DATA before it knows that all recipients were refused (RFC 2920 3.1).
  if (transaction.recipients.length === 0) return "554 5.5.1 Error: no valid recipients";
  if (argument !== "") return "501 5.5.4 Syntax: DATA";
  return askData(session, () => {
    session.receive(transaction);
    return "354 End data with <CR><LF>.<CR><LF>";
  });
}

function rset(session: Session, argument: string): string {
  if (argument !== "") return "501 5.5.4 Syntax: RSET";
  session.transaction = undefined;
  return "250 2.0.0 Ok";
}

/** We know of no recipient whether it exists; what may not be sent to is refused as with RCPT. */
function vrfy(session: Session, argument: string): string {
  if (argument === "") return "501 5.5.4 Syntax: VRFY address";
  const { origin } = session.settings;
  const words = argument.split(/ +/);
  const isUtf8 = words.at(-1)?.toUpperCase() === "SMTPUTF8"; // RFC 6531 3.7.4.2
  const path = (isUtf8 ? words.slice(0, -1) : words).join(" ");
  const address = parsePath(path, { smtputf8: isUtf8, postmasterDomain: origin, defaultDomain: origin });
  if (isAddressError(address)) {
    return address.error === "smtputf8" ? "553 5.6.7 Must declare SMTPUTF8 to send unicode address" : BAD_RECIPIENT;
  }
  if (!session.mayRelay && address.domain !== origin && !isOurs(address, session.settings.rules)) {
    return denied(session, "VRFY", address.address);
  }
  return `252 2.0.0 ${address.address}`;
}

function startTls(session: Session, argument: string): string | undefined {
  const { settings } = session;
  if (argument !== "") return "501 5.5.4 Syntax: STARTTLS";
  if (session.secure) return "503 5.5.1 Error: TLS already active";
  if (settings.secureContext === undefined) return "502 5.5.1 Error: command not implemented";
  const tooMany = overHandshakes(session);
  if (tooMany !== undefined) return tooMany;
  session.reply("220 2.0.0 Ready to start TLS");
  session.handshake();
  return undefined;
}

/** A client that is no mail client: a browser that was talked into it (ALPACA), a bot, TLS on the wrong port. */
const NOT_SMTP = /^(?:[^a-z].*|CONNECT|GET|POST|PUT|HEAD|OPTIONS|DELETE|PATCH|TRACE|[a-z0-9-]+:.*)$/i;

function unknown(session: Session, _argument: string, line: string): string | undefined {
  const name = line.split(" ", 1)[0] ?? "";
  if (line !== "" && NOT_SMTP.test(name)) {
    session.logFirst(`non-SMTP command from ${session.peer}: ${clean(line, 100)}`, "warn");
    session.endWith(`421 4.7.0 ${session.settings.config.myhostname} Error: I can break rules, too. Goodbye.`);
    return undefined;
  }
  return line === "" ? "500 5.5.2 Error: bad syntax" : "500 5.5.2 Error: command not recognized";
}

const ok = () => "250 2.0.0 Ok";
const unauthorized = () => "550 5.7.0 Error: insufficient authorization";
const notImplemented = () => "502 5.5.1 Error: command not implemented";
/** The connection ends with this reply. */
const ending = (reply: string) => (session: Session) => {
  session.endWith(reply);
  return undefined;
};
const BAD_SENDER = "501 5.1.7 Bad sender address syntax";
const BAD_RECIPIENT = "501 5.1.3 Bad recipient address syntax";

const KNOWN = "AUTH DATA EHLO HELO HELP MAIL NOOP QUIT RCPT RSET STARTTLS VRFY";

export const UNKNOWN: Verb = { name: "unknown", isBeforeTls: true, run: unknown };

const VERBS: ReadonlyMap<string, Verb> = new Map<string, Verb>([
  ["HELO", { name: "helo", isBeforeTls: true, endsGroup: true, run: helo }],
  ["EHLO", { name: "ehlo", isBeforeTls: true, endsGroup: true, run: ehlo }],
  ["MAIL", { name: "mail", syntaxReply: BAD_SENDER, run: mail }],
  ["RCPT", { name: "rcpt", syntaxReply: BAD_RECIPIENT, run: rcpt }],
  ["DATA", { name: "data", endsGroup: true, run: data }],
  ["RSET", { name: "rset", run: rset }],
  ["NOOP", { name: "noop", isBeforeTls: true, endsGroup: true, run: ok }],
  ["VRFY", { name: "vrfy", endsGroup: true, syntaxReply: BAD_RECIPIENT, run: vrfy }],
  ["QUIT", { name: "quit", isBeforeTls: true, run: ending("221 2.0.0 Bye") }],
  ["STARTTLS", { name: "starttls", isBeforeTls: true, run: startTls }],
  ["AUTH", { name: "auth", run: startAuth }],
  ["HELP", { name: "help", isBeforeTls: true, run: () => `214 2.0.0 Commands: ${KNOWN}` }],
  // CHUNKING is not offered. The chunk comes without waiting for the reply, and would run as commands.
  ["BDAT", { name: "bdat", run: ending("502 5.5.1 Error: command not implemented") }],
  ["ETRN", { name: "etrn", run: notImplemented }],
  ["XCLIENT", { name: "xclient", isBeforeTls: true, run: xclient }],
  ["XFORWARD", { name: "xforward", run: unauthorized }],
  ["PROXY", { name: "unknown", isBeforeTls: true, run: unauthorized }],
]);

export function findVerb(word: string): Verb {
  return VERBS.get(word) ?? VERBS.get(word.toUpperCase()) ?? UNKNOWN;
}
