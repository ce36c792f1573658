/** What stop, reload and status have in common: a question to the running master of a spool. */
import { ScesError } from "../base/errors.ts";
import type { Config } from "../config/config.ts";
import { loadLeniently } from "../config/load.ts";
import type { Command, Reply } from "../ipc/messages.ts";
import { Asker } from "../service/ask.ts";
import { takeConfigOptions } from "../service/config-options.ts";
import { enterSpool } from "./enter-spool.ts";
import type { CommandIo } from "./io.ts";
import { settingsOf } from "./settings.ts";

export interface MasterAnswer {
  readonly reply: Reply;
  readonly config: Config;
  readonly rest: readonly string[];
}

/** Throws NOT_RUNNING, NO_ANSWER, USAGE for arguments that are not in `allowed`. */
export async function askMaster(
  verb: Command["verb"],
  args: readonly string[],
  io: CommandIo,
  allowed: readonly string[] = [],
): Promise<MasterAnswer> {
  const { directory, overrides, rest } = takeConfigOptions(args, io.env);
  const unknown = rest.find((arg) => !allowed.includes(arg));
  if (unknown !== undefined) throw new ScesError("USAGE", `unknown argument: ${unknown}`);
  // What is wrong with main.cf is for master to say when that is what it is asked for.
  const config =
    verb === "reload"
      ? loadLeniently(directory, overrides).config
      : settingsOf(`sces ${verb}`, directory, overrides, io);
  enterSpool(config, "sces is not running");
  const asker = await Asker.open("master", { timeoutMs: config.command_timeout });
  try {
    return { reply: await asker.ask({ verb, targets: [] }), config, rest };
  } finally {
    asker.close();
  }
}
