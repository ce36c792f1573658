/** Lists of restrictions that are right and do not do what they look like. */
import type { Config } from "./config.ts";
import { PARAMETER_NAMES, parameterOf } from "./parameters.ts";
import { isRestrictions, type Restriction } from "./restrictions.ts";

export interface RestrictionWarning {
  readonly name: string; // of the list
  readonly text: string;
}

const ENDS: ReadonlySet<string> = new Set(["permit", "reject", "defer"]);
const LISTS = PARAMETER_NAMES.filter((name) => isRestrictions(parameterOf(name).kind));

export function* restrictionWarnings(config: Config): Generator<RestrictionWarning> {
  for (const name of LISTS) yield* warningsOf(config, name, config[name] as readonly Restriction[]);
  for (const [name, list] of config.restrictionClasses) yield* warningsOf(config, name, list);
}

function* warningsOf(config: Config, name: string, list: readonly Restriction[]): Generator<RestrictionWarning> {
  const end = list.findIndex(({ word, onlyWarns }) => ENDS.has(word) && !onlyWarns);
  const behind = end < 0 ? undefined : list[end + 1];
  if (behind !== undefined) {
    yield { name, text: `${wordOf(behind)} stands behind ${list[end]?.word}, where nothing is asked any more` };
  }
  for (const { word } of list) {
    if (/_login_mismatch$/.test(word) && config.smtpd_sender_login_maps.length === 0) {
      yield { name, text: `${word} does nothing while smtpd_sender_login_maps is empty` };
    }
    if (/unknown_(reverse_)?client/.test(word) && !config.smtpd_peername_lookup) {
      yield { name, text: `${word} refuses everybody while smtpd_peername_lookup is no` };
    }
  }
}

function wordOf(restriction: Restriction): string {
  return restriction.word === "class" ? restriction.name : restriction.word;
}
