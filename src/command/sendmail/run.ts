/** sces-sendmail from its arguments to its exit status. */
import { ScesError } from "../../base/errors.ts";
import { EX_NOPERM, EX_OK, EX_UNAVAILABLE, EX_USAGE } from "../../base/exit.ts";
import type { Config } from "../../config/config.ts";
import { findConfigDirectory, loadConfig } from "../../config/load.ts";
import { complain } from "../entry.ts";
import type { CommandIo } from "../io.ts";
import { BadAddress } from "./addresses.ts";
import { DropFile, NotText, TooLarge } from "./drop.ts";
import { HELP } from "./help.ts";
import { readMessage } from "./input.ts";
import { writeLetter } from "./letter.ts";
import { parseOptions, type SendmailOptions } from "./options.ts";
import { runQueueCommand } from "./queue-command.ts";
import { pipeSmtp } from "./smtp-pipe.ts";

const NAME = "sces-sendmail";

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const options = parseOptions(args);
  if (options.help) {
    io.stdout.write(HELP);
    return EX_OK;
  }
  const directory = findConfigDirectory(options.configDirectory, io.env);
  switch (options.mode) {
    case "deliver":
      return await deliver(options, loadConfig(directory), io);
    case "smtp":
      return await pipeSmtp(loadConfig(directory), io);
    case "list":
      return await runQueueCommand(["list", "-c", directory], io);
    case "flush":
      return await runQueueCommand(flushArguments(options, directory), io);
    case "aliases":
      return EX_OK; // there is no alias database to rebuild
    case "verify":
      complain(NAME, io, "-bv is not supported: whether an address can be delivered to is known only by trying");
      return EX_UNAVAILABLE;
    case "daemon":
      complain(NAME, io, "the mail system is started by `sces start`, not by sendmail");
      return EX_USAGE;
  }
}

function flushArguments({ flushId, flushSite }: SendmailOptions, directory: string): string[] {
  const what = flushId !== undefined ? [flushId] : flushSite !== undefined ? ["--site", flushSite] : [];
  return ["flush", ...what, "-c", directory];
}

async function deliver(options: SendmailOptions, config: Config, io: CommandIo): Promise<number> {
  enterSpool(config);
  const letter = writeLetter(readMessage(io.stdin, options.dotEnds), options, config, io.env);
  let file: DropFile | undefined;
  // Whoever interrupts us (Ctrl-C at a terminal) has not sent anything.
  const giveUp = () => {
    file?.abort();
    process.exit(EX_UNAVAILABLE);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.once(signal, giveUp);
  try {
    for await (const piece of letter) {
      file ??= new DropFile(config);
      file.write(piece);
    }
    const name = file?.commit();
    if (options.verbose && name !== undefined) io.stderr.write(`${NAME}: handed in as ${name}\n`);
    return EX_OK;
  } catch (error) {
    file?.abort();
    if (error instanceof BadAddress || error instanceof TooLarge || error instanceof NotText) {
      complain(NAME, io, `${error.message}; nothing was sent`);
      return error.status;
    }
    if (isNotAllowed(error)) {
      complain(NAME, io, error.message);
      return EX_NOPERM;
    }
    throw error;
  } finally {
    for (const signal of signals) process.removeListener(signal, giveUp);
  }
}

function isNotAllowed(error: unknown): error is ScesError {
  if (!(error instanceof ScesError)) return false;
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  return cause?.code === "EACCES" || cause?.code === "EPERM";
}

function enterSpool(config: Config): void {
  try {
    process.chdir(config.queue_directory);
  } catch (error) {
    const isDenied = (error as NodeJS.ErrnoException).code === "EACCES";
    const text = isDenied
      ? `no right to enter ${config.queue_directory}: it must let local senders through to its drop directory`
      : `there is no spool at ${config.queue_directory}: start sces once, or name its settings with -C`;
    throw new ScesError(isDenied ? "SPOOL_IO" : "NOT_RUNNING", text, { cause: error });
  }
}
