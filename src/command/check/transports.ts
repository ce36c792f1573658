/** Transports: those that tables name are there, and commands can be run as whom they are to run. */
import { accessSync, constants, statSync } from "node:fs";
import { lookupUser } from "../../base/user.ts";
import { programOf } from "../../config/command-line.ts";
import type { Config } from "../../config/config.ts";
import { tableName } from "../../config/maps.ts";
import { allTransports } from "../../config/names.ts";
import { splitWay } from "../../config/transports.ts";
import type { Finding } from "./finding.ts";
import { valuesOf } from "./tables.ts";

export function* checkTransports(config: Config): Generator<Finding> {
  const used = new Set(config.transports.map(({ name }) => name));
  for (const name of ["local_transport", "relay_transport", "default_transport"] as const) {
    used.add(config[name].transport);
  }
  for (const name of ["transport_maps", "sender_dependent_default_transport_maps"] as const) {
    for (const spec of config[name]) {
      for (const transport of new Set(valuesOf(spec).map((value) => splitWay(value).transport))) {
        if (isNone(transport)) continue;
        used.add(transport);
        if (config.agentOf(transport) !== undefined) continue;
        const there = allTransports(config.transports).map((each) => each.name);
        yield error(`${name}: ${tableName(spec)}: no such transport: ${transport} (there are: ${there.join(", ")})`);
      }
    }
  }
  for (const name of config.transportsOn("pipe")) if (used.has(name)) yield* checkCommand(config, name);
}

/** No transport, DUNNO, or what an expression will make of `$1`. */
function isNone(transport: string): boolean {
  return transport === "" || transport.toUpperCase() === "DUNNO" || transport.includes("$");
}

function* checkCommand(config: Config, name: string): Generator<Finding> {
  const { pipe_command, pipe_user } = config.forTransport(name);
  const program = programOf(pipe_command);
  if (program === "") yield error(`${name}_command is not set: mail for transport ${name} would wait`);
  else if (!isProgram(program)) yield error(`${name}_command: ${program} is not there, or cannot be run: install it`);
  const why = userTrouble(pipe_user);
  if (why !== undefined) yield error(`${name}_user ${why}`);
}

/** As the pipe process will judge it. */
function userTrouble(name: string): string | undefined {
  const own = process.getuid?.() ?? -1;
  const root = "a command does not run as root: name a user without rights";
  if (name === "") return own === 0 ? `is empty, and so is mail_owner; ${root}` : undefined;
  const user = lookupUser(name);
  if (user === undefined) return `names a user that is not there: ${name}; make it, or name another`;
  if (user.uid === 0) return `is ${name}; ${root}`;
  return own === 0 || user.uid === own ? undefined : `is ${name}: to become that user sces must be started by root`;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function error(text: string): Finding {
  return { severity: "error", text };
}
