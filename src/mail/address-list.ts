/**
 * Address lists in header fields: From, Sender, To, Cc, Bcc (RFC 5322 3.4, with the obsolete forms of 4.4). Written by
 * hand and in one pass: the parsers at hand split at an @ inside quotes (CVE-2025-13033) or are quadratic.
 */
import { type Address, isAddressError, parsePath } from "./address.ts";
import { encodePhrase } from "./encoded-word.ts";

export interface Mailbox extends Address {
  readonly name: string; // display name, encoded words not decoded; "" if none
  readonly start: number; // where the address stands in the value: between the brackets, if it has any
  readonly end: number;
}

export interface BadMailbox {
  readonly text: string; // as written, cut to 200 characters; not cleaned
  readonly reason: string;
}

export interface AddressList {
  readonly mailboxes: readonly Mailbox[]; // in order, groups resolved
  readonly bad: readonly BadMailbox[];
}

export interface ListOptions {
  readonly smtputf8?: boolean; // default true: RFC 6532
  readonly defaultDomain?: string; // for addresses without a domain
}

/** What is gathered of one list entry until a comma, a semicolon or the end. */
interface Entry {
  start: number; // offset in the value
  from: number; // of the address; -1: none yet
  to: number;
  words: string; // atoms, quoted strings (with quotes) and dots outside of angle brackets, as written
  angle?: string; // what stood in the angle brackets, without comments and white space
  gap: boolean; // white space was read behind the words
  comment: string; // the last comment: the name, in the old form `a@b (Name)`
  broken: string; // why it can't be read, "" if it can
}

/** The value of one field, unfolded. Empty entries and groups without members (`undisclosed-recipients:;`) are no error. */
export function parseAddressList(value: string, options: ListOptions = {}): AddressList {
  const mailboxes: Mailbox[] = [];
  const bad: BadMailbox[] = [];
  const fresh = (start: number): Entry => ({ start, from: -1, to: -1, words: "", gap: false, comment: "", broken: "" });
  let entry = fresh(0);
  let inAngle = false;
  let index = 0;

  const add = (text: string, at: number) => {
    if (inAngle || entry.angle === undefined) {
      if (entry.from < 0) entry.from = at;
      entry.to = at + text.length;
    }
    if (inAngle) {
      entry.angle = (entry.angle ?? "") + text;
      return;
    }
    if (entry.gap && entry.words !== "") entry.words += " ";
    entry.words += text;
    entry.gap = false;
  };
  const finish = (end: number) => {
    const result = inAngle ? "unclosed angle bracket" : readEntry(entry, options);
    const text = value.slice(entry.start, end).trim();
    if (typeof result === "string") bad.push({ text: text.slice(0, 200), reason: result });
    else if (result !== undefined) mailboxes.push(result);
    entry = fresh(end + 1);
    inAngle = false;
  };

  while (index < value.length) {
    const char = value.charAt(index);
    if (char === '"' || char === "(" || char === "[") {
      const end =
        char === '"' ? quotedEnd(value, index) : char === "(" ? commentEnd(value, index) : literalEnd(value, index);
      if (end < 0) {
        entry.broken = `unclosed ${char}`;
        index = value.length;
        break;
      }
      if (char === "(") entry.comment = value.slice(index + 1, end - 1);
      else add(value.slice(index, end), index);
      index = end;
      continue;
    }
    if (char === "<") {
      if (entry.angle !== undefined) entry.broken = "two addresses without a comma";
      else entry.angle = "";
      entry.from = -1; // what came before was the name
      inAngle = true;
    } else if (char === ">") {
      if (!inAngle) entry.broken = "unbalanced angle bracket";
      inAngle = false;
    } else if (char === "," && inAngle) {
      add(char, index); // part of a source route, or an error that parsePath finds
    } else if (char === "," || char === ";") {
      finish(index);
    } else if (char === ":" && !inAngle) {
      entry = fresh(index + 1); // the name of a group
    } else if (char === " " || char === "\t" || char === "\r" || char === "\n") {
      entry.gap = !inAngle;
    } else {
      add(char, index);
    }
    index += 1;
  }
  finish(value.length);
  return { mailboxes, bad };
}

/** The mailbox; undefined for an empty entry; the reason if it is none. */
function readEntry(entry: Entry, options: ListOptions): Mailbox | string | undefined {
  const { words } = entry;
  if (entry.broken !== "") return entry.broken;
  if (entry.angle === undefined && words === "") return undefined;
  const path = entry.angle ?? closeUp(words);
  const parsed = parsePath(path, {
    smtputf8: options.smtputf8 ?? true,
    ...(options.defaultDomain === undefined ? {} : { defaultDomain: options.defaultDomain }),
  });
  if (isAddressError(parsed)) return parsed.text;
  const name = entry.angle === undefined ? entry.comment : words === "" ? entry.comment : unquote(words);
  return { ...parsed, name: name.trim(), start: entry.from, end: entry.to };
}

/** White space around the dots and the @ of an address is allowed (RFC 5322 4.4), and kept inside of quotes. */
function closeUp(words: string): string {
  const quoted = words.startsWith('"') ? quotedEnd(words, 0) : 0;
  return words.slice(0, quoted) + words.slice(quoted).replaceAll(/ ?([.@]) ?/g, "$1");
}

/** Offset behind the closing quote, or -1. */
function quotedEnd(text: string, from: number): number {
  for (let index = from + 1; index < text.length; index += 1) {
    const char = text.charAt(index);
    if (char === "\\") index += 1;
    else if (char === '"') return index + 1;
  }
  return -1;
}

/** Offset behind the closing bracket of a comment, which may hold comments, or -1. */
function commentEnd(text: string, from: number): number {
  let depth = 0;
  for (let index = from; index < text.length; index += 1) {
    const char = text.charAt(index);
    if (char === "\\") index += 1;
    else if (char === "(") depth += 1;
    else if (char === ")") {
      depth -= 1;
      if (depth === 0) return index + 1;
    }
  }
  return -1;
}

function literalEnd(text: string, from: number): number {
  const end = text.indexOf("]", from);
  return end < 0 ? -1 : end + 1;
}

function unquote(words: string): string {
  if (!words.includes('"')) return words;
  return words.replaceAll(/"((?:[^"\\]|\\.)*)"/gs, (_all, inner: string) => inner.replaceAll(/\\(.)/gs, "$1"));
}

/** `Name <address>` for a header field, or the bare address where there is no name. */
export function formatAddress(address: string, name = ""): string {
  return name === "" ? address : `${encodePhrase(name)} <${address}>`;
}
