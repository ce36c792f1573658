/** The lookup tables that the settings name: can they be read, by those who will, and is every line of them understood. */
import { statSync } from "node:fs";
import { messageOf, ScesError } from "../../base/errors.ts";
import type { User } from "../../base/user.ts";
import type { Config } from "../../config/config.ts";
import { maps, tableName, type TableSpec } from "../../config/maps.ts";
import { PARAMETER_NAMES, parameterOf } from "../../config/parameters.ts";
import { isRestrictions, type Restriction } from "../../config/restrictions.ts";
import { LISTENERS } from "../../config/settings.ts";
import { readTable } from "../../config/tables.ts";
import { readBounceClasses } from "../../service/bounce-classes.ts";
import { parseTlsPolicy, tlsDefaults } from "../../config/tls-policy.ts";
import { ValueError } from "../../config/values.ts";
import type { Finding } from "./finding.ts";

/** Every table once, with the parameters that name it. */
export function checkTables(config: Config, owner: User | undefined): Finding[] {
  const users = new Map<string, { readonly spec: TableSpec; readonly names: Set<string> }>();
  for (const { name, spec } of allTables(config)) {
    const known = users.get(tableName(spec));
    if (known === undefined) users.set(tableName(spec), { spec, names: new Set([name]) });
    else known.names.add(name);
  }
  const tables = [...users.values()].flatMap(({ spec, names }) => [...checkTable([...names].join(", "), spec, owner)]);
  return [
    ...tables,
    ...checkRetryProfiles(config),
    ...checkTlsPolicies(config),
    ...checkBounceClasses(config.bounce_classes_file),
  ];
}

/** Each as often as it is named. */
export function* allTables(config: Config): Generator<{ readonly name: string; readonly spec: TableSpec }> {
  for (const view of [config, ...LISTENERS.map((listener) => config.listener(listener))]) {
    for (const name of PARAMETER_NAMES) {
      const { kind } = parameterOf(name);
      if (kind === maps) for (const spec of view[name] as unknown as readonly TableSpec[]) yield { name, spec };
      if (isRestrictions(kind)) yield* tablesOf(name, view[name] as readonly Restriction[]);
    }
  }
  for (const [name, list] of config.restrictionClasses) yield* tablesOf(name, list);
}

function* tablesOf(
  name: string,
  list: readonly Restriction[],
): Generator<{ readonly name: string; readonly spec: TableSpec }> {
  for (const restriction of list) {
    if ("tables" in restriction) for (const spec of restriction.tables) yield { name, spec };
  }
}

/** Retry profiles that a table names and main.cf does not. */
function* checkRetryProfiles(config: Config): Generator<Finding> {
  const known = [...config.retry_profiles.keys(), "default"];
  for (const spec of config.retry_profile_maps) {
    const unknown = valuesOf(spec).find((value) => !value.includes("$") && !known.includes(value));
    if (unknown === undefined) continue;
    const text = `retry_profile_maps: ${tableName(spec)}: no such retry profile: ${unknown} (there are: ${known.join(", ")})`;
    yield { severity: "error", text };
  }
}

/** Lines by which no mail would go. */
function* checkTlsPolicies(config: Config): Generator<Finding> {
  for (const spec of config.smtp_tls_policy_maps) {
    for (const value of valuesOf(spec).filter((text) => !text.includes("$"))) {
      try {
        parseTlsPolicy(value, tlsDefaults(config));
      } catch (error) {
        if (!(error instanceof ValueError)) throw error;
        yield { severity: "error", text: `smtp_tls_policy_maps: ${tableName(spec)}: ${messageOf(error)}` };
      }
    }
  }
}

function* checkBounceClasses(path: string): Generator<Finding> {
  if (path === "") return;
  try {
    for (const { line, text } of readBounceClasses(path).problems) {
      yield { severity: "error", text: `${path}, line ${line}: ${text}` };
    }
  } catch (error) {
    if (!(error instanceof ScesError)) throw error;
    yield { severity: "error", text: `${messageOf(error)}: make it, or set bounce_classes_file to nothing` };
  }
}

/** All values of a table; none if it cannot be read, which checkTable says. */
export function valuesOf(spec: TableSpec): readonly string[] {
  try {
    return readTable(spec).values;
  } catch (error) {
    if (!(error instanceof ScesError)) throw error;
    return [];
  }
}

/** `name`: of the parameter. `owner`: the user as whom the processes will run, if it is another than ours. */
export function* checkTable(name: string, spec: TableSpec, owner: User | undefined): Generator<Finding> {
  try {
    for (const { line, text } of readTable(spec).problems) {
      const place = line > 0 ? `, line ${line}` : "";
      yield { severity: "error", text: `${name}: ${tableName(spec)}${place}: ${text}` };
    }
  } catch (error) {
    if (!(error instanceof ScesError)) throw error;
    yield { severity: "error", text: `${name}: ${messageOf(error)}: make it, or take it out of main.cf` };
    return;
  }
  if (owner === undefined || spec.type === "inline" || spec.type === "static") return;
  const { mode, uid, gid } = statSync(spec.name);
  const isReadable = (uid === owner.uid && (mode & 0o400) > 0) || (gid === owner.gid && (mode & 0o040) > 0);
  if (!isReadable && (mode & 0o004) === 0) {
    yield { severity: "error", text: `${name}: ${spec.name} cannot be read by the mail_owner: chgrp or chmod it` };
  }
}
