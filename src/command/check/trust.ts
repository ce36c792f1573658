/**
 * Who can change what the system goes by. Whoever can write main.cf, a table or the program of a transport decides
 * what is done with mail, and, where root starts sces, as whom.
 */
import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { programOf } from "../../config/command-line.ts";
import type { Config } from "../../config/config.ts";
import { tableName } from "../../config/maps.ts";
import type { Finding } from "./finding.ts";
import { allTables } from "./tables.ts";

export function* checkTrust(config: Config): Generator<Finding> {
  const main = join(config.config_directory, "main.cf");
  const programs = config.transportsOn("pipe").flatMap((name) => programOf(config.forTransport(name).pipe_command));
  const [token = ""] = config.smtp_sasl_xoauth2_command;
  const tables = [...allTables(config)].flatMap(({ spec }) =>
    spec.type === "inline" || spec.type === "static" ? [] : { name: tableName(spec), path: spec.name },
  );
  const named = [main, ...programs, token].map((path) => ({ name: path, path }));
  const directories = { name: config.config_directory, path: config.config_directory };
  const seen = new Set<string>();
  for (const { name, path } of [directories, ...named, ...tables]) {
    if (path === "" || seen.has(path)) continue;
    seen.add(path);
    yield* writers(name, path);
  }
  for (const path of [main, ...programs]) if (path !== "") yield* ownership(path);
}

function* writers(name: string, path: string): Generator<Finding> {
  const mode = modeOf(path);
  if (mode === undefined || (mode & 0o022) === 0) return;
  const shown = (mode & 0o7777).toString(8).padStart(4, "0");
  yield { severity: "error", text: `${name} can be written by others than its owner (mode ${shown}): chmod go-w it` };
}

/** Started by root, only root may say what is done. */
function* ownership(path: string): Generator<Finding> {
  if (process.getuid?.() !== 0) return;
  for (const at of [path, dirname(path)]) {
    const uid = statSync(at, { throwIfNoEntry: false })?.uid ?? 0;
    if (uid !== 0) {
      const text = `${at} belongs to uid ${uid}, who decides by it what root does when sces starts: chown root it`;
      yield { severity: "warning", text };
    }
  }
}

function modeOf(path: string): number | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })?.mode;
  } catch {
    return undefined; // closed to us
  }
}
