/** What the right side of an access table says (access(5)). */
import { clean } from "../../../base/text.ts";
import { restrictions } from "../../../config/restrictions.ts";
import type { Found } from "../../../config/tables.ts";
import { ValueError } from "../../../config/values.ts";
import { isAddressError, parsePath } from "../../../mail/address.ts";
import type { Effects } from "./effects.ts";
import type { Trial } from "./trial.ts";
import {
  type About,
  CONFIGURATION_ERROR,
  fittingStatus,
  type Refusal,
  rejected,
  splitStatus,
  type Verdict,
} from "./verdict.ts";

const HEADER_FIELD = /^[!-9;-~]+:\s*\S/;

interface Entry {
  readonly trial: Trial;
  readonly found: Found;
  readonly about: About;
  readonly text: string; // behind the first word
}

export function applyAction(trial: Trial, found: Found, about: About): Verdict {
  const [, word = "", text = ""] = /^(\S*)\s*(.*)$/s.exec(found.value.trim()) ?? [];
  const entry: Entry = { trial, found, about, text: clean(text.replace(/\s+/g, " "), 500) };
  if (/^\d+$/.test(found.value.trim())) return "ok";
  if (/^[45]\d\d$/.test(word) && text !== "") {
    return refuse(entry, Number(word), `${word.charAt(0)}.7.1`, "Access denied");
  }
  const action = ACTIONS.get(word.toUpperCase());
  return action === undefined ? moreRestrictions(entry) : action(entry);
}

const ACTIONS: ReadonlyMap<string, (entry: Entry) => Verdict> = new Map<string, (entry: Entry) => Verdict>([
  ["OK", () => "ok"],
  ["RELAY", () => "ok"],
  ["DUNNO", () => "dunno"],
  ["REJECT", (entry) => refuse(entry, codes(entry).access_map_reject_code, "5.7.1", "Access denied")],
  ["DEFER", (entry) => refuse(entry, codes(entry).access_map_defer_code, "4.7.1", "Access denied")],
  ["DEFER_IF_PERMIT", (entry) => ({ deferIfPermit: unavailable(entry) })],
  ["DEFER_IF_REJECT", (entry) => ({ deferIfReject: unavailable(entry) })],
  ["INFO", ({ trial, text }) => noted(trial, "info", text)],
  ["WARN", ({ trial, text }) => noted(trial, "warn", text)],
  ["HOLD", hold],
  ["DISCARD", discard],
  ["REDIRECT", (entry) => addressed(entry, "REDIRECT", (effects, address) => (effects.redirect = address))],
  ["BCC", (entry) => addressed(entry, "BCC", (effects, address) => effects.bcc.push(address))],
  ["PREPEND", prepend],
]);

function codes({ trial }: Entry): Trial["rules"]["config"] {
  return trial.rules.config;
}

function refuse({ about, text: said }: Entry, code: number, fallback: string, otherwise: string): Refusal {
  const { status, text } = splitStatus(said, fallback);
  return rejected(about, code, fittingStatus(status, about.kind), text || otherwise);
}

function unavailable(entry: Entry): Refusal {
  return refuse(entry, codes(entry).access_map_defer_code, "4.7.1", "Service unavailable");
}

function noted({ subject }: Trial, what: string, text: string): "dunno" {
  subject.note(what, text);
  return "dunno";
}

/** What is to become of the message, if there will be one: before MAIL, and behind its end, it is too early or too late. */
function effectsOf({ trial, found }: Entry, action: string): Effects | undefined {
  const { effects, where } = trial.subject;
  if (effects !== undefined && where !== "END-OF-MESSAGE") return effects;
  trial.rules.log.warn(
    `${found.table}: ${action} for ${found.key} is passed over at ${where}: there is no message yet, or it is too late`,
  );
  return undefined;
}

function hold(entry: Entry): Verdict {
  const effects = effectsOf(entry, "HOLD");
  if (effects === undefined || effects.hold !== undefined) return "dunno";
  effects.hold = entry.text;
  return told(entry, "hold", entry.text || "triggers HOLD action");
}

function discard(entry: Entry): Verdict {
  const { effects } = entry.trial.subject;
  if (effects === undefined) return effectsOf(entry, "DISCARD") === undefined ? "dunno" : "ok";
  told(entry, "discard", entry.text || "triggers DISCARD action");
  effects.isDiscarded = true;
  return "ok";
}

function addressed(entry: Entry, action: string, apply: (effects: Effects, address: string) => void): Verdict {
  const effects = effectsOf(entry, action);
  if (effects === undefined) return "dunno";
  const address = parsePath(entry.text, { smtputf8: true });
  if (isAddressError(address)) return misused(entry, `${action} needs an address, not "${entry.text}"`);
  apply(effects, address.address);
  return told(entry, action.toLowerCase(), `triggers ${action} ${address.address}`);
}

function prepend(entry: Entry): Verdict {
  const effects = effectsOf(entry, "PREPEND");
  if (effects === undefined) return "dunno";
  if (!HEADER_FIELD.test(entry.text)) return misused(entry, `PREPEND needs a header field, not "${entry.text}"`);
  if (!effects.prepended.includes(entry.text)) effects.prepended.push(entry.text);
  return "dunno";
}

function told({ trial, about }: Entry, what: string, why: string): "dunno" {
  return noted(trial, what, `<${about.name}>: ${about.kind} ${why}`);
}

function misused({ trial, found }: Entry, why: string): "dunno" {
  trial.rules.log.warn(`${found.table}: ${found.key}: ${why}: it is passed over`);
  return "dunno";
}

/** The names of restrictions and classes, without tables of their own. */
function moreRestrictions({ trial, found }: Entry): Verdict {
  const { config, log } = trial.rules;
  try {
    const more = restrictions().parse(found.value, "/");
    const unknown = more.find((one) => one.word === "class" && !config.restrictionClasses.has(one.name));
    if (more.some((one) => "tables" in one)) throw new ValueError("a table within a table: name a class instead");
    if (unknown?.word === "class") throw new ValueError(`unknown action or restriction: ${unknown.name}`);
    return { more };
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    log.warn(`${found.table}: ${found.key}: ${error.message}`);
    return CONFIGURATION_ERROR;
  }
}
