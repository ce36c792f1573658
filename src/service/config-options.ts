/** The options that every command has: `-c CONFIG_DIR` and `-o name=value`. */
import { ScesError } from "../base/errors.ts";
import { findConfigDirectory } from "../config/load.ts";

export interface ConfigOptions {
  readonly directory: string; // of main.cf
  readonly overrides: Readonly<Record<string, string>>;
  readonly rest: readonly string[]; // the other arguments, in order
}

/** Takes the options out of the arguments, wherever they stand before `--`. Throws USAGE. */
export function takeConfigOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ConfigOptions {
  const overrides: Record<string, string> = {};
  const rest: string[] = [];
  let directory: string | undefined;
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? "";
    if (arg === "--") {
      rest.push(...args.slice(at));
      break;
    }
    const [, letter, attached] = /^-([co])(.*)$/s.exec(arg) ?? [];
    if (letter === undefined) {
      rest.push(arg);
      continue;
    }
    const value = attached || args[++at];
    if (value === undefined)
      throw new ScesError("USAGE", `-${letter} needs ${letter === "c" ? "a directory" : "name=value"}`);
    if (letter === "c") {
      directory = value;
    } else {
      const [, name, text] = /^\s*([^\s=]+)\s*=(.*)$/s.exec(value) ?? [];
      if (name === undefined) throw new ScesError("USAGE", `-o takes name=value, not ${value}`);
      overrides[name] = text ?? "";
    }
  }
  return { directory: findConfigDirectory(directory, env), overrides, rest };
}
