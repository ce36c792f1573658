/**
 * The table of bad inputs: what clients, servers, files, names and passers-by may throw at a mail system, and what
 * comes of it here. A row is kept by tests whose titles carry its id, as `[A13]`; what a library of ours would do
 * without our guard is in tests that carry `[stock A13]`. test/unit/bad-input.test.ts holds the table against the
 * titles, and test/bad-input/reporter.ts counts after each run.
 */

export interface Row {
  readonly id: string;
  readonly promise: string;
  readonly notYet?: string; // why nothing tests it
  readonly guard?: string; // where a library that is known to get it wrong is kept from that
  readonly notStock?: string; // why no test shows the library alone: it gets it right, or there is none
}

const SMTPD = "src/process/smtpd";
const NO_PAGE = "there is no web page and no API yet (http)";
const NO_AMQP = "there is no RabbitMQ yet (amqp)";

export const ROWS: readonly Row[] = [
  // End of data
  { id: "A1", promise: "LF . LF ends no message" },
  { id: "A2", promise: "LF . CRLF ends no message" },
  { id: "A3", promise: "CRLF . LF ends no message" },
  { id: "A4", promise: "LF . CR ends no message" },
  { id: "A5", promise: "CR . CR ends no message" },
  { id: "A6", promise: "CR . CRLF ends no message" },
  { id: "A7", promise: "CRLF . CR ends no message" },
  { id: "A8", promise: "CR . LF ends no message" },
  { id: "A9", promise: "CRLF NUL . CRLF ends no message, which is refused" },
  { id: "A10", promise: "CRLF . NUL CRLF ends no message, which is refused" },
  { id: "A11", promise: "the same wherever TCP cuts it" },
  { id: "A12", promise: "a stuffed dot in segments of its own is a dot" },
  { id: "A13", promise: "a command that ends with LF alone is an error", guard: `${SMTPD}/wire.ts` },
  { id: "A14", promise: "what leaves has CRLF line ends and one end" },
  { id: "A15", promise: "so has what came as a file" },
  { id: "A16", promise: "a message sent along with DATA ends the session" },
  { id: "A17", promise: "the bytes of a BDAT that was not offered are no commands" },
  { id: "A18", promise: "odd chunks are refused", notYet: "CHUNKING is not offered to clients" },
  // Session, TLS, AUTH
  { id: "B1", promise: "what came in the clear behind STARTTLS is forgotten" },
  { id: "B2", promise: "what a server said in the clear behind its 220 is forgotten" },
  { id: "B3", promise: "behind STARTTLS the client starts anew" },
  { id: "B4", promise: "STARTTLS takes no argument" },
  { id: "B5", promise: "TLS within TLS is refused" },
  { id: "B6", promise: "a refused MAIL leaves nothing to the next", guard: `${SMTPD}/mail-command.ts` },
  { id: "B7", promise: "a refused message is over" },
  { id: "B8", promise: "VRFY leaves a transaction as it is" },
  { id: "B9", promise: "commands out of order are refused" },
  { id: "B10", promise: "guessing passwords comes to an end", guard: `${SMTPD}/auth-command.ts` },
  { id: "B11", promise: "no password in the clear" },
  { id: "B12", promise: "broken AUTH is refused, and no secret is in the log" },
  { id: "B13", promise: "who talks before the greeting is sent away" },
  { id: "B14", promise: "HTTP is not SMTP" },
  { id: "B15", promise: "nobody but who may says who he is" },
  { id: "B16", promise: "connections that are reset harm nobody", guard: `${SMTPD}/server.ts` },
  { id: "B17", promise: "without TLS: in the clear where it may be, not at all where it may not" },
  { id: "B18", promise: "there is no built-in key" },
  // Addresses, relay
  { id: "C1", promise: "user%host is no way round", guard: `${SMTPD}/restrict/rules.ts` },
  { id: "C2", promise: "host!user is no way round", guard: `${SMTPD}/restrict/rules.ts` },
  { id: "C3", promise: "a source route is no way round" },
  { id: "C4", promise: "a quoted local part is never divided" },
  { id: "C5", promise: "half an address is none" },
  { id: "C6", promise: "address literals are refused unless they are ours", guard: `${SMTPD}/restrict/rules.ts` },
  { id: "C7", promise: "numbers are no domains", guard: "src/mail/domain.ts" },
  { id: "C8", promise: "our domain is ours in any case, and localhost is not" },
  { id: "C9", promise: "a domain has one form" },
  { id: "C10", promise: "UTF-8 needs SMTPUTF8", guard: "src/mail/address.ts" },
  { id: "C11", promise: "what is no UTF-8 is no address", guard: `${SMTPD}/session.ts` },
  { id: "C12", promise: "Bob and bob are two", guard: `${SMTPD}/transaction.ts` },
  { id: "C13", promise: "addresses have lengths" },
  { id: "C14", promise: "labels and dots are where they belong" },
  { id: "C15", promise: "what a shell would run is an address, and nothing else" },
  { id: "C16", promise: "no hidden characters" },
  { id: "C17", promise: "no recipient without a domain but the postmaster" },
  { id: "C18", promise: "what fools a reader is refused or shown as A-labels" },
  { id: "C19", promise: "every door has the same verdict" },
  // Parameters, envelope
  { id: "D1", promise: "too large is said at MAIL" },
  { id: "D2", promise: "a size is digits" },
  { id: "D3", promise: "no BODY but 7BIT and 8BITMIME" },
  { id: "D4", promise: "unknown parameters are refused", guard: `${SMTPD}/mail-command.ts` },
  { id: "D5", promise: "no line ends in ENVID and ORCPT" },
  { id: "D6", promise: "ENVID, ORCPT and NOTIFY as RFC 3461 has them" },
  { id: "D7", promise: "no parameter twice, none empty" },
  { id: "D8", promise: "no line ends in envelopes by other doors" },
  { id: "D9", promise: "a reply forges no record" },
  { id: "D10", promise: "a reply is quoted safely and bounded", guard: "src/process/smtp/verdict.ts" },
  { id: "D11", promise: "yes and no in one reply is neither", guard: "src/process/smtp/reply-reader.ts" },
  { id: "D12", promise: "what is no reply puts the mail off" },
  // Exhaustion
  { id: "E1", promise: "recipients have a limit", guard: `${SMTPD}/verbs.ts` },
  { id: "E2", promise: "errors have a limit", guard: `${SMTPD}/session.ts` },
  { id: "E3", promise: "idle words have a limit", guard: `${SMTPD}/session.ts` },
  {
    id: "E4",
    promise: "lines have a length",
    guard: `${SMTPD}/wire.ts`,
    notStock: "smtp-server ends such a session, too",
  },
  { id: "E5", promise: "a command has a deadline", guard: `${SMTPD}/connection.ts` },
  { id: "E6", promise: "a message has a least rate", guard: `${SMTPD}/session.ts` },
  { id: "E7", promise: "one client has so many connections", guard: `${SMTPD}/clients.ts` },
  { id: "E8", promise: "a message has a size", guard: `${SMTPD}/reception.ts` },
  {
    id: "E9",
    promise: "who does not read gets no more to read",
    guard: `${SMTPD}/connection.ts`,
    notStock: "smtp-server waits for drain, too",
  },
  { id: "E10", promise: "stuffed dots cost no more than text", guard: `${SMTPD}/content.ts` },
  { id: "E11", promise: "long lines, many fields and deep parts hold nothing up" },
  { id: "E12", promise: "many destinations leave nothing behind" },
  { id: "E13", promise: "expressions on text from outside are linear" },
  // Loops, reports
  { id: "F1", promise: "too many Received fields are a loop" },
  { id: "F2", promise: "an MX that is us is a loop", guard: "src/process/smtp/route.ts" },
  { id: "F3", promise: "a null MX takes no mail" },
  { id: "F4", promise: "a DNS that cannot say puts the mail off", guard: "src/dns/resolver.ts" },
  { id: "F5", promise: "a domain that is not there returns it" },
  { id: "F6", promise: "junk among MX hosts is passed over, and few are tried" },
  { id: "F7", promise: "no report to nobody" },
  { id: "F8", promise: "reports come to an end" },
  { id: "F9", promise: "reports of others make none of ours" },
  { id: "F10", promise: "nothing from outside adds to a report" },
  { id: "F11", promise: "no boundary that the message knows" },
  { id: "F12", promise: "what goes back has a size" },
  { id: "F13", promise: "NOTIFY=NEVER is heeded, and our reports say what they are" },
  { id: "F14", promise: "who does not exist here is refused, not returned" },
  {
    id: "F15",
    promise: "a forged report changes nothing",
    notYet: "reports that come in are mail like any other: nothing reads them (no VERP)",
  },
  // Local
  { id: "G1", promise: "no link is followed", guard: "src/process/pickup/dropped-file.ts" },
  {
    id: "G2",
    promise: "a link through a file deafens nobody",
    guard: "src/process/pickup/drop-watch.ts",
    notStock: "chokidar 5 fell silent; 6 gets it right",
  },
  { id: "G3", promise: "FIFOs and the like are not opened", guard: "src/process/pickup/dropped-file.ts" },
  { id: "G4", promise: "hard links are refused", guard: "src/process/pickup/dropped-file.ts" },
  { id: "G5", promise: "what is read is what was looked at", guard: "src/process/pickup/dropped-file.ts" },
  { id: "G6", promise: "any bytes may be a name" },
  { id: "G7", promise: "no spool that others can write" },
  { id: "G8", promise: "an id is an id" },
  { id: "G9", promise: "foreign things in a queue are set aside" },
  { id: "G10", promise: "secrets are in files of their owner alone" },
  { id: "G11", promise: "a listing is safe to look at" },
  { id: "G12", promise: "one event, one line" },
  { id: "G13", promise: "nothing of ours is where others can write" },
  // Page, API, RabbitMQ
  { id: "H1", promise: "markup is text", notYet: NO_PAGE },
  { id: "H2", promise: "no change without a token", notYet: NO_PAGE },
  { id: "H3", promise: "no other Host", notYet: NO_PAGE },
  { id: "H4", promise: "tokens cannot be guessed", notYet: NO_PAGE },
  { id: "H5", promise: "JSON has a depth and a number of parts" },
  { id: "H6", promise: "lists of recipients have a length, and members a type" },
  { id: "H7", promise: "JSON names no files" },
  { id: "H8", promise: "one key, one message", notYet: NO_PAGE },
  { id: "H9", promise: "broken messages of a queue are set aside", notYet: NO_AMQP },
  { id: "H10", promise: "nobody from elsewhere without a token", notYet: NO_PAGE },
];

/** Rows that a library of ours is known to get wrong. */
export const KNOWN_WRONG: readonly string[] = [
  ...["A13", "B6", "B10", "B16", "C1", "C2", "C6", "C7", "C10", "C11", "C12", "D4", "D10", "D11"],
  ...["E1", "E2", "E3", "E4", "E5", "E6", "E7", "E8", "E9", "E10", "F2", "F4", "G1", "G2", "G3", "G4", "G5"],
];

const MARK = /\[((?:stock )?)([A-H]\d{1,2}(?: [A-H]\d{1,2})*)\]/g;

/** The rows that a title, or any text with titles in it, names. */
export function marksIn(text: string): { readonly id: string; readonly isStock: boolean }[] {
  return [...text.matchAll(MARK)].flatMap(([, stock, ids = ""]) =>
    ids.split(" ").map((id) => ({ id, isStock: stock !== "" })),
  );
}
