/**
 * Settings: what was written for which name, and where. From them the values of all parameters are worked out, also
 * as one listener or one transport sees them.
 */
import type { Problem } from "./config-error.ts";
import { expand, ExpandError, type Lookup } from "./expand.ts";
import {
  isParameter,
  isPerListener,
  PARAMETER_NAMES,
  parameterOf,
  type ParameterName,
  type Values,
} from "./parameters.ts";
import { prefixOf, type Transport } from "./transports.ts";
import { ValueError } from "./values.ts";

export interface Settings {
  readonly directory: string; // of main.cf: what relative paths are relative to
  readonly written: ReadonlyMap<string, string>; // unexpanded, by name as written
  readonly places: ReadonlyMap<string, string>; // where, by name as written
  readonly warnings: readonly string[];
}

export type Listener = "submission" | "submissions";
export const LISTENERS: readonly Listener[] = ["submission", "submissions"];

/** From whose side the settings are seen. */
export type View =
  | { readonly kind: "all" }
  | { readonly kind: "listener"; readonly listener: Listener }
  | { readonly kind: "transport"; readonly transport: Transport };

interface Found {
  readonly key: string; // the name under which it was written; "" for a default
  readonly text: string;
}

/** The unexpanded text that holds for a name in a view. `computing`: the defaults that ask for it. Throws ExpandError. */
export function findText(
  settings: Settings,
  view: View,
  name: string,
  computing: readonly string[] = [],
): Found | undefined {
  for (const key of ownKeys(view, name)) {
    const text = settings.written.get(key);
    if (text !== undefined) return { key, text };
  }
  const parameter = isParameter(name) ? parameterOf(name) : undefined;
  if (view.kind === "listener" && parameter?.listener !== undefined) return { key: "", text: parameter.listener };
  // What is set for SMTP is meant for other hosts' servers on the Internet, not for a mailbox server of one's own.
  const isOfLmtp = view.kind === "transport" && view.transport.agent === "lmtp" && name.startsWith("smtp_");
  if (isOfLmtp && parameter !== undefined) return { key: "", text: parameter.lmtp ?? parameter.default };
  const isOfRelay = view.kind === "transport" && view.transport.name === "relay";
  if (isOfRelay && parameter?.relay !== undefined) return { key: "", text: parameter.relay };
  const plain = settings.written.get(name);
  if (plain !== undefined) return { key: name, text: plain };
  if (parameter === undefined) return undefined;
  return {
    key: "",
    text: parameter.compute === undefined ? parameter.default : computed(settings, name as ParameterName, computing),
  };
}

/** The names by which a view has its own value of a parameter, the nearest first. */
function ownKeys(view: View, name: string): string[] {
  if (view.kind === "listener") return isPerListener(name) ? [`${view.listener}_${name}`] : [];
  if (view.kind === "all") return [];
  const { name: own, agent } = view.transport;
  const prefix = prefixOf(agent);
  if (!name.startsWith(prefix)) return [];
  const suffix = name.slice(prefix.length);
  return [`${own}_${suffix}`, `${agent}_${suffix}`].filter((key) => key !== name);
}

/** A default that the machine decides, written so that expanding gives it back. Throws ExpandError. */
export function computed(settings: Settings, name: ParameterName, computing: readonly string[] = []): string {
  if (computing.includes(name)) throw new ExpandError("the value refers to itself");
  const lookup: Lookup = (other) => findText(settings, { kind: "all" }, other, [...computing, name])?.text;
  const value = parameterOf(name).compute?.({
    directory: settings.directory,
    explicit(other) {
      const text = settings.written.get(other);
      return text === undefined ? undefined : expand(text, lookup).trim();
    },
    value: (other) => expand(lookup(other) ?? "", lookup).trim(),
  });
  return (value ?? "").replaceAll("$", "$$$$");
}

export function lookupIn(settings: Settings, view: View): Lookup {
  return (name) => findText(settings, view, name)?.text;
}

/** A text that is set for a parameter, with what it refers to in place. Throws ExpandError. */
export function expandFor(settings: Settings, view: View, name: string, text: string): string {
  const { macros, isTemplate } = isParameter(name) ? parameterOf(name) : {};
  if (isTemplate) return text;
  const lookup = lookupIn(settings, view);
  if (macros === undefined) return expand(text, lookup).trim();
  const asWritten = (macro: string) => "$$".concat(`{${macro}}`); // $$ becomes one dollar sign
  return expand(text, (other) => (macros.includes(other) ? asWritten(other) : lookup(other))).trim();
}

/** The value of one parameter in a view. Throws ValueError or ExpandError. */
function evaluate(settings: Settings, view: View, name: ParameterName, text: string): unknown {
  return parameterOf(name).kind.parse(expandFor(settings, view, name, text), settings.directory);
}

/** All values in a view, and what is wrong with them. The values are whole only if nothing is. */
export function evaluateAll(settings: Settings, view: View): { values: Values; problems: Problem[] } {
  const values: Record<string, unknown> = {};
  const problems: Problem[] = [];
  for (const name of PARAMETER_NAMES) {
    let found: Found = { key: "", text: "" };
    try {
      found = findText(settings, view, name) ?? found;
      values[name] = evaluate(settings, view, name, found.text);
    } catch (error) {
      problems.push(problemWith(settings, found.key, name, error));
    }
  }
  return { values: values as Values, problems };
}

/** The value that one setting has for the parameter whose place it takes, e.g. slow_destination_concurrency_limit. */
export function evaluateAs(settings: Settings, key: string, name: ParameterName): unknown {
  return evaluate(settings, { kind: "all" }, name, settings.written.get(key) ?? "");
}

export function problemWith(settings: Settings, key: string, name: string, error: unknown): Problem {
  if (!(error instanceof ValueError || error instanceof ExpandError)) throw error;
  return { place: settings.places.get(key) ?? "", text: `parameter ${key || name}: ${error.message}` };
}
