/** From main.cf, or from values that were sent, to a Config. */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { ConfigError, type Problem } from "./config-error.ts";
import { buildConfig, type Config } from "./config.ts";
import { parseMainCf } from "./main-cf.ts";
import type { Settings } from "./settings.ts";

const FILE = "main.cf";
const PACKAGE_ETC = resolve(import.meta.dirname, "../../etc");
const SYSTEM_ETC = "/etc/sces";

/**
 * The directory of main.cf: what `-c` says, else $SCES_CONFIG_DIRECTORY, else etc/ of the checkout or package, else
 * /etc/sces. One that somebody named is taken even if nothing is there, so that the error names it.
 */
export function findConfigDirectory(
  option: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): string {
  const named = option ?? env["SCES_CONFIG_DIRECTORY"];
  if (named !== undefined && named !== "") return resolve(named);
  return existsSync(join(PACKAGE_ETC, FILE)) || !existsSync(join(SYSTEM_ETC, FILE)) ? PACKAGE_ETC : SYSTEM_ETC;
}

export interface Source {
  readonly settings: Settings;
  readonly problems: readonly Problem[]; // lines that are no settings
  readonly file: string;
}

/** Reads main.cf without judging values. Throws ConfigError if it cannot be read. `overrides`: of `-o name=value`. */
export function readSource(configDirectory: string, overrides: Readonly<Record<string, string>> = {}): Source {
  const file = join(configDirectory, FILE);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const hint =
      code === "ENOENT" ? "there is no such file; name its directory with -c or $SCES_CONFIG_DIRECTORY" : code;
    throw new ConfigError([{ place: shortest(file), text: `cannot be read: ${hint}` }]);
  }
  // The real directory, once: a link that is turned later must not split the processes.
  return sourceOf(realpathSync(configDirectory), text, overrides);
}

/** The same from text that is, or is to be, the main.cf of a directory. */
export function sourceOf(directory: string, text: string, overrides: Readonly<Record<string, string>> = {}): Source {
  const file = join(directory, FILE);
  const shownFile = shortest(file);
  const { entries, problems, warnings } = parseMainCf(text, shownFile);
  const written = new Map<string, string>();
  const places = new Map<string, string>();
  const all = [...problems];
  for (const { name, value, line } of entries) {
    if (name === "config_directory") {
      all.push({
        place: `${shownFile}, line ${line}`,
        text: "config_directory cannot be set: it is where this file is",
      });
      continue;
    }
    written.set(name, value);
    places.set(name, `${shownFile}, line ${line}`);
  }
  for (const [name, value] of Object.entries(overrides)) {
    written.set(name, value.trim());
    places.set(name, `-o ${name}=${value}`);
  }
  return { settings: { directory, written, places, warnings }, problems: all, file };
}

/** Throws ConfigError with everything that is wrong. */
export function loadConfig(configDirectory: string, overrides: Readonly<Record<string, string>> = {}): Config {
  const { settings, problems } = readSource(configDirectory, overrides);
  return buildConfig(settings, problems);
}

export interface LenientConfig {
  readonly config: Config;
  readonly problems: readonly Problem[]; // settings that are wrong and count as not set
}

/**
 * For commands on a system that may run with older settings: one mistake elsewhere in main.cf must not keep anybody
 * from looking or stopping. Throws ConfigError if the file cannot be read, or if it is queue_directory that is wrong.
 */
export function loadLeniently(
  configDirectory: string,
  overrides: Readonly<Record<string, string>> = {},
): LenientConfig {
  const { settings, problems: syntax } = readSource(configDirectory, overrides);
  const problems = [...syntax];
  const written = new Map(settings.written);
  for (;;) {
    try {
      return { config: buildConfig({ ...settings, written }), problems };
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const places = new Set(error.problems.map((problem) => problem.place));
      const wrong = [...written.keys()].filter((name) => places.has(settings.places.get(name) ?? ""));
      if (wrong.length === 0 || wrong.includes("queue_directory")) throw error;
      for (const name of wrong) written.delete(name);
      problems.push(...error.problems);
    }
  }
}

/** What a Config was built from, to be sent to another process. */
export function rawValues(config: Config): Record<string, string> {
  return config.raw();
}

/** The same Config again from what rawValues() gave. */
export function configFromValues(values: Readonly<Record<string, string>>): Config {
  const directory = (values["config_directory"] ?? SYSTEM_ETC).replaceAll("$$", "$");
  return buildConfig({ directory, written: new Map(Object.entries(values)), places: new Map(), warnings: [] });
}

/** A Config for tests: no file, a host name that does not depend on the machine. */
export function testConfig(values: Readonly<Record<string, string>> = {}): Config {
  return configFromValues({ myhostname: "mail.sces.test", ...values });
}

function shortest(file: string): string {
  const near = relative(process.cwd(), file);
  return near.startsWith("..") ? file : near;
}
