/**
 * Trouble around us, as opposed to expected outcomes (values) and broken invariants (plain Error, ends the process).
 * Every code is provoked by a test.
 */
export const ERROR_CODES = {
  SPOOL_FULL: "no room in the spool: blocks, inodes or quota",
  SPOOL_IO: "the spool cannot be read or written",
  SPOOL_LOCKED: "another sces runs on this spool",
  SPOOL_LAYOUT: "the spool directories are not as they must be",
  FILE_DAMAGED: "a queue file cannot be understood",
  FILE_GONE: "a queue file is not where it was seen",
  NOT_RUNNING: "the mail system is not running",
  KEY_UNUSABLE: "a DKIM key cannot be used",
  NO_TOKEN: "the command for access tokens gave none",
  NO_ANSWER: "the queue manager does not answer",
  TABLE_UNREADABLE: "a lookup table cannot be read",
  ALIAS_UNUSABLE: "an alias cannot be expanded as it stands",
  USAGE: "the command line is wrong",
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export class ScesError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ScesError";
    this.code = code;
  }
}

/** The errno name of a system error ("ENOENT"), or "" for anything else. */
export function errnoOf(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return "";
}

/** The system said that there is no such file. */
export function isGone(error: unknown): boolean {
  return errnoOf(error) === "ENOENT";
}

/** Wraps a system error of the spool: no room is told apart from other trouble. */
export function spoolError(doing: string, error: unknown): ScesError {
  if (error instanceof ScesError) return error;
  const errno = errnoOf(error);
  const code = errno === "ENOSPC" || errno === "EDQUOT" || errno === "EFBIG" ? "SPOOL_FULL" : "SPOOL_IO";
  return new ScesError(code, `${doing}: ${errno || messageOf(error)}`, { cause: error });
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
