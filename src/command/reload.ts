/** `sces reload`: new settings, without dropping a connection. */
import { EX_CONFIG, EX_OK } from "../base/exit.ts";
import { ConfigError } from "../config/config-error.ts";
import { askMaster } from "./ask-master.ts";
import type { CommandIo } from "./io.ts";

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const problems = await reload(args, io);
  if (problems !== undefined) {
    io.stderr.write(`sces reload: refused, the old settings stay in force:\n${problems}\n`);
    return EX_CONFIG;
  }
  io.stdout.write("sces reloaded\n");
  return EX_OK;
}

/** What is wrong with the settings. We may see it before master does: we need them to find it. */
async function reload(args: readonly string[], io: CommandIo): Promise<string | undefined> {
  try {
    return (await askMaster("reload", args, io)).reply.error;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message;
  }
}
