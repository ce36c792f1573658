/** Which names may be set: parameters, parameters of one listener or transport, and names that other values use. */
import type { Problem } from "./config-error.ts";
import { references } from "./expand.ts";
import { nearestIn } from "./nearest.ts";
import { isParameter, isPerListener, PARAMETER_NAMES, parameterOf, type ParameterName } from "./parameters.ts";
import { LISTENERS, type Listener, type Settings, type View } from "./settings.ts";
import { BUILT_IN, prefixOf, type Transport } from "./transports.ts";
import { splitList } from "./values.ts";

/** What a set name is. */
export type Meaning =
  | { readonly kind: "parameter"; readonly name: ParameterName }
  | { readonly kind: "listener"; readonly name: ParameterName; readonly listener: Listener }
  | { readonly kind: "transport"; readonly name: ParameterName; readonly transport: Transport } // of its agent
  | { readonly kind: "queue"; readonly name: ParameterName } // <transport>_<x> in place of default_<x> or <x>
  | { readonly kind: "own" } // another value uses it
  | { readonly kind: "unknown" };

export const ALL: View = { kind: "all" };

/** Every transport: those that are always there, and those that are declared. */
export function allTransports(declared: readonly Transport[]): Transport[] {
  return [...BUILT_IN, ...declared];
}

/** The parameter that a transport's own `<transport>_<suffix>` stands for in scheduling. */
export function fallbackOf(suffix: string): ParameterName | undefined {
  if (suffix === "initial_destination_concurrency") return suffix;
  const name = `default_${suffix}`;
  return suffix.startsWith("destination_") && isParameter(name) ? name : undefined;
}

export function meaningOf(name: string, transports: readonly Transport[], used: ReadonlySet<string>): Meaning {
  if (isParameter(name)) return { kind: "parameter", name };
  for (const listener of LISTENERS) {
    const inner = name.slice(listener.length + 1);
    if (name.startsWith(`${listener}_`) && isPerListener(inner)) return { kind: "listener", name: inner, listener };
  }
  for (const transport of transports) {
    if (!name.startsWith(`${transport.name}_`)) continue;
    const suffix = name.slice(transport.name.length + 1);
    const queue = fallbackOf(suffix);
    if (queue !== undefined) return { kind: "queue", name: queue };
    const inner = `${prefixOf(transport.agent)}${suffix}`;
    if (isParameter(inner)) return { kind: "transport", name: inner, transport };
  }
  return used.has(name) ? { kind: "own" } : { kind: "unknown" };
}

/** Every name that some value refers to, and the restriction classes. */
export function usedNames(settings: Settings): Set<string> {
  const used = new Set<string>(splitList(settings.written.get("smtpd_restriction_classes") ?? ""));
  for (const text of settings.written.values()) for (const name of references(text)) used.add(name);
  return used;
}

export function unknownName(settings: Settings, name: string): Problem {
  const near = nearest(name);
  const hint = near === undefined ? "" : `; did you mean ${near}?`;
  return { place: settings.places.get(name) ?? "", text: `unknown parameter: ${name}${hint}` };
}

/** The parameter whose name is most like this one, if any is like it at all. */
export function nearest(name: string): string | undefined {
  for (const listener of LISTENERS) {
    if (!name.startsWith(`${listener}_`)) continue;
    const near = nearestIn(name.slice(listener.length + 1), PARAMETER_NAMES.filter(isPerListener));
    if (near !== undefined) return `${listener}_${near}`;
  }
  return nearestIn(name, PARAMETER_NAMES);
}

/** Whether a parameter's default is worked out from the machine. */
export function isComputed(name: ParameterName): boolean {
  return parameterOf(name).compute !== undefined;
}
