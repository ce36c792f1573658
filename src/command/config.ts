/**
 * NAME
 *   sces config - shows and changes settings, as postconf does
 *
 * SYNOPSIS
 *   sces config [-c DIR] [-o name=value]... [-dhnx] [NAME...]
 *   sces config [-c DIR] -e name=value...       (or -# NAME..., or -X NAME...)
 *
 * DESCRIPTION
 *   Prints `name = value` of the parameters named, or of all.
 *     -d  the defaults         -n  only what is set in main.cf
 *     -h  the values alone     -x  with every $name replaced by its value
 *   And changes main.cf:
 *     -e  sets values          -#  turns entries into comments          -X  removes entries
 *   What would not be valid is refused and leaves the file as it was. The file is replaced as a whole; comments stay.
 *   A running system takes the change on `sces reload`.
 */
import { readFileSync } from "node:fs";
import { messageOf, ScesError } from "../base/errors.ts";
import { EX_CANTCREAT, EX_CONFIG, EX_DATAERR, EX_OK } from "../base/exit.ts";
import { replaceFile } from "../base/replace-file.ts";
import { ConfigError, problemText } from "../config/config-error.ts";
import { buildConfig } from "../config/config.ts";
import { editMainCf, type Change } from "../config/edit.ts";
import { readSource, sourceOf, type Source } from "../config/load.ts";
import { ALL, nearest } from "../config/names.ts";
import { PARAMETER_NAMES } from "../config/parameters.ts";
import { expandFor, findText, type Settings } from "../config/settings.ts";
import { takeConfigOptions } from "../service/config-options.ts";
import type { CommandIo } from "./io.ts";

const USAGE =
  "usage: sces config [-c DIR] [-o name=value] [-dhnx] [NAME...] | -e name=value... | -# NAME... | -X NAME...";

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const { directory, overrides, rest } = takeConfigOptions(args, io.env);
  const { flags, names } = parseFlags(rest);
  const source = readSource(directory, overrides);
  const verbs = ["e", "#", "X"].filter((letter) => flags.has(letter));
  if (verbs.length > 1) throw new ScesError("USAGE", USAGE);
  const verb = verbs[0] ?? (names.some((name) => name.includes("=")) ? "e" : undefined);
  if (verb !== undefined) return edit(source, changesOf(verb, names), io);
  return show(source, flags, names, io);
}

function parseFlags(args: readonly string[]): { flags: ReadonlySet<string>; names: readonly string[] } {
  const flags = new Set<string>();
  const names: string[] = [];
  for (const [at, arg] of args.entries()) {
    if (arg === "--") return { flags, names: [...names, ...args.slice(at + 1)] };
    if (!arg.startsWith("-") || arg === "-") {
      names.push(arg);
      continue;
    }
    for (const letter of arg.slice(1)) {
      if (!"dhnxe#X".includes(letter)) throw new ScesError("USAGE", `-${letter} is not known\n${USAGE}`);
      flags.add(letter);
    }
  }
  return { flags, names };
}

function show(source: Source, flags: ReadonlySet<string>, names: readonly string[], io: CommandIo): number {
  const settings: Settings = flags.has("d") ? { ...source.settings, written: new Map() } : source.settings;
  for (const problem of source.problems) io.stderr.write(`sces config: warning: ${problemText(problem)}\n`);
  for (const warning of source.settings.warnings) io.stderr.write(`sces config: warning: ${warning}\n`);

  const all = flags.has("n") ? [...source.settings.written.keys()] : [...PARAMETER_NAMES, ...settings.written.keys()];
  const wanted = names.length > 0 ? names : [...new Set(all)].sort();
  let status = EX_OK;
  for (const name of wanted) {
    if (flags.has("n") && !source.settings.written.has(name)) continue;
    let value: string;
    try {
      const text = findText(settings, ALL, name)?.text;
      if (text === undefined) {
        const near = nearest(name);
        io.stderr.write(
          `sces config: unknown parameter: ${name}${near === undefined ? "" : `; did you mean ${near}?`}\n`,
        );
        status = EX_DATAERR;
        continue;
      }
      value = flags.has("x") ? expandFor(settings, ALL, name, text) : text;
    } catch (error) {
      io.stderr.write(`sces config: parameter ${name}: ${messageOf(error)}\n`);
      status = EX_CONFIG;
      continue;
    }
    io.stdout.write(flags.has("h") ? `${value}\n` : `${name} = ${value}\n`.replace(/ \n$/, "\n"));
  }
  return status;
}

function changesOf(verb: string, args: readonly string[]): ReadonlyMap<string, Change> {
  if (args.length === 0) throw new ScesError("USAGE", USAGE);
  return new Map(
    args.map((arg): [string, Change] => {
      if (verb !== "e") return [arg, verb === "#" ? { kind: "comment" } : { kind: "remove" }];
      const [, name, value] = /^\s*([^\s=]+)\s*=(.*)$/s.exec(arg) ?? [];
      if (name === undefined || value === undefined) throw new ScesError("USAGE", `-e takes name=value, not ${arg}`);
      if (/[\n\r\0]/.test(value)) throw new ScesError("USAGE", `the value of ${name} must be one line`);
      return [name, { kind: "set", value: value.trim() }];
    }),
  );
}

/** Refuses what would make the file worse than it is: problems that were there before do not stop a repair. */
function edit(source: Source, changes: ReadonlyMap<string, Change>, io: CommandIo): number {
  const text = readFileSync(source.file, "utf8");
  const edited = editMainCf(text, changes);
  const before = new Set(problemsOf(source).map((problem) => problem.text));
  const worse = problemsOf(sourceOf(source.settings.directory, edited)).filter((problem) => !before.has(problem.text));
  if (worse.length > 0) {
    for (const problem of worse) io.stderr.write(`sces config: ${problem.text}; ${source.file} is unchanged\n`);
    return EX_CONFIG;
  }
  if (edited === text) return EX_OK;
  try {
    replaceFile(source.file, edited);
  } catch (error) {
    io.stderr.write(`sces config: cannot write ${source.file}: ${messageOf(error)}\n`);
    return EX_CANTCREAT;
  }
  return EX_OK;
}

function problemsOf({ settings, problems }: Source): ConfigError["problems"] {
  try {
    buildConfig(settings, problems);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}
