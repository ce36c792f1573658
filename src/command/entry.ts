/** From the operating system's arguments and streams to a command's `run`, and from what went wrong to an exit status. */
import { errnoOf, type ErrorCode, messageOf, ScesError } from "../base/errors.ts";
import {
  EX_CONFIG,
  EX_DATAERR,
  EX_IOERR,
  EX_NOINPUT,
  EX_NOPERM,
  EX_OK,
  EX_SOFTWARE,
  EX_TEMPFAIL,
  EX_UNAVAILABLE,
  EX_USAGE,
} from "../base/exit.ts";
import { clean } from "../base/text.ts";
import { ConfigError } from "../config/config-error.ts";
import type { CommandIo, Run } from "./io.ts";

const STATUS: Readonly<Record<ErrorCode, number>> = {
  SPOOL_FULL: EX_TEMPFAIL,
  SPOOL_IO: EX_IOERR,
  SPOOL_LOCKED: EX_TEMPFAIL,
  SPOOL_LAYOUT: EX_CONFIG,
  FILE_DAMAGED: EX_DATAERR,
  FILE_GONE: EX_NOINPUT,
  NOT_RUNNING: EX_UNAVAILABLE,
  KEY_UNUSABLE: EX_CONFIG,
  NO_TOKEN: EX_TEMPFAIL,
  NO_ANSWER: EX_TEMPFAIL,
  TABLE_UNREADABLE: EX_CONFIG,
  ALIAS_UNUSABLE: EX_CONFIG,
  USAGE: EX_USAGE,
};

/** Runs a command as this process. */
export async function runAsProcess(name: string, run: Run): Promise<void> {
  // A reader that has seen enough (`| head`) is no error.
  process.stdout.on("error", (error) => process.exit(errnoOf(error) === "EPIPE" ? EX_OK : EX_IOERR));
  const io: CommandIo = { stdout: process.stdout, stderr: process.stderr, stdin: process.stdin, env: process.env };
  process.exitCode = await guarded(name, run, process.argv.slice(2), io);
}

/** Trouble becomes a sentence on stderr and an exit status. */
export async function guarded(name: string, run: Run, args: readonly string[], io: CommandIo): Promise<number> {
  try {
    return await run(args, io);
  } catch (error) {
    if (error instanceof ConfigError) {
      for (const line of error.message.split("\n")) complain(name, io, line);
      return EX_CONFIG;
    }
    const errno = rootErrno(error);
    if (errno === "EACCES" || errno === "EPERM") {
      complain(name, io, `${messageOf(error)} (run it as root or as the user of the mail system)`);
      return EX_NOPERM;
    }
    if (error instanceof ScesError) {
      complain(name, io, error.message);
      return STATUS[error.code];
    }
    complain(name, io, `internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return EX_SOFTWARE;
  }
}

/** `name: text` on stderr, as one line that is safe for a terminal. */
export function complain(name: string, io: CommandIo, text: string): void {
  io.stderr.write(`${name}: ${clean(text, 4096)}\n`);
}

/** The system's own error, under what was wrapped around it. */
function rootErrno(error: unknown): string {
  for (let at = error; at instanceof Error; at = at.cause) {
    const errno = errnoOf(at);
    if (/^E[A-Z0-9]+$/.test(errno)) return errno;
  }
  return "";
}
