/** The options of these verbs, read and judged. */
import { type ParseArgsConfig, parseArgs } from "node:util";
import { messageOf, ScesError } from "../../../base/errors.ts";
import { clean } from "../../../base/text.ts";
import { parseTime } from "../../../config/values.ts";
import { type Pause, PAUSE_KINDS, pauseValue } from "../../../mail/pause.ts";

type Options = NonNullable<ParseArgsConfig["options"]>;

/** Throws USAGE. */
export function readOptions<const O extends Options>(args: readonly string[], options: O) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    // Node's sentences end with hints about `--` that do not help here.
    throw new ScesError("USAGE", messageOf(error).split(". ")[0] ?? "", { cause: error });
  }
}

export const TARGET_OPTIONS = {
  domain: { type: "string" },
  sender: { type: "string" },
  source: { type: "string" },
} as const;

/** What is paused or resumed by option; undefined if none is given. Throws USAGE. */
export function targetOf(
  values: { readonly [K in Pause["kind"]]?: string },
): Pick<Pause, "kind" | "value"> | undefined {
  const given = PAUSE_KINDS.filter((kind) => values[kind] !== undefined);
  const [kind] = given;
  if (kind === undefined) return undefined;
  if (given.length > 1) throw new ScesError("USAGE", `one of --domain, --sender and --source at a time`);
  const text = values[kind] ?? "";
  const value = pauseValue(kind, text);
  if (value !== undefined) return { kind, value };
  const wanted = { domain: "a domain", sender: "an address or @domain", source: "an IP address of this machine" };
  throw new ScesError("USAGE", `--${kind} ${clean(text, 80) || "(empty)"}: needs ${wanted[kind]}`);
}

/** When a time from now is over, in ms since 1970. Throws USAGE. */
export function endOf(option: string, text: string, now: number): number {
  const span = parseTime(text, "s");
  if (span === undefined || span === 0) {
    throw new ScesError("USAGE", `--${option} ${clean(text, 40) || "(empty)"}: needs a time, as 30m, 2h or 7d`);
  }
  return now + span;
}
