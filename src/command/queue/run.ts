/** sces-queue from its arguments to its exit status. */
import { EX_DATAERR, EX_OK } from "../../base/exit.ts";
import type { Config } from "../../config/config.ts";
import { takeConfigOptions } from "../../service/config-options.ts";
import { complain } from "../entry.ts";
import { enterSpool } from "../enter-spool.ts";
import type { CommandIo } from "../io.ts";
import { MalformedIds, parseArguments, type Request } from "./arguments.ts";
import { settingsOf } from "../settings.ts";
import { change } from "./change.ts";
import { type Control, CONTROLS, controlHelp } from "./control/control.ts";
import { helpText } from "./help.ts";
import { list } from "./list.ts";
import { show } from "./show.ts";
import { summary } from "./summary.ts";

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  try {
    const { directory, overrides, rest } = takeConfigOptions(args, io.env);
    const control = CONTROLS[rest[0] ?? ""];
    if (control !== undefined) return await runControl(control, rest, () => spoolOf(directory, overrides, io), io);
    const request = parseArguments(rest);
    if ("help" in request) {
      io.stdout.write(helpText(request.help));
      return EX_OK;
    }
    return await carryOut(request, spoolOf(directory, overrides, io), io);
  } catch (error) {
    if (!(error instanceof MalformedIds)) throw error;
    for (const line of error.message.split("\n")) complain("sces-queue", io, line);
    complain("sces-queue", io, "nothing was done");
    return EX_DATAERR;
  }
}

/** Judges the arguments before anything is looked at. */
async function runControl(
  control: Control,
  args: readonly string[],
  enter: () => Config,
  io: CommandIo,
): Promise<number> {
  const [name = "", ...rest] = args;
  if (rest.includes("--help") || rest.includes("-h")) {
    io.stdout.write(controlHelp(name, control));
    return EX_OK;
  }
  return await control.prepare(rest)(enter(), io);
}

/** The settings, and this process in their spool. */
function spoolOf(directory: string, overrides: Readonly<Record<string, string>>, io: CommandIo): Config {
  const config = settingsOf("sces-queue", directory, overrides, io);
  enterSpool(config, "start sces once, or name its settings with -c");
  return config;
}

async function carryOut(request: Request, config: Config, io: CommandIo): Promise<number> {
  const { verb } = request;
  switch (verb) {
    case "list":
      return await list(request, config, io);
    case "show":
      return await show(request, config, io);
    case "summary":
      return await summary(request, config, io);
    default:
      return await change({ ...request, verb }, config, io);
  }
}
