/** `sces reload`: new settings, without dropping a connection. */
import { EX_CONFIG, EX_OK } from "../base/exit.ts";
import { askMaster } from "./ask-master.ts";
import type { CommandIo } from "./io.ts";

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const { reply } = await askMaster("reload", args, io);
  if (reply.error !== undefined) {
    io.stderr.write(`sces reload: refused, the old settings stay in force:\n${reply.error}\n`);
    return EX_CONFIG;
  }
  io.stdout.write("sces reloaded\n");
  return EX_OK;
}
