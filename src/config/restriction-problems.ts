/**
 * The restriction classes of main.cf, and what can be wrong with lists of restrictions only when all of them are known:
 * words that are neither restrictions nor classes, classes within themselves, and a relay that is open to everybody.
 */
import type { Problem } from "./config-error.ts";
import { expand } from "./expand.ts";
import { nearestIn } from "./nearest.ts";
import { isParameter, PARAMETER_NAMES, parameterOf, type Values } from "./parameters.ts";
import { isRestrictionWord, RESTRICTION_WORDS } from "./restriction-words.ts";
import { type Classes, isRestrictions, type Restriction, restrictions } from "./restrictions.ts";
import { findText, lookupIn, problemWith, type Settings, type View } from "./settings.ts";

const LISTS = PARAMETER_NAMES.filter((name) => isRestrictions(parameterOf(name).kind));
const RELAY = "smtpd_relay_restrictions";

/** The lists of the classes with these names. What is wrong with one counts as empty. */
export function readClasses(
  settings: Settings,
  names: readonly string[],
): { readonly classes: Classes; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const classes = new Map<string, readonly Restriction[]>();
  const wrong = (key: string, text: string) =>
    problems.push({ place: settings.places.get(key) ?? "", text: `parameter ${key}: ${text}` });
  for (const name of names) {
    const text = settings.written.get(name);
    if (isRestrictionWord(name) || isParameter(name)) {
      wrong("smtpd_restriction_classes", `${name} has a meaning already: give the class another name`);
    } else if (text === undefined) {
      wrong("smtpd_restriction_classes", `${name} is not defined: write ${name} = and its restrictions`);
    } else {
      try {
        const expanded = expand(text, lookupIn(settings, { kind: "all" })).trim();
        classes.set(name, restrictions().parse(expanded, settings.directory));
      } catch (error) {
        problems.push(problemWith(settings, name, name, error));
        classes.set(name, []);
      }
    }
  }
  for (const [name, list] of classes) {
    const text = problemWithin(list, classes, [name]);
    if (text !== undefined) wrong(name, text);
  }
  return { classes, problems };
}

/** What is wrong with the lists, as each of the views sees them. */
export function listProblems(
  settings: Settings,
  views: readonly { readonly view: View; readonly values: Values }[],
  classes: Classes,
): Problem[] {
  const problems = new Map<string, Problem>(); // most views see the same
  for (const { view, values } of views) {
    const add = (name: string, text: string) => {
      const key = findText(settings, view, name)?.key || name;
      problems.set(`${key} ${text}`, { place: settings.places.get(key) ?? "", text: `parameter ${key}: ${text}` });
    };
    for (const name of LISTS) {
      const text = problemWithin((values[name] ?? []) as readonly Restriction[], classes, []);
      if (text !== undefined) add(name, text);
    }
    const lists = [values[RELAY], values.smtpd_recipient_restrictions];
    if (!lists.some((list) => closesRelay(list, classes))) add(RELAY, OPEN_RELAY);
  }
  return [...problems.values()];
}

const OPEN_RELAY =
  "neither it nor smtpd_recipient_restrictions has reject_unauth_destination before a permit for everybody: this " +
  "would be an open relay, add it";

/** The first thing that is wrong in a list; undefined if nothing is. `above`: the classes that we are in. */
function problemWithin(list: readonly Restriction[], classes: Classes, above: readonly string[]): string | undefined {
  for (const restriction of list) {
    if (restriction.word !== "class") continue;
    const { name } = restriction;
    const inner = classes.get(name);
    if (inner === undefined) return unknown(name, classes);
    if (above.includes(name)) return `the class ${name} contains itself`;
    const within = problemWithin(inner, classes, [...above, name]);
    if (within !== undefined) return within;
  }
  return undefined;
}

function unknown(name: string, classes: Classes): string {
  const near = nearestIn(name.toLowerCase(), [...Object.keys(RESTRICTION_WORDS), "warn_if_reject", ...classes.keys()]);
  return `unknown restriction: ${name}${near === undefined ? "" : `; did you mean ${near}?`}`;
}

const CLOSING: ReadonlySet<string> = new Set([
  "reject_unauth_destination",
  "defer_unauth_destination",
  "reject",
  "defer",
  "defer_if_permit",
]);

/** Whether whoever no word has permitted comes to one that refuses what is not for us. */
function closesRelay(list: readonly Restriction[], classes: Classes): boolean {
  for (const restriction of list) {
    if (restriction.word === "permit") return false;
    if (restriction.onlyWarns) continue;
    if (CLOSING.has(restriction.word)) return true;
    if (restriction.word === "class" && closesRelay(classes.get(restriction.name) ?? [], classes)) return true;
  }
  return false;
}
