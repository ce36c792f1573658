/**
 * sendmail's flags, by Postfix's list. They are read as getopt(3) reads them: flags may share a dash (`-ti`), a value
 * stands behind its flag or follows it, and everything from the first word without a dash on is a recipient.
 */
import { ScesError } from "../../base/errors.ts";
import { clean } from "../../base/text.ts";
import type { Notify } from "../../mail/envelope.ts";

export type Mode = "deliver" | "list" | "smtp" | "verify" | "aliases" | "daemon" | "flush";

export interface SendmailOptions {
  readonly mode: Mode;
  readonly recipients: readonly string[]; // as given; each may be a list
  readonly sender: string | undefined; // -f, -r
  readonly fullName: string | undefined; // -F
  readonly fromHeader: boolean; // -t
  readonly dotEnds: boolean; // false: -i, -oi
  readonly notify: readonly Notify[] | undefined; // -N
  readonly ret: "FULL" | "HDRS" | undefined; // -R
  readonly envid: string | undefined; // -V
  readonly verbose: boolean; // -v
  readonly configDirectory: string | undefined; // -C, -c
  readonly flushId: string | undefined; // -qI
  readonly flushSite: string | undefined; // -qR
  readonly help: boolean;
}

/** Flags that take a value, and flags that may have one attached. All others stand alone. */
const WITH_VALUE = "ABCFLNOPRVXbcfhopr";
const MAYBE_ATTACHED = "deq";
const ALONE = "GIUimnstvx";
/** Known to other sendmails and of no meaning here. */
const IGNORED = "ABGLOPUXdehmnpx";

/** Throws USAGE. */
export function parseOptions(args: readonly string[]): SendmailOptions {
  let mode: Mode = "deliver";
  let sender: string | undefined;
  let fullName: string | undefined;
  let fromHeader = false;
  let dotEnds = true;
  let notify: readonly Notify[] | undefined;
  let ret: "FULL" | "HDRS" | undefined;
  let envid: string | undefined;
  let verbose = false;
  let configDirectory: string | undefined;
  let flushId: string | undefined;
  let flushSite: string | undefined;
  let help = false;

  const { flags, rest } = getopt(args);
  for (const { flag, value } of flags) {
    switch (flag) {
      case "b":
        mode = modeOf(value);
        break;
      case "C":
      case "c":
        configDirectory = value.replace(/\/main\.cf$/, "");
        break;
      case "f":
      case "r":
        sender = value;
        break;
      case "F":
        fullName = value;
        break;
      case "I":
        mode = "aliases";
        break;
      case "i":
        dotEnds = false;
        break;
      case "N":
        notify = parseNotify(value);
        break;
      case "o":
        if (value === "i") dotEnds = false;
        break;
      case "q":
        mode = "flush";
        if (value.startsWith("I")) flushId = value.slice(1);
        else if (value.startsWith("R")) flushSite = value.slice(1);
        else if (value !== "" && !/^f?\d*[smhdw\d]*$/.test(value)) throw unknown(`-q${value}`);
        break;
      case "R":
        ret = parseRet(value);
        break;
      case "s":
        throw unknown("-s");
      case "t":
        fromHeader = true;
        break;
      case "V":
        envid = parseEnvid(value);
        break;
      case "v":
        verbose = true;
        break;
      case "-":
        if (value !== "help") throw unknown(`--${value}`);
        help = true;
        break;
      default:
        if (!IGNORED.includes(flag)) throw unknown(`-${flag}`);
    }
  }
  return {
    mode,
    recipients: rest,
    sender,
    fullName,
    fromHeader,
    dotEnds,
    notify,
    ret,
    envid,
    verbose,
    configDirectory,
    flushId,
    flushSite,
    help,
  };
}

interface Flag {
  readonly flag: string; // one letter, or "-" for a long option
  readonly value: string;
}

function getopt(args: readonly string[]): { readonly flags: readonly Flag[]; readonly rest: readonly string[] } {
  const flags: Flag[] = [];
  let at = 0;
  while (at < args.length) {
    const arg = args[at] ?? "";
    if (!arg.startsWith("-") || arg === "-") break;
    at += 1;
    if (arg === "--") break;
    if (arg.startsWith("--")) {
      flags.push({ flag: "-", value: arg.slice(2) });
      continue;
    }
    for (let index = 1; index < arg.length; index += 1) {
      const flag = arg.charAt(index);
      const attached = arg.slice(index + 1);
      if (WITH_VALUE.includes(flag)) {
        const value = attached === "" ? args[at] : attached;
        if (attached === "") at += 1;
        if (value === undefined) throw new ScesError("USAGE", `-${flag} needs a value`);
        flags.push({ flag, value });
        break;
      }
      if (MAYBE_ATTACHED.includes(flag)) {
        flags.push({ flag, value: attached });
        break;
      }
      if (!ALONE.includes(flag)) throw unknown(`-${flag}`);
      flags.push({ flag, value: "" });
    }
  }
  return { flags, rest: args.slice(at) };
}

function modeOf(value: string): Mode {
  switch (value) {
    case "m":
      return "deliver";
    case "p":
      return "list";
    case "s":
      return "smtp";
    case "v":
      return "verify";
    case "i":
      return "aliases";
    case "d":
    case "D":
    case "l":
      return "daemon";
    default:
      throw unknown(`-b${value}`);
  }
}

const NOTIFY: readonly Notify[] = ["SUCCESS", "FAILURE", "DELAY", "NEVER"];

function parseNotify(value: string): readonly Notify[] {
  const found = value.split(",").map((word) => NOTIFY.find((known) => known === word.trim().toUpperCase()));
  const words = found.filter((word) => word !== undefined);
  const isNever = words.includes("NEVER");
  if (words.length !== found.length || new Set(words).size !== words.length || (isNever && words.length > 1)) {
    throw new ScesError("USAGE", `-N ${clean(value, 40)}: takes never, or some of success,failure,delay`);
  }
  return words;
}

function parseRet(value: string): "FULL" | "HDRS" {
  const upper = value.toUpperCase();
  if (upper === "FULL" || upper === "HDRS") return upper;
  throw new ScesError("USAGE", `-R ${clean(value, 40)}: takes full or hdrs`);
}

function parseEnvid(value: string): string {
  // RFC 3461 4.4: at most 100 characters once + = and blanks are written as three.
  const length = value.length + 2 * (value.match(/[^!-~]|[+=]/g)?.length ?? 0);
  if (/^[ -~]+$/.test(value) && length <= 100) return value;
  throw new ScesError("USAGE", "-V takes 1 to 100 printable characters");
}

function unknown(flag: string): ScesError {
  return new ScesError("USAGE", `unknown flag: ${clean(flag, 40)} (sces-sendmail --help lists what it takes)`);
}
