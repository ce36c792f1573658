/** The settings for a command on a system that runs with its own: what is wrong with main.cf is said, and passed over. */
import { problemText } from "../config/config-error.ts";
import type { Config } from "../config/config.ts";
import { loadLeniently } from "../config/load.ts";
import { complain } from "./entry.ts";
import type { CommandIo } from "./io.ts";

/** Throws ConfigError if not even the spool can be found by it. */
export function settingsOf(
  name: string,
  directory: string,
  overrides: Readonly<Record<string, string>>,
  io: CommandIo,
): Config {
  const { config, problems } = loadLeniently(directory, overrides);
  for (const problem of problems) complain(name, io, `warning: ${problemText(problem)}`);
  return config;
}
