/** The command line of sces-queue, read and judged before anything is looked at. */
import { parseArgs } from "node:util";
import { messageOf, ScesError } from "../../base/errors.ts";
import { clean } from "../../base/text.ts";
import { parseTime } from "../../config/values.ts";
import { isQueueId } from "../../mail/queue-id.ts";
import { isForeignName } from "../../spool/quarantined.ts";
import { CONTROLS } from "./control/control.ts";
import { type Filter, parseFilter } from "./filter.ts";
import { isVerb, VERBS, type VerbName } from "./verbs.ts";

/** Which messages were named. Filters narrow them down further. */
export interface Selection {
  readonly ids: readonly string[]; // in the order in which they were given, each once
  readonly fromStdin: boolean; // more ids come on standard input
  readonly all: boolean; // ALL
}

export interface Request {
  readonly verb: VerbName;
  readonly selection: Selection;
  readonly filter: Filter;
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly reasonText: string; // hold
  readonly wait: boolean; // flush
  readonly timeoutMs: number; // flush --wait
  readonly content: boolean; // show
  readonly bySender: boolean; // summary
  readonly top: number; // summary: rows; 0 = all
}

/** What was asked for instead of a verb's work. */
export interface HelpRequest {
  readonly help: VerbName | "all";
}

const OPTIONS = {
  queue: { type: "string", multiple: true },
  from: { type: "string", multiple: true },
  to: { type: "string", multiple: true },
  domain: { type: "string", multiple: true },
  age: { type: "string", multiple: true },
  size: { type: "string", multiple: true },
  reason: { type: "string", multiple: true },
  "dry-run": { type: "boolean" },
  json: { type: "boolean" },
  "reason-text": { type: "string", short: "m" },
  site: { type: "string", multiple: true },
  wait: { type: "boolean" },
  timeout: { type: "string" },
  content: { type: "boolean" },
  sender: { type: "boolean", short: "s" },
  top: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** Options that every verb takes; the others are named in the verb's row. */
const COMMON = ["help", "json", "queue", "from", "to", "domain", "age", "size", "reason"];

const DEFAULT_WAIT = "10m";
const KNOWN = [...Object.keys(VERBS), ...Object.keys(CONTROLS)];

/** `args` without -c and -o. Throws USAGE with a sentence that helps, and MalformedIds. */
export function parseArguments(args: readonly string[]): Request | HelpRequest {
  const { values, positionals } = split(args);
  const [name, ...targets] = positionals;
  if (name === undefined || name === "help") {
    if (values.help === true || name === "help")
      return { help: isVerb(targets[0] ?? "") ? (targets[0] as VerbName) : "all" };
    throw new ScesError("USAGE", `what is to be done? ${KNOWN.join(", ")} (sces-queue --help says more)`);
  }
  if (!isVerb(name)) throw new ScesError("USAGE", unknownVerb(name));
  if (values.help === true) return { help: name };
  for (const option of Object.keys(values)) {
    if (!COMMON.includes(option) && !VERBS[name].options.includes(option)) {
      throw new ScesError("USAGE", `${name} takes no --${option} (sces-queue ${name} --help says what it takes)`);
    }
  }
  const filter = parseFilter({ ...values, domain: [...(values.domain ?? []), ...(values.site ?? [])] });
  const selection = parseTargets(targets);
  if (VERBS[name].takes === "some" && isNothing(selection) && filter.isAny && filter.queues === undefined) {
    throw new ScesError("USAGE", `${name} what? Name messages by id, - (ids on standard input), filters, or ALL`);
  }
  if (VERBS[name].takes === "ids" && (isNothing(selection) || selection.all)) {
    throw new ScesError("USAGE", `${name} which message? Name it by its queue id (sces-queue list shows them)`);
  }
  if (values.timeout !== undefined && values.wait !== true) throw new ScesError("USAGE", "--timeout goes with --wait");
  return {
    verb: name,
    selection,
    filter,
    dryRun: values["dry-run"] ?? false,
    json: values.json ?? false,
    reasonText: clean(values["reason-text"] ?? "", 500),
    wait: values.wait ?? false,
    timeoutMs: waitTime(values.timeout ?? DEFAULT_WAIT),
    content: values.content ?? false,
    bySender: values.sender ?? false,
    top: wholeNumber("--top", values.top ?? "0"),
  };
}

function split(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true, strict: true });
  } catch (error) {
    // Node's sentences end with hints about `--` that do not help here.
    throw new ScesError("USAGE", messageOf(error).split(". ")[0] ?? "", { cause: error });
  }
}

/** Text that is no queue id, wherever it was given: exit 65, and nothing is done for any message. */
export class MalformedIds extends Error {
  override readonly name = "MalformedIds";
  readonly texts: readonly string[];
  constructor(texts: readonly string[]) {
    super(texts.map((text) => `not a queue id: ${shownId(text)}`).join("\n"));
    this.texts = texts;
  }
}

function shownId(text: string): string {
  if (text === "") return "(empty)";
  const hint = text.toLowerCase() === "all" ? " (ALL in upper case means every message)" : "";
  return `${clean(text, 60)}${hint}`;
}

function parseTargets(texts: readonly string[]): Selection {
  const all = texts.includes("ALL");
  const ids = parseIds(texts.filter((text) => text !== "ALL" && text !== "-"));
  if (all && texts.length > 1) throw new ScesError("USAGE", "ALL stands alone: with it, other ids say nothing");
  return { ids, fromStdin: texts.includes("-"), all };
}

/**
 * Each id once; a name that a foreign file has in quarantine is one, too. The marks that a listing puts behind an id
 * (* ! #) may have come along with it. Throws MalformedIds.
 */
export function parseIds(texts: readonly string[]): string[] {
  const ids = new Set<string>();
  const malformed: string[] = [];
  for (const text of texts) {
    const id = text.replace(/[*!#]{1,3}$/, "");
    if (isQueueId(id) || isForeignName(id)) ids.add(id);
    else malformed.push(text);
  }
  if (malformed.length > 0) throw new MalformedIds(malformed.slice(0, 10));
  return [...ids];
}

function isNothing({ ids, fromStdin, all }: Selection): boolean {
  return ids.length === 0 && !fromStdin && !all;
}

function unknownVerb(name: string): string {
  const near = KNOWN.find((verb) => name.length > 1 && (verb.startsWith(name) || name.startsWith(verb)));
  const shown = clean(name, 40);
  return `unknown verb: ${shown}${near === undefined ? "" : `; did you mean ${near}?`} (there are: ${KNOWN.join(", ")})`;
}

function waitTime(text: string): number {
  const value = parseTime(text, "s");
  if (value === undefined || value > 86_400_000)
    throw new ScesError("USAGE", `--timeout ${text}: needs a time up to 1d`);
  return value;
}

function wholeNumber(option: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new ScesError("USAGE", `${option} ${text}: needs a whole number`);
  return Number(text);
}
