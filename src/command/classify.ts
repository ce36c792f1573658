/**
 * NAME
 *   sces classify - shows what a reply of a mail server would be taken for
 *
 * SYNOPSIS
 *   sces classify [-c DIR] [-o name=value]... REPLY
 *
 * DESCRIPTION
 *   Prints the row of bounce_classes_file that fits the reply ("550 5.1.1 User unknown"; its lines divided by newlines
 *   or given as arguments of their own), or a failure without reply (type=timeout): where it stands, and what it says.
 *   Exit status 0 if there is one, 65 if none fits or REPLY is none.
 */
import { ScesError } from "../base/errors.ts";
import { EX_DATAERR, EX_OK } from "../base/exit.ts";
import type { BounceClass, Failure } from "../config/bounce-classes.ts";
import { loadConfig } from "../config/load.ts";
import { defaultStatus, parseReply } from "../mail/reply.ts";
import { readBounceClasses } from "../service/bounce-classes.ts";
import { takeConfigOptions } from "../service/config-options.ts";
import type { CommandIo } from "./io.ts";

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const { directory, overrides, rest } = takeConfigOptions(args, io.env);
  if (rest.length === 0) throw new ScesError("USAGE", 'usage: sces classify [-c DIR] "550 5.1.1 User unknown"');
  const { bounce_classes_file: file } = loadConfig(directory, overrides);
  const failure = readFailure(rest.join("\n"));
  if (failure === undefined) {
    io.stderr.write('sces classify: no reply of a mail server: it begins with a code, as "550 5.1.1 User unknown"\n');
    return EX_DATAERR;
  }
  const row = file === "" ? undefined : readBounceClasses(file).find(failure);
  io.stdout.write(row === undefined ? "no row fits\n" : rowText(file, row));
  return row === undefined ? EX_DATAERR : EX_OK;
}

function readFailure(text: string): Failure | undefined {
  const type = /^type=([a-z]+)$/.exec(text)?.[1];
  if (type !== undefined) return { type, dsn: "4.0.0", text: "" };
  const reply = parseReply(text);
  if (reply === undefined || reply.code < 400) return undefined;
  const dsn = reply.status ?? defaultStatus(reply.code);
  return { type: "error", dsn, ...reply };
}

function rowText(file: string, row: BounceClass): string {
  const { outcome, slowMs, pauseMs } = row;
  const actions = [
    outcome,
    slowMs === undefined ? undefined : `slow the destination for ${slowMs / 1000}s`,
    pauseMs === undefined ? undefined : `pause the destination for ${pauseMs / 1000}s`,
  ].filter((action) => action !== undefined);
  return [
    `${file}, line ${row.line}: ${row.pattern}`,
    `  category: ${row.category}`,
    `  action:   ${actions.length === 0 ? "none, as the code says" : actions.join(", ")}`,
    ...(row.advice === "" ? [] : [`  advice:   ${row.advice}`]),
    "",
  ].join("\n");
}
